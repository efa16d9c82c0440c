"""The explorer: choose folders and settings, put any metric on the axes, open a run by a click."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import dash_mantine_components as dmc
import pandas as pd
from dash import ALL, Dash, Input, Output, State, ctx, dcc, html, no_update

from dashboards import theme
from dashboards.app.library import Folder, Library
from dashboards.app.metrics import METRICS
from dashboards.app.parts import GRAPH, caution, problem
from dashboards.app.view import NONE, View, shown
from dashboards.figures import explore as figure
from dashboards.series import SETTINGS
from experiments import summarise
from experiments.linter import lint
from experiments.spec import RunConfig


def layout(library: Library, query: str) -> Any:
    """Return the page for the query of a link."""
    folders = library.folders()
    if not folders:
        return _empty(library)
    view = View.from_query(query)
    if not view.folders:
        view = View(folders=_latest(folders))
    points = library.points(view.folders)
    return dmc.Grid(
        [
            dmc.GridCol(_controls(folders, points, view), span={"base": 12, "md": 3}),
            dmc.GridCol(
                [
                    _problems(folders),
                    dcc.Loading(dcc.Graph(id="explore-figure", config=GRAPH), delay_show=300),
                    dmc.Text(id="explore-count", c="dimmed", size="sm", mb="md"),
                    html.Div(id="explore-caution"),
                ],
                span={"base": 12, "md": 9},
            ),
        ],
        gutter="xl",
    )


def connect(app: Dash, library: Library) -> None:
    """Have the controls change the figure and the link, and a click open a run."""

    @app.callback(
        Output("explore-figure", "figure"),
        Output("explore-count", "children"),
        Output("explore-caution", "children"),
        Output("address", "search", allow_duplicate=True),
        Input("explore-folders", "value"),
        Input("explore-x", "value"),
        Input("explore-y", "value"),
        Input("explore-facet", "value"),
        Input("explore-log-x", "checked"),
        Input("explore-log-y", "checked"),
        Input({"filter": ALL}, "value"),
        State({"filter": ALL}, "id"),
        prevent_initial_call="initial_duplicate",
    )
    def draw(  # noqa: PLR0917 # One for each control, as Dash passes them.
        folders: list[str],
        x: str,
        y: str,
        facet: str | None,
        log_x: bool,
        log_y: bool,
        values: list[list[str]],
        keys: list[dict[str, str]],
    ) -> tuple[Any, str, Any, str]:
        filters = {
            key["filter"]: tuple(each) for key, each in zip(keys, values, strict=True) if each
        }
        view = View(
            folders=tuple(folders),
            x=x,
            y=y,
            facet=facet or NONE,
            log_x=log_x,
            log_y=log_y,
            filters=filters,
        )
        points = view.chosen(library.points(view.folders))
        said = caution(lint(library.runs(view.folders)))
        return _drawn(points, view), _count(points), said, view.to_query()

    @app.callback(
        Output("address", "href"),
        Input("explore-figure", "clickData"),
        State("explore-folders", "value"),
        prevent_initial_call=True,
    )
    def open_run(click: Mapping[str, Any] | None, folders: list[str]) -> Any:
        if not click or ctx.triggered_id != "explore-figure":
            return no_update
        points = library.points(folders)
        point = points.loc[click["points"][0]["customdata"]]
        run = _run_of(library.runs([point["folder"]]), point)
        return f"/run?{urlencode({'folder': point['folder'], 'run': run})}"


# --- What it shows ------------------------------------------------------------------------------


def _drawn(points: pd.DataFrame, view: View) -> Any:
    if points.empty:
        empty = theme.figure("", height=460)
        return empty.add_annotation(text="No point passes these filters.", showarrow=False)
    x = figure.Axis(view.x, *METRICS[view.x][:2], is_log=view.log_x)
    y = figure.Axis(view.y, *METRICS[view.y][:2], is_log=view.log_y)
    along = view.x if not METRICS[view.x].is_measured else "clients"
    return figure.draw(points, x, y, along, view.facet)


def _count(points: pd.DataFrame) -> str:
    runs = int(points["repeats"].sum()) if len(points) else 0
    return f"{len(points):,} points from {runs:,} sound runs. Click a point to open a run of it."


def _run_of(runs: pd.DataFrame, point: Mapping[str, Any]) -> str:
    """Return the run_id of the first sound run of a point."""
    same = summarise.is_sound(runs)
    for key in RunConfig.__struct_fields__:
        if key != "seed":
            same &= runs[key] == point[key]
    return str(runs.loc[same, "run_id"].iloc[0])


def _latest(folders: Sequence[Folder]) -> tuple[str, ...]:
    return tuple(folder.name for folder in folders if not folder.problem)[:1]


def _empty(library: Library) -> Any:
    return dmc.Alert(
        [
            dmc.Text(
                f"There are no results below {library.root} yet. This makes some in two minutes:"
            ),
            dmc.Code("paxoscope run demo", block=True),
        ],
        title="Nothing to show yet",
        color="blue",
    )


def _problems(folders: Sequence[Folder]) -> Any:
    lines = [folder.problem for folder in folders if folder.problem]
    return problem("Not everything could be read", *lines) if lines else html.Div()


# --- Controls -----------------------------------------------------------------------------------


def _controls(folders: Sequence[Folder], points: pd.DataFrame, view: View) -> Any:
    names = [folder.name for folder in folders if not folder.problem]
    metrics = [{"value": key, "label": metric.title} for key, metric in METRICS.items()]
    settings = _swept(points)
    return dmc.Stack(
        [
            dmc.MultiSelect(
                id="explore-folders", label="Results", data=names, value=list(view.folders)
            ),
            _axis("explore-y", "Up", metrics, view.y, is_log=view.log_y),
            _axis("explore-x", "Across", metrics, view.x, is_log=view.log_x),
            dmc.Select(
                id="explore-facet",
                label="A panel for each",
                data=[{"value": NONE, "label": "nothing"}, *settings],
                value=view.facet if view.facet in settings else NONE,
                allowDeselect=False,
            ),
            dmc.Divider(label="Show only", labelPosition="left"),
            *(_filter(key, points, view) for key in settings),
        ],
        gap="sm",
    )


def _axis(
    control: str, name: str, metrics: list[dict[str, str]], value: str, *, is_log: bool
) -> Any:
    log = control.replace("explore-", "explore-log-")
    return dmc.Stack(
        [
            dmc.Select(
                id=control,
                label=name,
                data=metrics,
                value=value,
                allowDeselect=False,
                searchable=True,
            ),
            dmc.Switch(id=log, label="logarithmic", checked=is_log, size="xs"),
        ],
        gap=6,
    )


def _filter(key: str, points: pd.DataFrame, view: View) -> Any:
    values = sorted(points[key].unique())
    return dmc.MultiSelect(
        id={"filter": key},
        label=key,
        placeholder="all",
        data=[shown(value) for value in values],
        value=list(view.filters.get(key, ())),
        clearable=True,
    )


def _swept(points: pd.DataFrame) -> list[str]:
    """Return the settings of which these points have several values."""
    keys = ("protocol", "clients", *SETTINGS)
    return [key for key in keys if key in points and points[key].nunique() > 1]
