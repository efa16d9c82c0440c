"""Which backend carries out a run."""

import sys
from collections.abc import Callable, Sequence

import pytest

from experiments import backends as backends_module
from experiments.backends import Backends
from experiments.errors import RunFailed
from experiments.runner import Backend, Measured
from experiments.simulated import SimulatedBackend
from experiments.spec import RunConfig
from tests.experiments.fake import FakeBackend

LIVE, SIM = RunConfig(), RunConfig(backend="sim", network_delay_ms=1.0)


class Ready(FakeBackend):
    def __init__(self) -> None:
        super().__init__(lambda _: Measured.failed("a fake"))


class Unready(Ready):
    def __enter__(self) -> "Unready":
        raise RunFailed("no cluster")


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> dict[str, FakeBackend]:
    """Return the backends that are made, by name."""
    made: dict[str, FakeBackend] = {}
    monkeypatch.setattr(backends_module, "_make", _maker(made, Ready))
    return made


def _maker(made: dict[str, FakeBackend], kind: Callable[[], FakeBackend]) -> Callable[..., Backend]:
    return lambda name, *_: made.setdefault(name, kind() if name == "sim" else Ready())


def test_what_runs_on_ray_shares_one_ray(made: dict[str, FakeBackend]) -> None:
    null = RunConfig(backend="null_actor", protocol="unreplicated", replicas=1, transport="ray")
    with Backends([LIVE, null], None) as backends:
        backends.run(null)
        backends.run(LIVE)
    assert made.keys() == {"live"}
    assert made["live"].ran == [null, LIVE]


def test_each_run_goes_to_the_backend_it_is_configured_for(made: dict[str, FakeBackend]) -> None:
    with Backends([SIM, LIVE, SIM], None) as backends:
        for config in (SIM, LIVE, SIM):
            backends.run(config)
    assert made["live"].ran == [LIVE]
    assert made["sim"].ran == [SIM, SIM]


def test_backends_are_open_inside_and_only_those_that_are_needed(
    made: dict[str, FakeBackend],
) -> None:
    with Backends([SIM], None):
        assert made.keys() == {"sim"}
        assert made["sim"].is_open
    assert not made["sim"].is_open


def test_a_backend_that_cannot_open_leaves_none_open(monkeypatch: pytest.MonkeyPatch) -> None:
    made: dict[str, FakeBackend] = {}
    monkeypatch.setattr(backends_module, "_make", _maker(made, Unready))
    with pytest.raises(RunFailed, match="no cluster"), Backends([SIM, LIVE], None):
        pass
    assert not any(each.is_open for each in made.values())


def test_the_simulated_backend_needs_no_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "experiments.live", None)
    with Backends([SIM], None) as backends:
        assert isinstance(backends._backends["sim"], SimulatedBackend)


def test_runs_are_simulated_ahead_only_where_no_live_run_would_suffer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ahead: list[Sequence[RunConfig]] = []
    monkeypatch.setattr(
        backends_module, "_make", lambda _, coming, *__: (ahead.append(coming), Ready())[1]
    )
    Backends([SIM, SIM], None)
    Backends([SIM, LIVE], None)
    assert [list(each) for each in ahead] == [[SIM, SIM], [], []]
