import logging
import math
from pathlib import Path

import msgspec
import pandas as pd
import pytest

from experiments import results
from experiments.errors import RunFailed
from experiments.results import CONFIGURATION_COLUMNS, FIRST_COLUMNS, ResultsWriter, Row
from experiments.runner import Measured, missing, run_all
from experiments.spec import RunConfig, Suite
from experiments.sweep import Run, expand
from tests.experiments.fake import REQUESTS_PER_CLIENT_AND_BIN, FakeBackend, measured

SUITE = Suite(
    name="s",
    repeats=2,
    base={"warmup_s": 0.2, "duration_s": 0.5, "cooldown_s": 0.1},
    axes={"protocol": ["jpaxos", "spaxos"], "clients": [1, 10]},
)


class Recorder:
    """Keeps what a sweep tells."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def started(self, run: Run) -> None:
        self.told.append(("started", run.run_id))

    def finished(self, run: Run, row: Row) -> None:
        self.told.append((row["outcome"], run.run_id))


def _sweep(folder: Path, backend: FakeBackend, suite: Suite = SUITE) -> Recorder:
    recorder = Recorder()
    with ResultsWriter(folder, suite) as writer, backend:
        runs = missing(suite, writer)
        run_all(suite, runs, backend=backend, results=writer, observer=recorder)
    return recorder


def _fail_spaxos(config: RunConfig) -> Measured:
    if config.protocol == "spaxos":
        raise RunFailed("no\n  quorum")
    return measured(config)


def test_every_run_becomes_a_row(tmp_path: Path) -> None:
    backend = FakeBackend()
    _sweep(tmp_path, backend)
    assert backend.ran == [run.config for run in expand(SUITE)]
    assert list(results.runs(tmp_path)["run_id"]) == [run.run_id for run in expand(SUITE)]


def test_a_row_holds_numbers_and_where_they_come_from(tmp_path: Path) -> None:
    _sweep(tmp_path, FakeBackend())
    runs = results.runs(tmp_path)
    first = [*FIRST_COLUMNS, *CONFIGURATION_COLUMNS]
    assert list(runs.columns[: len(first)]) == first
    throughput = runs["clients"] * REQUESTS_PER_CLIENT_AND_BIN / 0.1
    assert runs["throughput_rps"].to_list() == pytest.approx(throughput.to_list())
    assert (runs["latency_ms_mean"] == 2.0).all()
    run = runs.iloc[0]
    assert run["cores"] > 0
    assert run["ray_version"]
    assert pd.Timestamp(run["started_at"]).utcoffset() == pd.Timedelta(0)


def test_a_row_holds_the_whole_configuration(tmp_path: Path) -> None:
    _sweep(tmp_path, FakeBackend())
    rows = results.runs(tmp_path).to_dict("records")
    for row, run in zip(rows, expand(SUITE), strict=True):
        settings = {key: row[key] for key in RunConfig.__struct_fields__}
        assert msgspec.convert(settings, RunConfig) == run.config


def test_a_second_sweep_runs_nothing_again(tmp_path: Path) -> None:
    _sweep(tmp_path, FakeBackend())
    again = FakeBackend()
    _sweep(tmp_path, again)
    assert again.ran == []


def test_a_wider_sweep_runs_what_is_new(tmp_path: Path) -> None:
    _sweep(tmp_path, FakeBackend())
    wider = msgspec.structs.replace(SUITE, axes=SUITE.axes | {"clients": [1, 10, 100]})
    again = FakeBackend()
    _sweep(tmp_path, again, wider)
    assert {config.clients for config in again.ran} == {100}
    assert len(results.runs(tmp_path)) == 12


def test_a_failed_run_is_a_row_without_numbers_and_the_sweep_goes_on(tmp_path: Path) -> None:
    recorder = _sweep(tmp_path, FakeBackend(_fail_spaxos))
    assert len(recorder.told) == 16
    runs = results.runs(tmp_path).set_index("protocol")
    assert set(runs.loc["spaxos", "outcome"]) == {"no quorum"}
    assert set(runs.loc["jpaxos", "outcome"]) == {"ok"}
    assert runs.loc["spaxos", "throughput_rps"].isna().all()
    assert runs.loc["jpaxos", "throughput_rps"].notna().all()
    assert len(results.timeline(tmp_path)["run_id"].unique()) == 4


@pytest.mark.parametrize(
    ("table", "column", "reason"),
    [
        ("latency", "fleet", "KeyError: 'fleet'"),  # No numbers can be computed.
        ("events", "detail", "AssertionError: .*time_s"),  # The table cannot be written.
    ],
)
def test_a_run_whose_tables_make_no_sense_is_a_failed_one_and_the_sweep_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, table: str, column: str, reason: str
) -> None:
    def lacking(config: RunConfig) -> Measured:
        found = measured(config)
        if config.protocol == "jpaxos":
            return found
        return found._replace(**{table: found.tables[table].drop(columns=column)})

    recorder = _sweep(tmp_path, FakeBackend(lacking))
    assert len(recorder.told) == 16
    runs = results.runs(tmp_path).set_index("protocol")
    assert set(runs.loc["jpaxos", "outcome"]) == {"ok"}
    assert runs.loc["spaxos", "outcome"].str.fullmatch(f"internal error: {reason}.*").all()
    assert runs.loc["spaxos", "throughput_rps"].isna().all()
    assert len(results.timeline(tmp_path)["run_id"].unique()) == 4
    assert caplog.text.count("cannot be kept") == 4, "with where that happened"


def test_failed_runs_are_run_again_and_then_finished(tmp_path: Path) -> None:
    _sweep(tmp_path, FakeBackend(_fail_spaxos))
    again = FakeBackend()
    _sweep(tmp_path, again)
    assert [config.protocol for config in again.ran] == ["spaxos"] * 4
    runs = results.runs(tmp_path)
    assert len(runs) == 8
    assert set(runs["outcome"]) == {"ok"}
    assert runs["throughput_rps"].notna().all()


def test_numbers_of_a_run_that_is_not_ok_are_not_shown(tmp_path: Path) -> None:
    _sweep(tmp_path, FakeBackend(lambda config: measured(config, outcome="leader changed")))
    row = results.runs(tmp_path).iloc[0]
    assert row["outcome"] == "leader changed"
    assert math.isnan(row["throughput_rps"])


def test_a_fault_of_ours_is_a_row_and_a_stack_trace_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def divide(config: RunConfig) -> Measured:
        raise ZeroDivisionError("by zero")

    with caplog.at_level(logging.ERROR):
        _sweep(tmp_path, FakeBackend(divide))
    reasons = set(results.runs(tmp_path)["outcome"])
    assert reasons == {"internal error: ZeroDivisionError: by zero"}
    assert "Traceback" in caplog.text


def test_an_interruption_loses_nothing_that_had_finished(tmp_path: Path) -> None:
    backend = FakeBackend()

    def interrupt_fourth(config: RunConfig) -> Measured:
        if len(backend.ran) == 4:
            raise KeyboardInterrupt
        return measured(config)

    backend._behave = interrupt_fourth
    with pytest.raises(KeyboardInterrupt):
        _sweep(tmp_path, backend)
    assert not backend.is_open
    assert len(results.runs(tmp_path)) == 3
    again = FakeBackend()
    _sweep(tmp_path, again)
    assert again.ran == [run.config for run in expand(SUITE)][3:]
    assert len(results.runs(tmp_path)) == 8
