"""From a suite to its runs: which there are, in which order, and what each is called."""

import hashlib
from typing import NamedTuple

import msgspec

from experiments.spec import RunConfig, Suite

_SEEDS = 1 << 63

ADDED_LATER = ("transport", "hosts_on", "fleets_on")
"""Settings that runs once had not: where they stand at their default, names stay what they were."""


POINT = ("protocol", "replicas", "clients")
"""What a point is called by where its suite sweeps nothing."""


class Run(NamedTuple):
    """One run of a suite: a point of the sweep and which repeat of it, from 0."""

    run_id: str
    """Names this suite, configuration and repeat, and no other."""
    config: RunConfig
    """What is run; its seed is this run's own."""
    repeat: int


def expand(suite: Suite) -> list[Run]:
    """Return every run of `suite`, shuffled so that a drifting machine favours no point.

    The order follows from the suite's seed.
    """
    runs = [run for point in suite.points() for run in repeats(suite, point)]
    seed = suite.base.get("seed", RunConfig().seed)
    return sorted(runs, key=lambda run: _digest([seed, run.run_id]))


def repeats(suite: Suite, point: RunConfig) -> list[Run]:
    """Return the runs of one point of `suite`.

    Repeat i of every point has the point's seed + i: all protocols meet the same randomness.
    """
    configs = [
        msgspec.structs.replace(point, seed=(point.seed + repeat) % _SEEDS)
        for repeat in range(suite.repeats)
    ]
    return [
        Run(_digest([suite.name, _identity(config), repeat]), config, repeat)
        for repeat, config in enumerate(configs)
    ]


def _identity(config: RunConfig) -> dict[str, object]:
    """Return the settings that name a run."""
    settings, defaults = msgspec.structs.asdict(config), RunConfig()
    for key in ADDED_LATER:
        if settings[key] == getattr(defaults, key):
            del settings[key]
    return settings


def name_of(suite: Suite, run: Run) -> str:
    """Return what tells a run from the others of its suite, for people."""
    settings = [f"{key}={shown(getattr(run.config, key))}" for key in suite.swept or POINT]
    repeat = [f"repeat {run.repeat + 1} of {suite.repeats}"] if suite.repeats > 1 else []
    return " ".join([*settings, *repeat])


def shown(value: object) -> str:
    """Return the value of a setting, for people."""
    if isinstance(value, int | float):
        return f"{value:,}"
    return " ".join(str(value).split()) or "none"


def _digest(identity: list[object]) -> str:
    """Return 12 hexadecimal digits that stay the same between processes and versions."""
    text = msgspec.json.encode(identity, order="sorted")
    return hashlib.blake2b(text, digest_size=6).hexdigest()
