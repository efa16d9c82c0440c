"""What storage says when it cannot keep its word."""


class StorageError(Exception):
    """Records cannot be read, or cannot be made durable; the message is one line with the path."""
