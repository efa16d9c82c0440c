"""Which backend carries out a run."""

import sys
from collections.abc import Callable

import pytest

from experiments import backends as backends_module
from experiments.backends import Backends
from experiments.errors import InputError, RunFailed
from experiments.ray_tasks import RayTasks
from experiments.runner import Backend, Measured, UnderWay
from experiments.simulated import SimulatedBackend
from experiments.spec import RunConfig
from experiments.sweep import Run
from experiments.workers import Processes
from tests.experiments.fake import FakeBackend

LIVE = Run("live", RunConfig(), 0)
SIM = Run("sim", RunConfig(backend="sim", network_delay_ms=1.0), 0)
NULL = Run(
    "null",
    RunConfig(backend="null_actor", protocol="unreplicated", replicas=1, transport="ray"),
    0,
)


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
    monkeypatch.setattr(backends_module, "_make", _maker(made, "nobody"))
    return made


def _maker(made: dict[str, FakeBackend], unready: str) -> Callable[..., Backend]:
    return lambda name, *_: made.setdefault(name, Unready() if name == unready else Ready())


def test_what_runs_on_ray_shares_one_ray(made: dict[str, FakeBackend]) -> None:
    with Backends([LIVE, NULL], None) as backends:
        list(backends.carry_out([NULL, LIVE], UnderWay))
    assert made.keys() == {"live"}
    assert made["live"].ran == [NULL.config, LIVE.config]


def test_each_run_goes_to_the_backend_it_is_configured_for(made: dict[str, FakeBackend]) -> None:
    runs = [SIM, LIVE, SIM]
    with Backends(runs, None) as backends:
        ended = [each.run for each in backends.carry_out(runs, UnderWay)]
    assert made["live"].ran == [LIVE.config]
    assert made["sim"].ran == [SIM.config, SIM.config]
    assert ended == [SIM, SIM, LIVE], "nothing is simulated beside a live run"


def test_backends_are_open_inside_and_only_those_that_are_needed(
    made: dict[str, FakeBackend],
) -> None:
    with Backends([SIM], None):
        assert made.keys() == {"sim"}
        assert made["sim"].is_open
    assert not made["sim"].is_open


@pytest.mark.parametrize("unready", ["sim", "live"])
def test_a_backend_that_cannot_open_leaves_none_open(
    monkeypatch: pytest.MonkeyPatch, unready: str
) -> None:
    made: dict[str, FakeBackend] = {}
    monkeypatch.setattr(backends_module, "_make", _maker(made, unready))
    with pytest.raises(RunFailed, match="no cluster"), Backends([SIM, LIVE], None):
        pass
    assert not any(each.is_open for each in made.values())


def test_without_a_cluster_the_simulated_backend_needs_no_ray(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in ("experiments.live", "experiments.ray_tasks"):
        monkeypatch.setitem(sys.modules, module, None)
    with Backends([SIM], None) as backends:
        (backend,) = backends._backends.values()
        assert isinstance(backend, SimulatedBackend)
        assert isinstance(backend._workers, Processes)


def test_on_a_cluster_runs_are_simulated_by_its_tasks() -> None:
    (backend,) = Backends([SIM], "head:6379")._backends.values()
    assert isinstance(backend, SimulatedBackend)
    assert isinstance(backend._workers, RayTasks)


def test_a_ray_of_its_own_has_no_node_to_lose(made: dict[str, FakeBackend]) -> None:
    lost = Run("lost", RunConfig(faults="2 cut host 0; +1 kill node leader"), 0)
    with pytest.raises(InputError) as told:
        Backends([LIVE, lost], None)
    reason = "needs a Ray cluster of several nodes: give its --address"
    assert str(told.value) == f"faults: kill node leader {reason}"
    Backends([LIVE, lost], "somewhere:6379")
