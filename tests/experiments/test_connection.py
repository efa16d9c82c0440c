"""Who is let in by a Ray that wants a token."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from ray._private.ray_constants import ENABLE_RAY_CLUSTERS_ENV_VAR as LOOPBACK_ONLY

from tests.actors.on_ray import PATIENCE_S
from tests.experiments import ray_head
from tests.experiments.ray_head import Head

pytestmark = pytest.mark.ray

RIGHT, WRONG = "0" * 64, "1" * 64

CONNECT = "from experiments.connection import Connection\nwith Connection('auto'): print('in')"


@pytest.fixture(scope="module")
def guarded() -> Iterator[Head]:
    with ray_head.head(token=RIGHT) as started:
        yield started


@pytest.mark.parametrize("mode", [None, "token", "disabled"])
@pytest.mark.parametrize(
    ("token", "told"),
    [(RIGHT, ""), (None, "wants a token; "), (WRONG, "does not accept our token; ")],
    ids=["right", "none", "wrong"],
)
def test_the_token_decides_who_is_let_in_whatever_rays_mode_is(
    guarded: Head, mode: str | None, token: str | None, told: str
) -> None:
    """Nothing else is told, by Ray either."""
    ended = _connect(guarded, mode, token)
    last = ended.stderr.splitlines()[-1:]
    if told:
        assert "gcs_client" not in ended.stderr
        (line,) = last
        assert line.endswith(
            f"InputError: cannot connect to auto: {told}set RAY_AUTH_TOKEN to "
            "what `ray get-auth-token` shows on the head"
        )
    else:
        assert (ended.stdout, ended.stderr) == ("in\n", "")


def test_a_ray_client_is_let_in_as_well(guarded: Head) -> None:
    ended = _connect(guarded._replace(gcs=guarded.client), None, RIGHT)
    assert ended.stdout == "in\n", ended.stderr


def _connect(head: Head, mode: str | None, token: str | None) -> "subprocess.CompletedProcess[str]":
    """Connect in a process of its own, which has no token but that, and does not know the mode."""
    ours = {"HOME": str(head.folder), "RAY_ADDRESS": head.gcs, "PATH": os.environ["PATH"]}
    # A Ray of these tests may have set it; the head then listens elsewhere than it does without.
    ours |= {each: os.environ[each] for each in (LOOPBACK_ONLY,) if each in os.environ}
    ours |= {"RAY_AUTH_MODE": mode} if mode else {}
    ours |= {"RAY_AUTH_TOKEN": token} if token else {}
    return subprocess.run(
        [sys.executable, "-c", CONNECT],
        env=ours,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
