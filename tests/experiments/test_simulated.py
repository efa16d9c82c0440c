"""Runs in virtual time become the same tables as others."""

import os

import pytest

from actors.sim.cluster import SimulationError
from experiments import simulated
from experiments.errors import RunFailed
from experiments.results import TABLES
from experiments.runner import Measured
from experiments.simulated import SimulatedBackend
from experiments.spec import RunConfig

CONFIG = RunConfig(
    backend="sim",
    protocol="spaxos",
    network_delay_ms=1.0,
    clients=5,
    warmup_s=0.1,
    duration_s=0.2,
    cooldown_s=0.1,
)


def test_a_run_makes_all_tables() -> None:
    with SimulatedBackend() as backend:
        measured = backend.run(CONFIG)
    assert (measured.outcome, measured.safety) == ("ok", "ok")
    for name, columns in TABLES.items():
        assert set(columns) <= set(measured.tables[name].columns), name
    assert measured.timeline["completed"].sum() == measured.latency["count"].sum() > 0
    assert set(measured.counters["role"]) == {"replica", "coordinator", "fleet"}
    assert len(measured.timeline) >= CONFIG.load_s / 0.1


def test_the_same_run_makes_the_same_tables() -> None:
    with SimulatedBackend() as backend:
        one, other = (backend.run(CONFIG) for _ in range(2))
    for name in TABLES:
        assert one.tables[name].equals(other.tables[name]), name


def test_a_run_that_does_not_end_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulated, "_simulate", never_end)
    with SimulatedBackend() as backend, pytest.raises(RunFailed, match="it never ends"):
        backend.run(CONFIG)


def never_end(_: RunConfig) -> Measured:
    raise SimulationError("it never ends")


def test_a_process_that_dies_fails_its_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulated, "_simulate", die)
    with SimulatedBackend() as backend:
        for _ in range(2):
            with pytest.raises(RunFailed, match="has died"):
                backend.run(CONFIG)
        monkeypatch.undo()
        assert backend.run(CONFIG).outcome == "ok", "the others go on"


def die(_: RunConfig) -> Measured:
    os._exit(1)
