"""The explorer: choose folders and settings, put any metric on the axes, open a run by a click."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import dash_mantine_components as dmc
import numpy as np
import pandas as pd
import plotly.graph_objects as go
from dash import ALL, Dash, Input, Output, Patch, State, ctx, dcc, html, no_update
from dash.exceptions import PreventUpdate

from dashboards import theme
from dashboards.app import (
    drawings,
    explore_controls,
    explore_doubts,
    explore_said,
    explore_table,
    one_run,
)
from dashboards.app.drawings import (
    DRAWINGS,
    OWN_AXES,
    Chosen,
    Drawing,
    along,
    code,
    drawing_of,
    names_of,
)
from dashboards.app.library import Folder, Library
from dashboards.app.metrics import METRICS, SETTINGS
from dashboards.app.parts import gone, graph, no_results, problem
from dashboards.app.view import NONE, PROTOCOL, View
from experiments.results import ResultsError

_GRAPH = {"graph": "explore"}
_CONTROLS_PIXELS = 290
_BLANK_PIXELS = 110
"""Of a figure in which there is nothing: as high as its menu takes."""

_LOADS_MIN = 3
"""Loads of a curve at least, for it to show where it goes flat."""

_CLICK = "Point at one for its settings, click it for its run."
_CLICK_SOME = "Where a mark stands for one, point at it for its settings, click it for its run."


def layout(library: Library, query: str) -> Any:
    """Return the page for the query of a link."""
    folders = library.folders()
    names = [folder.name for folder in folders if not folder.problem]
    if not names:
        return dmc.Stack([no_results("Nothing to show yet", library.root), *_unread(folders)])
    view = View.from_query(query)
    chosen = tuple(name for name in view.folders if name in names) or _telling(library, names)
    shown, main = _body(library, replace(view, folders=chosen))
    choice = dmc.MultiSelect(
        id="explore-folders",
        label="Results",
        data=[{"value": name, "label": _named(library, name)} for name in names],
        value=list(chosen),
        searchable=True,
        size="sm",
        mb="sm",
        comboboxProps={"width": 340, "position": "bottom-start"},
    )
    address = dcc.Store(id="explore-address", data=query)
    left = [address, choice, html.Div(shown, id="explore-controls")]
    right = [html.Div(main, id="explore-main"), *_unread(folders)]
    return dmc.Flex(
        [
            dmc.Box(left, w={"base": "100%", "md": _CONTROLS_PIXELS}, style={"flexShrink": 0}),
            dmc.Box(right, flex=1, miw=0),
        ],
        direction={"base": "column", "md": "row"},
        gap="xl",
    )


def connect(app: Dash, library: Library) -> None:
    """Have the controls change the figure and the link, and a click open a run."""
    _connect_controls(app, library)
    _connect_what_follows(app, library)
    _connect_points(app, library)
    explore_said.connect(app, library)
    explore_table.connect(app, library)
    # An axis is logarithmic or not as is usual for what is put on it.
    usual = [key for key, about in {**METRICS, **SETTINGS}.items() if about.is_log]
    for axis in "xy":
        app.clientside_callback(  # type: ignore[no-untyped-call] # Dash has no types for it.
            f"key => {usual}.includes(key)",
            Output({"control": f"log_{axis}"}, "checked"),
            Input({"control": axis}, "value"),
            prevent_initial_call=True,
        )


def _connect_controls(app: Dash, library: Library) -> None:
    @app.callback(
        Output("explore-controls", "children"),
        Output("explore-main", "children"),
        Input("explore-folders", "value"),
        State("explore-address", "data"),
        prevent_initial_call=True,
    )
    def choose(folders: list[str], address: str) -> tuple[Any, Any]:
        view = View.from_query(address)
        page = min(1, view.page)  # Open stays open; what was on the second page is elsewhere.
        return _body(library, replace(view, folders=tuple(folders), x=NONE, log_x=None, page=page))

    @app.callback(
        Output("explore-filters", "children"),
        Output("explore-add", "value"),
        Output("explore-add", "data"),
        Input("explore-add", "value"),
        Input({"remove": ALL}, "n_clicks"),
        State("explore-folders", "value"),
        State({"filter": ALL}, "id"),
        prevent_initial_call=True,
    )
    def change_filters(
        added: str | None,
        clicks: list[int | None],
        folders: list[str],
        there: list[dict[str, str]],
    ) -> Any:
        keys = [each["filter"] for each in there]
        points = library.points(folders)
        filters = Patch()
        if isinstance(ctx.triggered_id, dict) and any(clicks):
            removed = ctx.triggered_id["remove"]
            del filters[keys.index(removed)]
            keys.remove(removed)
        elif added and added not in keys and added in points:
            filters.append(explore_controls.removable(added, points, View()))
            keys.append(added)
        else:
            return no_update, no_update, no_update
        return filters, None, explore_controls.addable(points, keys)

    @app.callback(
        output={
            "figure": Output(_GRAPH, "figure"),
            "code": Output({"code": "explore"}, "data"),
            "count": Output("explore-count", "children"),
            "notice": Output("explore-notice", "children"),
            "see": Output("explore-see", "children"),
            "axes": Output("explore-axes", "style"),
            "percentile": Output("explore-percentile", "style"),
            "page": Output("explore-page", "value"),
            "link": Output("explore-link", "data"),
        },
        inputs={
            "choices": {
                name: Input({"control": name}, "checked" if name.startswith("log_") else "value")
                for name in explore_controls.NAMES
            },
            "values": Input({"filter": ALL}, "value"),
            "keys": State({"filter": ALL}, "id"),
            "folders": State("explore-folders", "value"),
            "drawn": State("explore-link", "data"),
        },
        prevent_initial_call=True,
    )
    def draw(
        choices: dict[str, Any],
        values: list[list[str] | None],
        keys: list[dict[str, str]],
        folders: list[str],
        drawn: str,
    ) -> dict[str, Any]:
        pairs = zip(keys, values, strict=True)
        filters = {key["filter"]: tuple(each) for key, each in pairs if each}
        view = View(folders=tuple(folders), filters=filters, **choices)
        if view.to_query() == drawn:  # The controls have come with the figure.
            raise PreventUpdate
        return {**_shown(Chosen.of(library, view)), "page": 1}


def _connect_what_follows(app: Dash, library: Library) -> None:
    """Have what takes longer than the figure come after it."""

    @app.callback(
        Output("explore-lost", "children"),
        Output("explore-caution", "children"),
        Input("explore-link", "data"),
    )
    def warn(link: str) -> tuple[Any, Any]:
        view = View.from_query(link)
        notices = (explore_doubts.lost_notice, explore_doubts.caution_notice)
        lost, caution = (notice(library, view) for notice in notices)
        return lost, caution

    @app.callback(
        Output("explore-said", "children"),
        Input("explore-read", "data"),
    )
    def say(folders: list[str]) -> Any:
        return explore_said.results_said(library, folders)


def _connect_points(app: Dash, library: Library) -> None:
    @app.callback(
        Output("explore-point", "children"),
        Input(_GRAPH, "hoverData"),
        State("explore-folders", "value"),
        prevent_initial_call=True,
    )
    def describe(pointed: Mapping[str, Any] | None, folders: list[str]) -> Any:
        row = _row(library, pointed, folders)
        return no_update if row is None else explore_said.point_said(library, row)

    @app.callback(
        Output("address", "href"),
        Input(_GRAPH, "clickData"),
        State("explore-folders", "value"),
        prevent_initial_call=True,
    )
    def open_run(clicked: Mapping[str, Any] | None, folders: list[str]) -> Any:
        row = _row(library, clicked, folders)
        if row is None or not ctx.triggered:
            return no_update
        run_ids = [row["run_id"]] if "run_id" in row else explore_said.run_ids_of(library, row)
        if not run_ids:
            return no_update
        return one_run.link(row["folder"], run_ids[0])


# --- What it shows ------------------------------------------------------------------------------


def _body(library: Library, view: View) -> tuple[Any, Any]:
    """Return the controls for the folders of a view, and what is drawn of these."""
    points = library.points(view.folders)
    if points.empty:
        return None, _nothing_sound(library, view)
    view = _fitting(view, points)
    first = _shown(Chosen.of(library, _without_table(view)))
    main = [
        dcc.Store(id="explore-link", data=first["link"]),
        dcc.Store(id="explore-read", data=list(view.folders)),
        dcc.Loading(html.Div(id="explore-said", style={"minHeight": 120}), delay_show=500),
        dmc.Group(
            [
                dmc.Group(
                    [
                        dmc.Text(first["count"], id="explore-count", c="dimmed", size="sm"),
                        dmc.Box(id="explore-lost", style={"flexShrink": 0}),
                    ],
                    gap="xs",
                    wrap="nowrap",
                ),
                html.Div(id="explore-caution"),
            ],
            wrap="nowrap",
            justify="space-between",
            mih=30,
            mt="sm",
        ),
        html.Div(first["notice"], id="explore-notice", className="notice"),
        dcc.Loading(
            graph("explore", first["figure"], first["code"]),
            delay_show=300,
            overlay_style={"visibility": "visible", "opacity": 0.5},
        ),
        dmc.Text(first["see"], id="explore-see", c="dimmed", size="sm", maw="96ch"),
        html.Div(id="explore-point"),
        explore_table.layout(view),
    ]
    return explore_controls.controls(points, view), main


def _fitting(view: View, points: pd.DataFrame) -> View:
    """Return the view with what it leaves open decided, and without what the points have not."""
    varied = explore_doubts.swept(points)
    x = view.x or along(points)
    return replace(
        view,
        figure=view.figure if drawing_of(view, points) is DRAWINGS.get(view.figure) else NONE,
        x=x,
        log_x=_is_log(x) if view.log_x is None else view.log_x,
        log_y=_is_log(view.y) if view.log_y is None else view.log_y,
        colour=view.colour if view.colour in varied else PROTOCOL,
        facet=view.facet if view.facet in varied else NONE,
        filters={key: values for key, values in view.filters.items() if key in points},
    )


def _without_table(view: View) -> View:
    """Return the part of a view that decides what is drawn."""
    return replace(view, page=0, sort=NONE)


def _is_log(key: str) -> bool:
    return (METRICS.get(key) or SETTINGS[key]).is_log


def _shown(chosen: Chosen) -> dict[str, Any]:
    """Return what the controls change."""
    drawing = drawing_of(chosen.view, chosen.points)
    drawn = {
        "axes": explore_controls.if_there(drawing is OWN_AXES),
        "percentile": explore_controls.if_there(drawing.takes_percentile),
        "link": chosen.view.to_query(),
        "see": drawing.what_to_see,
        "notice": _notice(chosen, drawing),
    }
    if chosen.points.empty:
        return {**drawn, "figure": _blank(), "code": "", "count": "No points."}
    try:
        figure = drawing.draw(chosen)
    except ResultsError as error:
        notice = problem("This figure cannot be drawn", str(error))
        nothing = {"figure": _blank(), "code": "", "count": "Nothing to draw."}
        return {**drawn, **nothing, "notice": notice}
    count = _count(chosen.points, figure)
    return {**drawn, "figure": figure, "code": code(chosen, drawing), "count": count}


def _blank() -> Any:
    blank = theme.figure("", height=_BLANK_PIXELS, margin={"t": 0, "b": 0})
    return blank.update_xaxes(visible=False).update_yaxes(visible=False)


def _notice(chosen: Chosen, drawing: Drawing) -> Any:
    """Return why less is drawn than was asked for; None where all of it is."""
    if reasons := chosen.library.unread(chosen.view.folders):
        return gone(reasons)
    if chosen.points.empty:
        return problem("No point passes these filters", "Clear one of them.")
    if missing := drawings.missing(chosen, drawing):
        return problem("Not everything can be drawn", *missing)
    return None


def _count(points: pd.DataFrame, figure: go.Figure) -> str:
    count = f"{len(points):,} points from {int(points['repeats'].sum()):,} sound runs."
    known = [isinstance(name, str) for name in _names(figure)]
    if not any(known):
        return count
    return f"{count} {_CLICK if all(known) else _CLICK_SOME}"


def _names(figure: go.Figure) -> Iterator[object]:
    """Yield the name of what each mark of a figure stands for; it is no text where that is none."""
    for trace in figure.data:
        if trace.customdata is not None:
            yield from np.ravel(np.asarray(trace.customdata, object))


def _row(library: Library, event: Mapping[str, Any] | None, folders: list[str]) -> Any | None:
    """Return the row of the point, or of the run, that a mark stands for; None where it is none."""
    name = event["points"][0].get("customdata") if event else None
    if not isinstance(name, str):
        return None
    points = library.points(folders)
    if name in points.index:
        return points.loc[name]
    runs = library.runs(folders)
    found = runs[names_of(runs) == name] if len(runs) else runs
    return None if found.empty else found.iloc[0]


def _named(library: Library, name: str) -> str:
    """Return what a folder is called: the root itself goes by its own name."""
    return library.root.absolute().name if name == "." else name


def _telling(library: Library, names: Sequence[str]) -> tuple[str, ...]:
    """Return what a newcomer is shown: the latest results that say which protocol carries more."""
    for name in names:
        runs = library.runs([name])
        if runs.empty:  # The folder has gone.
            continue
        closed = runs[runs["arrival_rate_rps"] == 0]
        loads = closed.groupby(["protocol", "replicas"])["clients"].nunique()
        if closed["protocol"].nunique() > 1 and loads.max() >= _LOADS_MIN:
            return (name,)
    return tuple(names[:1])


# --- Nothing to show, and notices ---------------------------------------------------------------


def _nothing_sound(library: Library, view: View) -> list[Any]:
    if not view.folders:
        said = "Choose results on the left."
        return [dmc.Alert(said, title="Nothing is chosen", color="blue")]
    if reasons := library.unread(view.folders):
        return [gone(reasons)]
    return [
        problem("No run of these results counts", "Why that is, run by run, is in the table."),
        explore_table.layout(replace(view, page=max(1, view.page))),
        dcc.Store(id="explore-link", data=_without_table(view).to_query()),
    ]


def _unread(folders: Sequence[Folder]) -> list[Any]:
    lines = [folder.problem for folder in folders if folder.problem]
    return [problem("Not everything could be read", *lines)] if lines else []
