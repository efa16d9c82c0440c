"""What can be drawn of chosen results: any metric against any other, and the ready-made figures."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pandas as pd
import plotly.graph_objects as go

from dashboards import faults, report
from dashboards.app.library import Library
from dashboards.app.metrics import SETTINGS, metric
from dashboards.app.view import KEYS, NONE, View, values_of, varies
from dashboards.figures import (
    ablation,
    balance,
    batch_window,
    calibration,
    equal_latency,
    explore,
    hosts,
    latency_throughput,
    model_check,
    percentiles,
    replicas,
    request_size,
    same_load,
    throughput,
    timeline,
    unloaded,
)
from dashboards.series import split
from experiments import results, summarise
from experiments.evaluation import FIGURES

CURVES_MAX = 12
"""Curves of which the hosts are drawn: nobody reads more, and each takes time to read."""


@dataclass(frozen=True)
class Chosen:
    """What a view shows: the points that its filters let through, and what belongs to these."""

    library: Library
    view: View
    points: pd.DataFrame
    """With curves of several folders set apart: see `dashboards.figures.explore.by_folder`."""

    @classmethod
    def of(cls, library: Library, view: View) -> "Chosen":
        """Read what a view shows; `points` is empty where that is nothing."""
        points = view.chosen(library.points(view.folders))
        return cls(library, view, explore.by_folder(points) if len(points) else points)

    @property
    def runs(self) -> pd.DataFrame:
        """The runs, of any outcome, of the first folder there is a point of, by `names_of`."""
        runs = self.view.chosen(self.library.runs(self.points["folder"].unique()[:1]))
        return runs.set_axis(names_of(runs)).drop(columns="folder")

    @property
    def path(self) -> Path:
        """The folder of `runs`."""
        return self.library.path(self.points["folder"].iloc[0])


def names_of(runs: pd.DataFrame) -> "pd.Series[str]":
    """Return what tells each of these runs, with their `folder`, from all others and all points."""
    return runs["folder"] + "/" + runs["run_id"]


class Drawing(NamedTuple):
    """A figure, when it can be drawn, and the lines of Python that draw it."""

    title: str
    what_to_see: str
    can_draw: Callable[[pd.DataFrame], bool]
    """Says so of points, at least one."""
    draw: Callable[[Chosen], go.Figure]
    code: Callable[[Chosen], list[str]]
    takes_percentile: bool = False
    """Whether it shows the percentile that the view asks for."""


def drawing_of(view: View, points: pd.DataFrame) -> Drawing:
    """Return what a view asks for, or axes of one's own where that cannot be drawn."""
    asked = DRAWINGS.get(view.figure, OWN_AXES)
    return asked if len(points) and asked.can_draw(points) else OWN_AXES


def along(points: pd.DataFrame, *, apart_from: str = NONE) -> str:
    """Return the setting along which lines run: the first that joins points, else the clients."""
    swept = [key for key in KEYS if varies(points[key])]
    for key in SETTINGS:
        others = [each for each in swept if each != key]
        joins = key in swept and len(points[others].drop_duplicates()) < len(points)
        if joins and key != apart_from:
            return key
    return "clients"


def code(chosen: Chosen, drawing: Drawing) -> str:
    """Return Python that draws the same, from the files, as it is pasted."""
    return "\n".join([*drawing.code(chosen), "figure.show()", ""])


def missing(chosen: Chosen, drawing: Drawing) -> list[str]:
    """Say what cannot be seen in a drawing of axes of one's own, and why."""
    if drawing is not OWN_AXES:
        return []
    return [words for axis in _axes(chosen.view) for words in axis.missing(chosen.points)]


# --- Axes of one's own --------------------------------------------------------------------------


def _own(chosen: Chosen) -> go.Figure:
    x, y = _axes(chosen.view)
    view = chosen.view
    return explore.draw(
        chosen.points, x, y, along=_along(chosen), colour=view.colour, facet=view.facet
    )


