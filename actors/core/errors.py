"""Whose fault it is: the peer's or the caller's. A broken invariant is an `assert`."""


class ProtocolError(Exception):
    """Somebody broke a rule of the protocol."""


class RemoteProtocolError(ProtocolError):
    """A peer sent what no correct peer sends; the host disconnects it."""


class LocalProtocolError(ProtocolError):
    """The caller used a node in a way that its contract forbids."""


class RestartError(Exception):
    """A crashed node must not start again, or cannot: what it stored does not allow it."""
