"""Whether Ray sends its token: as the cluster wants it, whatever RAY_AUTH_MODE says here."""

import os

from ray._raylet import (  # type: ignore[attr-defined] # Compiled; its stub lacks them.
    AuthenticationTokenLoader,
    Config,
)

DISABLED, TOKEN = "disabled", "token"
MODE_VARIABLE = "RAY_AUTH_MODE"

TO_BE_LET_IN = "set RAY_AUTH_TOKEN to what `ray get-auth-token` shows on the head"
"""What to do where a cluster does not let us in."""


def use(mode: str) -> None:
    """Have Ray send its token from now on, or not."""
    os.environ[MODE_VARIABLE] = mode
    Config.initialize("")  # Ray has read it when it was imported.


def has_token() -> bool:
    """Say whether there is a token here; raises AuthenticationError where it cannot be read."""
    return bool(AuthenticationTokenLoader.instance().has_token(ignore_auth_mode=True))