def _axes(view: View) -> tuple[explore.Axis, explore.Axis]:
    """Return both axes of a view that says what is on them."""
    axes = []
    for key, asked in ((view.x, view.log_x), (view.y, view.log_y)):
        column, about = metric(key, view.percentile)
        is_log = about.is_log if asked is None else asked
        axes.append(explore.Axis(column, about.title, about.ticks, is_log=is_log))
    return axes[0], axes[1]


def _along(chosen: Chosen) -> str:
    x = chosen.view.x
    return x if x in SETTINGS else along(chosen.points, apart_from=chosen.view.colour)


def _own_code(chosen: Chosen) -> list[str]:
    x, y = _axes(chosen.view)
    return [
        *_points_code(chosen, "explore", imports=()),
        "figure = explore.draw(",
        "    points,",
        f"    x=explore.{x!r},",
        f"    y=explore.{y!r},",
        f"    along={_along(chosen)!r},",
        f"    colour={chosen.view.colour!r},",
        f"    facet={chosen.view.facet!r},",
        ")",
    ]


# --- Ready-made figures -------------------------------------------------------------------------


def _of_points(module: Any, can_draw: Callable[[pd.DataFrame], bool]) -> Drawing:
    name = module.__name__.rpartition(".")[2]
    return Drawing(
        module.TITLE,
        module.WHAT_TO_SEE,
        can_draw,
        lambda chosen: module.draw(chosen.points),
        lambda chosen: [
            *_points_code(chosen, name, imports=("explore",)),
            f"figure = {name}.draw(points)",
        ],
    )


def _of_latency(module: Any, can_draw: Callable[[pd.DataFrame], bool]) -> Drawing:
    """Return a figure of points that shows the percentile which is asked for."""
    name = module.__name__.rpartition(".")[2]
    return _of_points(module, can_draw)._replace(
        draw=lambda chosen: module.draw(chosen.points, chosen.view.percentile),
        code=lambda chosen: [
            *_points_code(chosen, name, imports=("explore",)),
            f"figure = {name}.draw(points, {chosen.view.percentile!r})",
        ],
        takes_percentile=True,
    )


def _of_suites(module: Any, figure_id: str) -> Drawing:
    """Return a figure that is made for suites of its own."""
    suites = set(FIGURES[figure_id].suites)

    def can_draw(points: pd.DataFrame) -> bool:
        folders = points[["suite", "folder"]].drop_duplicates()
        return set(folders["suite"]) == suites and len(folders) == len(suites)

    return _of_points(module, can_draw)


def _of_hosts(module: Any) -> Drawing:
    name = module.__name__.rpartition(".")[2]

    def can_draw(points: pd.DataFrame) -> bool:
        return not varies(points["folder"]) and _curves(points) <= CURVES_MAX

    def draw(chosen: Chosen) -> go.Figure:
        runs = chosen.runs
        # Those under the most clients are drawn: the tables of all others need not be read.
        busiest = [
            series.rows[series.rows["clients"] == series.rows["clients"].max()]
            for series in split(runs[summarise.is_sound(runs)])
        ]
        drawn = pd.concat(busiest)
        return module.draw(drawn, results.counters(chosen.path, drawn["run_id"]))

    def of_runs(chosen: Chosen) -> list[str]:
        return [
            *_runs_code(chosen, name),
            "runs = runs[summarise.is_sound(runs)]",
            'counters = results.counters(folder, runs["run_id"])',
            f"figure = {name}.draw(runs, counters)",
        ]

    return Drawing(module.TITLE, module.WHAT_TO_SEE, can_draw, draw, of_runs)


def _curves(points: pd.DataFrame) -> int:
    """Return how many curves there are along the clients."""
    keys = [key for key in KEYS if key != "clients" and varies(points[key])]
    return len(points[keys].drop_duplicates()) if keys else 1


def _over_time(chosen: Chosen) -> go.Figure:
    runs = chosen.runs
    return timeline.draw(runs, *report.read_over_time(chosen.path, runs))


def _over_time_code(chosen: Chosen) -> list[str]:
    return [
        *_runs_code(chosen, "timeline"),
        "figure = timeline.draw(runs, *report.read_over_time(folder, runs))",
    ]


