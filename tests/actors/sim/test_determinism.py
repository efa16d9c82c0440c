"""The seed determines everything: also in another process, where sets have another order."""

import os
import subprocess
import sys

import pytest

from actors.core.registry import REPLICATED

PRINT_DIGEST = """
import hashlib
from actors.sim.mix import MIXES, Case, run
digest = hashlib.sha256()
note = lambda event: digest.update(repr(event).encode())
for mix in MIXES:
    outcome = run(Case({seed}, {protocol!r}, mix=mix), note)
    digest.update(repr(outcome.problems).encode())
print(digest.hexdigest())
"""


def digest_of(protocol: str, seed: int, hash_seed: int) -> str:
    """Return the digest of all events of one seed under all mixes, in a process of its own."""
    program = PRINT_DIGEST.format(protocol=protocol, seed=seed)
    environment = {**os.environ, "PYTHONHASHSEED": str(hash_seed)}
    return subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    ).stdout


@pytest.mark.parametrize("protocol", REPLICATED)
def test_equal_seeds_give_equal_events_in_every_process(protocol: str) -> None:
    assert digest_of(protocol, 1, hash_seed=1) == digest_of(protocol, 1, hash_seed=2)
    assert digest_of(protocol, 1, hash_seed=1) != digest_of(protocol, 2, hash_seed=1)
