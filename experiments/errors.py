"""What a user is told in one line, without a stack trace, and the exit code that goes with it."""

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143


class InputError(ValueError):
    """What the user gave cannot be used; the message names it, and says what would be right."""


class Unreachable(Exception):  # noqa: N818 # The world's state, not an error of the program.
    """Nobody answers at an address, or not any more; the message says where, and why."""


class RunFailed(Exception):  # noqa: N818 # Part of a sweep's life, not an error of the program.
    """A run could not be done; the message says why."""


class Lost(RunFailed):
    """What was under way is lost, with the process or the machine that did it."""


class Terminated(KeyboardInterrupt):
    """The process was told to end, by SIGTERM: what Ctrl-C is to a user, this is to a system."""
