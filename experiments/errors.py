"""What a user is told in one line, without a stack trace."""


class InputError(ValueError):
    """What the user gave cannot be used; the message names it, and says what would be right."""
