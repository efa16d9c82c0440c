"""What can be drawn of which results, and the Python that draws the same."""

from pathlib import Path
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import pytest

from dashboards.app.drawings import DRAWINGS, OWN_AXES, Chosen, along, code, drawing_of, names_of
from dashboards.app.library import Library
from dashboards.app.view import View
from tests.dashboards.result_set import disturbed, runs_of
from tests.dashboards.test_report import write_results


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    """Make results of closed and open loops, and of faults."""
    root = tmp_path_factory.mktemp("root")
    clients = runs_of(clients=(1, 10, 100), repeats=2)
    write_results(root / "clients", clients)
    write_results(root / "again", clients)
    write_results(root / "replicas", runs_of(replicas=(3, 5), clients=(10,), repeats=1))
    write_results(root / "sizes", sweeping("request_bytes", 20, 200))
    write_results(root / "offered", sweeping("arrival_rate_rps", 100.0, 1_000.0))
    runs, *over_time = disturbed("", "2 kill host leader")
    names = ("timeline", "latency", "events")
    write_results(root / "faults", runs, **dict(zip(names, over_time, strict=True)))
    return Library(root)


def sweeping(key: str, *values: float) -> pd.DataFrame:
    parts = [runs_of(clients=(10,), repeats=1).assign(**{key: value}) for value in values]
    runs = pd.concat(parts, ignore_index=True)
    return runs.assign(run_id=[f"run-{number}" for number in range(len(runs))])


def drawable(library: Library, *folders: str) -> set[str]:
    points = Chosen.of(library, View(folders=folders)).points
    return {key for key, drawing in DRAWINGS.items() if drawing.can_draw(points)}


def test_what_was_swept_decides_what_can_be_drawn(library: Library) -> None:
    hosts = {"", "hosts", "balance"}
    curves = {"throughput", "latency-throughput", "percentiles"}
    assert drawable(library, "clients") == hosts | curves
    assert drawable(library, "replicas") == hosts | {"replicas"}
    assert drawable(library, "sizes") == hosts | {"request-size"}
    assert drawable(library, "offered") == hosts | {"same-load", "equal-latency"}
    assert drawable(library, "faults") == hosts | {"faults"}
    assert drawable(library, "clients", "again") == {""} | curves


def test_what_cannot_be_drawn_gives_way_to_axes_of_ones_own(library: Library) -> None:
    points = library.points(["clients"])
    assert drawing_of(View(figure="replicas"), points) is OWN_AXES
    assert drawing_of(View(figure="gone"), points) is OWN_AXES
    assert drawing_of(View(figure="throughput"), points) is DRAWINGS["throughput"]
    assert drawing_of(View(figure="throughput"), points.head(0)) is OWN_AXES


def test_lines_run_along_what_was_swept(library: Library) -> None:
    swept = {
        "clients": "clients",
        "replicas": "replicas",
        "sizes": "request_bytes",
        "offered": "arrival_rate_rps",
    }
    assert {name: along(library.points([name])) for name in swept} == swept
    assert along(library.points(["clients"]), apart_from="clients") == "clients"


VIEWS = {
    "own axes": View(folders=("clients",), x="clients"),
    "colours and panels": View(
        folders=("clients", "again"),
        x="throughput_rps",
        y="latency",
        percentile="p50",
        colour="folder",
        facet="protocol",
        log_y=True,
    ),
    "filters": View(
        folders=("clients",),
        x="clients",
        filters={"protocol": ("jpaxos",), "clients": ("1", "100"), "duration_s": ("1",)},
    ),
    "throughput": View(folders=("clients", "again"), figure="throughput"),
    "percentiles": View(folders=("clients",), figure="percentiles"),
    "latency-throughput": View(folders=("clients",), figure="latency-throughput"),
    "replicas": View(folders=("replicas",), figure="replicas"),
    "request-size": View(folders=("sizes",), figure="request-size"),
    "same-load": View(folders=("offered",), figure="same-load"),
    "equal-latency": View(folders=("offered",), figure="equal-latency"),
    "hosts": View(folders=("clients",), figure="hosts", filters={"protocol": ("spaxos",)}),
    "balance": View(folders=("clients",), figure="balance"),
    "faults": View(folders=("faults",), figure="faults"),
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_its_python_draws_the_same_figure(
    library: Library, view: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(go.Figure, "show", lambda _: None)  # It would open a browser.
    chosen = Chosen.of(library, view)
    drawing = drawing_of(view, chosen.points)
    assert drawing is DRAWINGS[view.figure]
    names: dict[str, Any] = {}
    exec(code(chosen, drawing), names)  # noqa: S102 # It is what a reader would paste.
    # Marks name the rows of their tables, which a library calls otherwise.
    pasted, drawn = (
        each.for_each_trace(lambda trace: trace.update(customdata=None))
        for each in (names["figure"], drawing.draw(chosen))
    )
    assert pasted.to_json() == drawn.to_json()


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_every_mark_that_says_something_knows_its_point_or_run(
    library: Library, view: View
) -> None:
    chosen = Chosen.of(library, view)
    known = {*chosen.points.index, *names_of(library.runs(view.folders))}
    says = [
        trace
        for trace in drawing_of(view, chosen.points).draw(chosen).data
        if trace.hoverinfo != "skip" and trace.x is not None and trace.x[0] is not None
    ]
    assert says
    for trace in says:
        assert {name for name in trace.customdata if isinstance(name, str)} <= known
        # Between two loads no point is that carries just so much.
        assert len(known & {*trace.customdata}) or view.figure == "equal-latency"


def test_the_python_says_where_the_results_are(library: Library, tmp_path: Path) -> None:
    chosen = Chosen.of(library, View(folders=("clients",), x="clients"))
    assert repr(str(library.root.absolute())) in code(chosen, OWN_AXES)