def _has_faults(points: pd.DataFrame) -> bool:
    return not varies(points["folder"]) and bool(faults.has_faults(points).any())


def _is_closed(points: pd.DataFrame) -> bool:
    """Say whether closed-loop clients were swept, and nothing is offered at a rate."""
    return bool((points["arrival_rate_rps"] == 0).all()) and varies(points["clients"])


def _is_open(points: pd.DataFrame) -> bool:
    """Say whether loads were swept that are offered to one curve of each protocol."""
    offered = points[points["arrival_rate_rps"] > 0]
    return (
        offered["arrival_rate_rps"].nunique() > 1
        and len(split(offered, "arrival_rate_rps")) == offered["protocol"].nunique()
    )


def _sweeps(key: str) -> Callable[[pd.DataFrame], bool]:
    return lambda points: varies(points[key])


OWN_AXES = Drawing(
    "Axes of your choice",
    "A point is the median of its repeats; bars span the 95% confidence interval, or the range of "
    "fewer than 3 repeats.",
    lambda _: True,
    _own,
    _own_code,
    takes_percentile=True,
)

DRAWINGS: Mapping[str, Drawing] = MappingProxyType(
    {
        NONE: OWN_AXES,
        "throughput": _of_points(throughput, _is_closed),
        "latency-throughput": _of_latency(latency_throughput, _is_closed),
        "percentiles": _of_points(percentiles, _is_closed),
        "replicas": _of_points(replicas, _sweeps("replicas")),
        "request-size": _of_points(request_size, _sweeps("request_bytes")),
        "same-load": _of_points(same_load, _is_open),
        "equal-latency": _of_latency(equal_latency, _is_open),
        "hosts": _of_hosts(hosts),
        "balance": _of_hosts(balance),
        "faults": Drawing(
            timeline.TITLE, timeline.WHAT_TO_SEE, _has_faults, _over_time, _over_time_code
        ),
        "batch-window": _of_suites(batch_window, "batch-window"),
        "ablation": _of_suites(ablation, "ablation"),
        "unloaded": _of_suites(unloaded, "unloaded-latency"),
        "calibration": _of_suites(calibration, "calibration"),
        "model-check": _of_suites(model_check, "model-check"),
    }
)
"""All figures, by what a link calls them."""


# --- Python that reads the same -----------------------------------------------------------------


def _points_code(chosen: Chosen, module: str, imports: tuple[str, ...]) -> Iterator[str]:
    modules = ", ".join(sorted({module, *imports}))
    yield from (
        "from pathlib import Path",
        "",
        "import pandas as pd",
        "",
        f"from dashboards.figures import {modules}",
        "from experiments import results, summarise",
        "",
        f"root = Path({str(chosen.library.root.absolute())!r})",
        f"folders = {list(chosen.view.folders)!r}",
        "points = pd.concat(",
        "    [summarise.summary(results.runs(root / each)).assign(folder=each)"
        " for each in folders],",
        "    ignore_index=True,",
        ")",
        *_filters_code(chosen, "points"),
        "points = explore.by_folder(points)",
    )


def _runs_code(chosen: Chosen, module: str) -> Iterator[str]:
    drawn = ["from dashboards import report"] if module == "timeline" else []
    read = "results" if module == "timeline" else "results, summarise"
    yield from (
        "from pathlib import Path",
        "",
        *drawn,
        f"from dashboards.figures import {module}",
        f"from experiments import {read}",
        "",
        f"folder = Path({str(chosen.path.absolute())!r})",
        "runs = results.runs(folder)",
        *_filters_code(chosen, "runs"),
    )


def _filters_code(chosen: Chosen, table: str) -> Iterator[str]:
    points = chosen.library.points(chosen.view.folders)
    for key, texts in chosen.view.filters.items():
        if key in points and not (key == explore.FOLDER and table == "runs"):
            values = values_of(points, key, texts)
            yield f"{table} = {table}[{table}[{key!r}].isin({values!r})]"
