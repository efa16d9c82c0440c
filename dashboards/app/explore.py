"""The explorer: choose folders and settings, put any metric on the axes, open a run by a click."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from html import escape
from typing import Any
from urllib.parse import urlencode

import dash_mantine_components as dmc
import pandas as pd
from dash import ALL, Dash, Input, Output, Patch, State, ctx, dcc, html, no_update

from dashboards import theme
from dashboards.app import explore_controls
from dashboards.app.drawings import DRAWINGS, OWN_AXES, Chosen, along, code, drawing_of
from dashboards.app.explore_said import point_said, results_said, run_ids_of
from dashboards.app.library import Folder, Library
from dashboards.app.metrics import METRICS, SETTINGS
from dashboards.app.parts import caution, graph, keep_link, problem
from dashboards.app.view import NONE, PROTOCOL, View
from dashboards.series import PERCENTILES
from experiments.results import ResultsError

_GRAPH = {"graph": "explore"}
_CONTROLS_PIXELS = 290
_LOADS_MIN = 3
"""Loads of a curve at least, for it to show where it goes flat."""

_CLICK = "Point at one to see all its settings below; click it to open a run of it."


def layout(library: Library, query: str) -> Any:
    """Return the page for the query of a link."""
    folders = library.folders()
    names = [folder.name for folder in folders if not folder.problem]
    if not names:
        return dmc.Stack([_nothing_yet(library), *_unread(folders)])
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
    left = [choice, html.Div(shown, id="explore-controls")]
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
    # An axis is logarithmic or not as is usual for what is put on it.
    usual = [key for key, about in {**METRICS, **SETTINGS}.items() if about.is_log]
    for axis in "xy":
        app.clientside_callback(  # type: ignore[no-untyped-call] # Dash has no types for it.
            f"key => {usual}.includes(key)",
            Output({"control": f"log_{axis}"}, "checked"),
            Input({"control": axis}, "value"),
            prevent_initial_call=True,
        )
    keep_link(app, "explore-link")


def _connect_controls(app: Dash, library: Library) -> None:
    @app.callback(
        Output("explore-controls", "children"),
        Output("explore-main", "children"),
        Input("explore-folders", "value"),
        State("explore-link", "data"),
        prevent_initial_call=True,
    )
    def choose(folders: list[str], link: str) -> tuple[Any, Any]:
        view = View.from_query(link)
        return _body(library, replace(view, folders=tuple(folders), x=NONE, log_x=None))

    @app.callback(
        Output("explore-filters", "children"),
        Output("explore-add", "value"),
        Output("explore-add", "data"),
        Input("explore-add", "value"),
        State("explore-folders", "value"),
        State({"filter": ALL}, "id"),
        prevent_initial_call=True,
    )
    def add_filter(key: str | None, folders: list[str], there: list[dict[str, str]]) -> Any:
        keys = [each["filter"] for each in there]
        points = library.points(folders)
        if not key or key in keys or key not in points:
            return no_update, no_update, no_update
        longer = Patch()
        longer.append(explore_controls.filter_of(key, points, View()))
        return longer, None, explore_controls.addable(points, [*keys, key])

    @app.callback(
        output={
            "figure": Output(_GRAPH, "figure"),
            "code": Output({"code": "explore"}, "data"),
            "count": Output("explore-count", "children"),
            "see": Output("explore-see", "children"),
            "axes": Output("explore-axes", "style"),
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
        },
        prevent_initial_call=True,
    )
    def draw(
        choices: dict[str, Any],
        values: list[list[str] | None],
        keys: list[dict[str, str]],
        folders: list[str],
    ) -> dict[str, Any]:
        pairs = zip(keys, values, strict=True)
        filters = {key["filter"]: tuple(each) for key, each in pairs if each}
        view = View(folders=tuple(folders), filters=filters, **choices)
        return _shown(Chosen.of(library, view))


def _connect_what_follows(app: Dash, library: Library) -> None:
    """Have what takes longer than the figure come after it."""

    @app.callback(Output("explore-caution", "children"), Input("explore-link", "data"))
    def warn(link: str) -> Any:
        view = View.from_query(link)
        percentile = PERCENTILES.get(view.percentile, PERCENTILES["p99"])
        said = library.linted(view.folders, percentile)
        runs = view.chosen(library.runs(view.folders))
        if said.empty or runs.empty:
            return None
        said = said.merge(runs[["folder", "run_id"]])
        if runs["requests_per_frame_max"].nunique() == 1:
            said = said[said["rule"] != "mixed-frames"]  # Of all runs, but not of those shown.
        return _folded("Read with care", caution(said), said["rule"].nunique(), "orange")

    @app.callback(
        Output("explore-said", "children"),
        Input("explore-read", "data"),
    )
    def say(folders: list[str]) -> Any:
        return results_said(library, folders)


def _connect_points(app: Dash, library: Library) -> None:
    @app.callback(
        Output("explore-point", "children"),
        Input(_GRAPH, "hoverData"),
        State("explore-folders", "value"),
        prevent_initial_call=True,
    )
    def describe(pointed: Mapping[str, Any] | None, folders: list[str]) -> Any:
        point = _point(library, pointed, folders)
        return no_update if point is None else point_said(library, point)

    @app.callback(
        Output("address", "href"),
        Input(_GRAPH, "clickData"),
        State("explore-folders", "value"),
        prevent_initial_call=True,
    )
    def open_run(clicked: Mapping[str, Any] | None, folders: list[str]) -> Any:
        point = _point(library, clicked, folders)
        if point is None or not ctx.triggered:
            return no_update
        run_ids = run_ids_of(library, point)
        if not run_ids:
            return no_update
        return f"/run?{urlencode({'folder': point['folder'], 'run': run_ids[0]})}"


# --- What it shows ------------------------------------------------------------------------------


def _body(library: Library, view: View) -> tuple[Any, Any]:
    """Return the controls for the folders of a view, and what is drawn of these."""
    points = library.points(view.folders)
    if points.empty:
        return None, [_nothing_sound(library, view), dcc.Store(id="explore-link", data="")]
    view = _fitting(view, points)
    first = _shown(Chosen.of(library, view))
    main = [
        dcc.Store(id="explore-link", data=first["link"]),
        dcc.Store(id="explore-read", data=list(view.folders)),
        dcc.Loading(html.Div(id="explore-said", style={"minHeight": 120}), delay_show=500),
        dmc.Group(
            [
                dmc.Text(first["count"], id="explore-count", c="dimmed", size="sm"),
                html.Div(id="explore-caution"),
            ],
            justify="space-between",
            mih=30,
            mt="sm",
        ),
        dcc.Loading(
            graph("explore", first["figure"], first["code"]),
            delay_show=300,
            overlay_style={"visibility": "visible", "opacity": 0.5},
        ),
        dmc.Text(first["see"], id="explore-see", c="dimmed", size="sm", maw="96ch"),
        html.Div(id="explore-point"),
    ]
    return explore_controls.controls(points, view), main


def _fitting(view: View, points: pd.DataFrame) -> View:
    """Return the view with what it leaves open decided, and without what the points have not."""
    varied = explore_controls.swept(points)
    x = view.x or along(points)
    drawn = replace(
        view, filters={key: each for key, each in view.filters.items() if key in points}
    )
    return replace(
        drawn,
        figure=view.figure if drawing_of(view, points) is DRAWINGS.get(view.figure) else NONE,
        x=x,
        log_x=_is_log(x) if view.log_x is None else view.log_x,
        log_y=_is_log(view.y) if view.log_y is None else view.log_y,
        colour=view.colour if view.colour in varied else PROTOCOL,
        facet=view.facet if view.facet in varied else NONE,
        filters={key: values for key, values in view.filters.items() if key in points},
    )


def _is_log(key: str) -> bool:
    return (METRICS.get(key) or SETTINGS[key]).is_log


def _shown(chosen: Chosen) -> dict[str, Any]:
    """Return what the controls change."""
    drawing = drawing_of(chosen.view, chosen.points)
    is_own = drawing is OWN_AXES
    drawn = {
        "axes": explore_controls.axes_style(is_own=is_own),
        "link": chosen.view.to_query(),
        "see": drawing.what_to_see,
    }
    if chosen.points.empty:
        text = "No point passes these filters: clear one of them."
        return {**drawn, "figure": _blank(text), "code": "", "count": "No points."}
    try:
        figure = drawing.draw(chosen)
    except ResultsError as error:
        return {**drawn, "figure": _blank(str(error)), "code": "", "count": "Nothing to draw."}
    return {**drawn, "figure": figure, "code": code(chosen, drawing), "count": _count(chosen)}


def _blank(text: str) -> Any:
    blank = theme.figure("").update_xaxes(visible=False).update_yaxes(visible=False)
    return blank.add_annotation(text=escape(text), showarrow=False, font={"size": 16})


def _count(chosen: Chosen) -> str:
    points = chosen.points
    count = f"{len(points):,} points from {int(points['repeats'].sum()):,} sound runs."
    return f"{count} {_CLICK}" if drawing_of(chosen.view, points) is OWN_AXES else count


def _point(library: Library, event: Mapping[str, Any] | None, folders: list[str]) -> Any | None:
    """Return the row that a mark of the figure stands for; None where it is none."""
    name = event["points"][0].get("customdata") if event else None
    points = library.points(folders)
    return points.loc[name] if isinstance(name, str) and name in points.index else None


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


def _nothing_yet(library: Library) -> Any:
    said = f"There are no results below {library.root} yet. This makes some in two minutes:"
    return dmc.Alert(
        [dmc.Text(said), dmc.Code("paxoscope run demo", block=True)],
        title="Nothing to show yet",
        color="blue",
    )


def _nothing_sound(library: Library, view: View) -> Any:
    if not view.folders:
        return dmc.Alert("Choose results on the left.", title="Nothing is chosen", color="blue")
    runs = library.runs(view.folders)
    reasons = [
        f"{run['outcome']}; safety: {run['safety']}" for run in runs.head(5).to_dict("records")
    ]
    return problem("No run of these results counts", *reasons)


def _unread(folders: Sequence[Folder]) -> list[Any]:
    lines = [folder.problem for folder in folders if folder.problem]
    return [problem("Not everything could be read", *lines)] if lines else []


def _folded(title: str, notice: Any, count: int, colour: str) -> Any:
    """Return a notice behind a button, which says how much there is to read."""
    if notice is None:
        return None
    button = dmc.Button(f"{title}: {count}", color=colour, variant="light", size="compact-sm")
    return dmc.Popover(
        [
            dmc.PopoverTarget(button),
            dmc.PopoverDropdown(dmc.ScrollArea(notice, mah=420, type="auto")),
        ],
        width=560,
        position="bottom-end",
        shadow="md",
        trapFocus=True,
    )
