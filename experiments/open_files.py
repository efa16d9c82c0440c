"""How many files this process may have open at once; pipes and sockets are files, too."""

import resource
from contextlib import suppress

ENOUGH = 65_536


def allow_many() -> None:
    """Let this process, and those it starts, have as many files open as it may ask for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = ENOUGH if hard == resource.RLIM_INFINITY else min(hard, ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < most:
        with suppress(OSError, ValueError):  # Some systems allow less than they say.
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
