"""The documents say what the code does: settings, columns, limits, commands, examples, links."""

import asyncio
import inspect
import re
import tomllib
import types
from collections import Counter
from pathlib import Path
from typing import Any, cast

import msgspec
import numpy as np
import plotly.graph_objects as go
import pytest
import typer

import experiments.cli
from actors.client import ClientFleet
from actors.coordinator import Coordinator
from actors.core import messages
from actors.core.columns import Cells
from actors.core.config import AcceptTo, LoadConfig
from actors.core.ids import Address, is_host_local
from actors.core.messages import Wire
from actors.core.registry import PROTOCOLS
from actors.core.service import Service
from actors.hosted import Hosted
from actors.model.profiles import NONE, PROFILES
from actors.replica import Replica
from actors.services.registry import ServiceKind
from actors.sim.system import System
from actors.sim.trace import Event
from dashboards import figures
from dashboards.app import server
from experiments.claims import CLAIMS
from experiments.compare import VERDICTS
from experiments.evaluation import FIGURES
from experiments.exporter import METRICS
from experiments.limits import limit
from experiments.linter import RULES
from experiments.results import (
    COUNTERS_COLUMNS,
    FIRST_COLUMNS,
    LATENCY_COLUMNS,
    TABLES,
    ResultsWriter,
    Row,
)
from experiments.runner import run_all
from experiments.simulated import SimulatedBackend
from experiments.spec import RunConfig, Suite, load_suite
from experiments.sweep import Run, expand
from tests.actors.transport.called import Called
from tests.dashboards.silent import Silent
from tests.experiments.fake import FakeBackend

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/*.md"))]

README = (ROOT / "README.md").read_text()
PROTOCOLS_PAGE = (ROOT / "docs" / "protocols.md").read_text()
TABLES_PAGE = (ROOT / "docs" / "tables.md").read_text()
COMPARE_PAGE = (ROOT / "docs" / "compare.md").read_text()
ARCHITECTURE_PAGE = (ROOT / "docs" / "architecture.md").read_text()
DASHBOARD_PAGE = (ROOT / "docs" / "dashboard.md").read_text()
NOTEBOOK_PAGE = (ROOT / "docs" / "notebook.md").read_text()
OBSERVE_PAGE = (ROOT / "docs" / "observe.md").read_text()
REPRODUCTION_PAGE = (ROOT / "docs" / "reproduction.md").read_text()


# --- Reading a page -----------------------------------------------------------------------------


def section(page: str, heading: str) -> str:
    """Return what stands under a heading of the second level."""
    _, found, rest = page.partition(f"\n## {heading}\n")
    assert found, f"no section {heading}"
    return rest.partition("\n## ")[0]


def rows(text: str) -> list[list[str]]:
    """Return the cells of each row of the tables in `text`, without heads."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    rules = [index for index, row in enumerate(cells) if set("".join(row)) <= {"-"}]
    heads = {index - 1 for index in rules} | set(rules)
    return [row for index, row in enumerate(cells) if index not in heads]


def names(text: str) -> list[str]:
    """Return what stands in code type in the first cells of the tables in `text`."""
    return [name for row in rows(text) for name in re.findall(r"`([^`]+)`", row[0])]


def blocks(page: str, language: str) -> list[str]:
    """Return the fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.DOTALL | re.MULTILINE)


def slug(heading: str) -> str:
    """Return the anchor that a heading has on a page."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


# --- Links and commands -------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_local_link_leads_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if link.startswith(("https://", "http://")):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), f"{page.name} links to {link}, which is not there"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE)
            assert anchor in map(slug, headings), f"{page.name} links to {link}: no such heading"


@pytest.mark.parametrize("goal", ["demo", "test"])
def test_the_readme_names_the_first_two_commands(goal: str) -> None:
    assert f"make {goal}" in README
    assert re.search(rf"^{goal}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_the_readme_names_every_command_of_the_command_line() -> None:
    commands = cast(Any, typer.main.get_command(experiments.cli.app)).commands
    assert commands
    assert [name for name in commands if f"paxoscope {name}" not in README] == []


def test_the_readme_names_no_command_that_is_not_there() -> None:
    commands = cast(Any, typer.main.get_command(experiments.cli.app)).commands
    assert set(re.findall(r"^    paxoscope (\w+)", README, re.MULTILINE)) <= set(commands)


def test_every_module_has_its_place_among_the_rooms() -> None:
    """Figures and services are found by being there; the page only says so."""
    folders = [*(ROOT / "actors").rglob("*.py"), *ROOT.glob("experiments/*.py")]
    paths = [*folders, *ROOT.glob("dashboards/*.py")]
    modules = {path.stem for path in paths if path.parent.name != "services"}
    named = re.findall(r"\w+", " ".join(_left_column(section(ARCHITECTURE_PAGE, "Rooms"))))
    assert sorted(modules - {"__init__", "__main__"} - set(named)) == []


def _left_column(listed: str) -> list[str]:
    """Return what stands in each indented line before the gap: what comes after it describes."""
    return re.findall(r"^    +(\S+(?: \S+)*)", listed, re.MULTILINE)


# --- Settings and messages ----------------------------------------------------------------------


def test_every_setting_stands_in_the_table_of_parameters_with_its_default() -> None:
    documented = {
        row[0].strip("`"): tomllib.loads(f"default = {row[2].strip('`')}")["default"]
        for row in rows(section(PROTOCOLS_PAGE, "Parameters"))
    }
    assert documented == msgspec.structs.asdict(RunConfig())


def test_every_message_stands_in_the_table_of_messages_with_its_tag() -> None:
    documented = {
        row[0].strip("`"): int(row[1]) for row in rows(section(PROTOCOLS_PAGE, "Messages"))
    }
    kinds = [kind for kind in Wire.__subclasses__() if kind is not messages.Accepted]
    assert documented == {kind.__name__: kind.__struct_config__.tag for kind in kinds}


def test_every_protocol_has_a_section() -> None:
    for protocol in PROTOCOLS:
        assert section(PROTOCOLS_PAGE, protocol)


def _documented_messages() -> list[tuple[str, str, int, int]]:
    """Return protocol, `accept_to`, n and count of the table of network messages."""
    text = section(PROTOCOLS_PAGE, "Messages per request")
    return [
        (row[0], row[1], n, int(count))
        for row in rows(text[text.index("| n = 3 | 5 |") :])
        for n, count in zip((3, 5, 7, 9), row[3:], strict=True)
    ]


@pytest.mark.parametrize(("protocol", "accept_to", "n", "count"), _documented_messages())
def test_a_request_takes_as_many_messages_as_the_page_says(
    protocol: str, accept_to: AcceptTo, n: int, count: int
) -> None:
    """Heartbeats are put off beyond the end, as the page leaves them out."""
    delivered: Counter[str] = Counter()

    def log(event: Event) -> None:
        if event.verb != "receive" or event.address is None or event.sender is None:
            return
        if not is_host_local(event.sender, event.address):
            delivered[type(event.subject).__name__] += 1

    config = LoadConfig(
        protocol=protocol,
        accept_to=accept_to,
        replicas=n,
        clients=1,
        heartbeat_interval_ms=60_000,
        suspect_timeout_ms=600_000,
    )
    system = System(config, log=log)
    assert system.run_until(completed=20, seconds=10)
    for clients in system.clients:
        clients.stop()
    system.world.run(seconds=1)  # What is under way arrives.
    assert delivered.total() == system.completed * count, delivered


# --- The evaluation -----------------------------------------------------------------------------


def test_the_limits_of_each_profile_stand_in_a_table() -> None:
    text = section(REPRODUCTION_PAGE, "Hosts with limits")
    settings = {row[0].strip("`"): row[2:4] for row in rows(text)}
    profiles = ("ethernet-100mbit", "srds12")
    assert {NONE, *profiles} == PROFILES.keys()
    for column, profile in enumerate(profiles):
        documented = {key: float(cells[column]) for key, cells in settings.items()}
        defaults = {key: float(getattr(RunConfig(), key)) for key in documented}
        assert documented == defaults | PROFILES[profile]


SMALL_BATCHES = {"batch_bytes_max": 8192, "dissemination_batch_bytes_max": 8192}
"""As most suites of `srds12` have them."""


def test_the_computed_limits_are_those_of_the_table() -> None:
    table = rows(section(REPRODUCTION_PAGE, "The limit"))
    assert table
    for profile, protocol, bound_by, *in_thousands in table:
        for replicas, thousands in zip((3, 5, 7, 9, 11), in_thousands, strict=True):
            config = LoadConfig(
                protocol=protocol,
                replicas=replicas,
                requests_per_frame_max=128,
                **PROFILES[profile.strip("`")],
                **(SMALL_BATCHES if profile == "`srds12`" else {}),
            )
            found = limit(config)
            assert float(thousands) == pytest.approx(found.throughput_rps / 1e3, abs=0.05)
            assert bound_by == f"{found.resource}, {found.host}"


def test_every_figure_of_the_evaluation_stands_beside_its_suites() -> None:
    documented = {
        row[0].strip("`"): re.findall(r"`(\w+)`", row[1])
        for row in rows(section(REPRODUCTION_PAGE, "The figures"))
    }
    assert documented == {each.figure_id: list(each.suites) for each in FIGURES.values()}


def test_every_claim_is_listed() -> None:
    listed = [row[0] for row in rows(section(PROTOCOLS_PAGE, "What is claimed"))]
    assert listed == [claim.claim_id for claim in CLAIMS]


# --- Comparing results --------------------------------------------------------------------------


def test_every_verdict_on_a_point_is_explained() -> None:
    assert names(section(COMPARE_PAGE, "paxoscope compare")) == list(VERDICTS)


def test_every_rule_of_the_linter_is_listed_with_its_severity() -> None:
    listed = {row[0].strip("`"): row[1] for row in rows(section(COMPARE_PAGE, "The linter"))}
    assert listed == {name: rule.severity for name, rule in RULES.items()}


# --- Metrics ------------------------------------------------------------------------------------


def test_every_metric_is_listed_with_its_labels() -> None:
    listed = {
        row[0].strip("`"): re.findall(r"`(\w+)`", row[1])
        for row in rows(section(OBSERVE_PAGE, "Metrics"))
    }
    assert listed == {f"ray_{name}": list(metric.labels) for name, metric in METRICS.items()}


# --- The dashboard ------------------------------------------------------------------------------


def test_every_page_of_the_dashboard_is_listed() -> None:
    listed = {row[1].strip("`"): row[0] for row in rows(section(DASHBOARD_PAGE, "Pages"))}
    assert listed == {path: page.title for path, page in server.PAGES.items()}


def test_every_figure_is_listed_with_what_it_takes() -> None:
    listed = {
        name: [argument.strip("`") for argument in row[2].split(", ")]
        for row in rows(section(NOTEBOOK_PAGE, "Figures"))
        for name in re.findall(r"`([^`]+)`", row[0])
    }
    required = {
        name: [
            each.name
            for each in inspect.signature(getattr(figures, name).draw).parameters.values()
            if each.default is each.empty
        ]
        for name in figures.NAMES
    }
    assert listed == required


def test_the_examples_for_notebooks_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one notebook, over results of a suite in virtual time."""
    _run_demo(tmp_path / "results" / "demo")
    monkeypatch.chdir(tmp_path)
    shown: list[go.Figure] = []
    monkeypatch.setattr(go.Figure, "show", lambda figure, *_: shown.append(figure))
    notebook = types.ModuleType("notebook")
    for cell in blocks(NOTEBOOK_PAGE, "python"):
        exec(cell, notebook.__dict__)  # noqa: S102 - our own text.
    names = notebook.__dict__
    assert shown == [names["figure"]]
    assert set(names["best"].index) == {"jpaxos", "spaxos"}
    assert len(names["by_bin"]) == 3
    assert names["history"].data
    assert names["loads"].data
    assert len(names["table"]) == len(names["points"])


def _run_demo(folder: Path) -> None:
    base = {"backend": "sim", "clients": 10, "duration_s": 0.3, "network_delay_ms": 1}
    suite = Suite(name="demo", base=base, axes={"protocol": ["jpaxos", "spaxos"]})
    runs = expand(suite)
    with ResultsWriter(folder, suite) as kept, SimulatedBackend() as backend:
        run_all(suite, runs, backend=backend, results=kept, observer=Silent())


# --- Tables -------------------------------------------------------------------------------------


class LastRow:
    """Keeps the row of the last run; shows nothing."""

    def __init__(self) -> None:
        self.row: Row = {}

    def record(self, row: Row, tables: object) -> None:
        self.row = row

    def started(self, run: Run) -> None:
        pass

    def finished(self, run: Run, row: Row) -> None:
        pass


def test_every_column_of_the_table_of_runs_is_described() -> None:
    suite, kept = Suite(name="docs", base={"clients": 1, "duration_s": 0.1}), LastRow()
    with FakeBackend() as backend:
        run_all(suite, expand(suite), backend=backend, results=kept, observer=kept)
    columns = [key for key in kept.row if key not in RunConfig.__struct_fields__]
    documented = names(section(TABLES_PAGE, "runs.parquet"))
    assert sorted(documented) == sorted({*columns, *FIRST_COLUMNS})
    assert documented[: len(FIRST_COLUMNS)] == list(FIRST_COLUMNS)


@pytest.mark.parametrize("table", ["timeline", "latency", "events"])
def test_every_column_of_a_table_over_time_is_described(table: str) -> None:
    assert names(section(TABLES_PAGE, table)) == ["run_id", *TABLES[table]]


def test_service_times_have_the_columns_of_latencies() -> None:
    assert "[latency](#latency)" in section(TABLES_PAGE, "service")
    assert TABLES["service"] == LATENCY_COLUMNS


def measured(folder: Path) -> set[str]:
    """Return every column that some actor adds to the counters, but for those by message type."""

    async def columns(actor: Hosted) -> tuple[str, ...]:
        await actor.listen("127.0.0.1", str(folder))
        await actor.begin()
        table = await actor.measurements()
        await actor.stop()
        return table.columns

    found: set[str] = set()
    for name, protocol in PROTOCOLS.items():
        config = LoadConfig(
            protocol=name, replicas=1, clients=1, crash_model="full", network_delay_ms=1
        )
        actors = [Replica(0, config, b"", str(folder / name)), ClientFleet(0, config, b"")]
        if protocol.coordinator:
            actors.append(Coordinator(0, config, b"", str(folder / "coordinator")))
        for actor in actors:
            found.update(asyncio.run(columns(actor)))
    return found | asyncio.run(counted_by_calls())


async def counted_by_calls() -> set[str]:
    """Return what the transport counts that needs Ray for anything else."""
    replica = Address("replica", 0)
    return set(Called(replica).transport.counts())


def test_every_column_of_the_counters_is_described(tmp_path: Path) -> None:
    documented = names(section(TABLES_PAGE, "counters"))
    by_type = {name for name in documented if name.endswith(".<Type>")}
    assert set(documented) - by_type == {"run_id", *COUNTERS_COLUMNS, *measured(tmp_path)}
    assert by_type == {
        f"{reach}_{what}_{direction}.<Type>"
        for reach in ("network", "local")
        for what in ("messages", "bytes")
        for direction in ("in", "out")
    }


# --- Examples -----------------------------------------------------------------------------------


def test_the_suites_in_the_readme_can_be_run(tmp_path: Path) -> None:
    suites = blocks(README, "toml")
    assert suites
    for text in suites:
        path = tmp_path / "suite.toml"
        path.write_text(text)
        assert expand(load_suite(str(path)))


def example(file: str) -> types.ModuleType:
    """Return the README's example of that file, as a module."""
    (source,) = (block for block in blocks(README, "python") if block.startswith(f"# {file}\n"))
    module = types.ModuleType(Path(file).stem)
    exec(source, module.__dict__)  # noqa: S102 - our own text.
    return module


def test_the_service_in_the_readme_counts_its_commands() -> None:
    kind: ServiceKind = example("actors/services/counter.py").SERVICE
    service: Service = kind.service()
    first = list(service.execute(Cells.of([b"a", b"b"])).values())
    assert first == [number.to_bytes(8, "little") for number in (1, 2)]
    copy = kind.service()
    copy.restore(service.snapshot())
    assert list(copy.execute(Cells.of([b""])).values()) == [(3).to_bytes(8, "little")]
    clients = np.zeros(2, np.uint32)
    assert kind.workload(LoadConfig()).commands(clients, clients).count == 2


def test_the_protocol_in_the_readme_is_made_of_layers_that_are_there() -> None:
    """It takes no part in anything yet, but it starts, is drained and is measured."""
    config = LoadConfig(clients=1)
    service = example("actors/services/counter.py").CounterService()
    replica = example("actors/core/mine.py").MyReplica(0, config, service)
    replica.start(0.0)
    assert replica.drain()
    assert {*replica.gauges(), *replica.counts()}
    assert replica.executor.batches == 0
