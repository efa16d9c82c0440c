"""What the explorer says in words: what the results say, and all about one point."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape, unescape
from itertools import zip_longest
from typing import Any, NamedTuple, Self

import dash_mantine_components as dmc
import pandas as pd
from dash import MATCH, Dash, Input, Output, State, ctx, html, no_update

from dashboards import theme
from dashboards.app import care, one_run
from dashboards.app.library import Library
from dashboards.app.parts import link
from dashboards.app.words import components
from dashboards.figures.explore import short_names
from dashboards.findings import About, Finding
from dashboards.phrases import count
from dashboards.settings import defaults, differing, named, shown
from experiments import summarise
from experiments.results import ResultsError
from experiments.spec import RunConfig

FOLDERS_SAID = 3
"""Folders whose results are told in words; more would be a page of its own."""

_FIRST = 2
"""Findings of a folder that are told at first, and sentences of each; half of it of several."""

_IN = "in "
"""Before a folder's name in an id: Dash finds no component whose id reads as a number."""

_FURTHER = {
    "/reproduction": ("Reproduction", "the claims of the paper, tested"),
    "/compare": ("Compare", "before and after"),
    "/messages": ("Messages", "one request, step by step"),
}


def results_said(library: Library, folders: Sequence[str]) -> Any:
    """Return what results say, in few words first, and where to read on."""
    names = short_names(folders) if len(folders) > 1 else {folders[0]: ""}
    told = [
        _told(library, folder, names[folder], _shown_first(folders))
        for folder in folders[:FOLDERS_SAID]
    ]
    return dmc.Paper(
        dmc.Stack([dmc.Title("What these results say", order=4), *told, _further()], gap=4),
        withBorder=True,
        px="md",
        py="xs",
    )


def connect(app: Dash, library: Library) -> None:
    """Have all be told where it is unfolded: hundreds of words more would slow the page down."""

    @app.callback(
        Output({"unfolded": MATCH}, "children"),
        Input({"unfold": MATCH}, "n_clicks"),
        State("explore-read", "data"),
        prevent_initial_call=True,
    )
    def unfold(clicks: int | None, folders: list[str]) -> Any:
        if not clicks or not isinstance(ctx.triggered_id, dict):
            return no_update
        folder = ctx.triggered_id["unfold"].removeprefix(_IN)
        return rest_said(library, folder, folders)


def point_said(library: Library, point: "pd.Series[Any]") -> Any:
    """Return all that was set for a point, what is not the default first, and its runs."""
    row: Mapping[Any, Any] = point.to_dict()
    unusual = differing(row)
    usual = {
        key: shown(row[key])
        for key in RunConfig.__struct_fields__
        if key not in {*unusual, "protocol", "replicas", "clients", "seed"}
    }
    default = defaults(str(row["profile"]))
    set_for_it = {
        key: f"{value or '(none)'} (by default {shown(default[key]) or 'none'})"
        for key, value in unusual.items()
    }
    return dmc.Paper(
        [
            dmc.Group(
                [
                    dmc.Title(_title(row), order=4),
                    dmc.Text(f"of {row['folder']}", c="dimmed", size="sm"),
                    *_runs(library, point),
                ],
                align="baseline",
            ),
            dmc.Text("Set for it", fw=600, size="sm", mt="xs"),
            _settings(set_for_it) if unusual else dmc.Text("Nothing else.", size="sm"),
            dmc.Text("By default, or by its profile", fw=600, size="sm", mt="xs"),
            _settings(usual, c="dimmed"),
        ],
        withBorder=True,
        p="md",
        mt="md",
    )


def run_ids_of(library: Library, point: "pd.Series[Any]") -> list[str]:
    """Return the run_ids of the sound runs of a point; none where its folder has gone."""
    runs = library.runs([point["folder"]])
    if runs.empty:
        return []
    same = one_run.same_point(runs, point)
    return [str(run_id) for run_id in same.loc[summarise.is_sound(same), "run_id"]]


class _Lint(NamedTuple):
    """What the linter says of a folder, found once for all that is told of it."""

    library: Library
    folder: str
    said: pd.DataFrame

    @classmethod
    def of(cls, library: Library, folder: str) -> Self:
        return cls(library, folder, library.linted([folder]))


def _shown_first(folders: Sequence[str]) -> int:
    return _FIRST if len(folders) == 1 else _FIRST // 2


def _told(library: Library, folder: str, name: str, count: int) -> Any:
    """Return the findings that matter most, so many and so many sentences of each."""
    told, lint = _sorted(_findings(library, folder), count), _Lint.of(library, folder)
    return html.Div(
        [
            *([dmc.Text(name, fw=600, c="dimmed", size="sm")] if name else []),
            *(dmc.Box(components(each.text), c="dimmed", mb=4) for each in told.ran),
            *(_warning(lint, _shortened(each, count)) for each in told.warnings),
            dmc.SimpleGrid(
                [_finding(lint, _shortened(each, count)) for each in told.first],
                cols={"base": 1, "md": count},
                spacing="lg",
            ),
            html.Details(
                [
                    html.Summary("Details", id={"unfold": _IN + folder}),
                    html.Div("...", id={"unfolded": _IN + folder}),
                ]
            ),
        ],
        style={"fontSize": 13, "lineHeight": 1.4},
    )


def rest_said(library: Library, folder: str, folders: Sequence[str]) -> list[Any]:
    """Return what `results_said` leaves out of one of the folders."""
    count = _shown_first(folders)
    try:
        findings = library.findings(folder)
    except ResultsError as error:
        return [_finding(_Lint.of(library, folder), _untold(error))]
    told, lint = _sorted(findings, count), _Lint.of(library, folder)
    longer = [
        each._replace(items=each.items[count:], about=each.about[count:], text="")
        for each in (*told.warnings, *told.first)
    ]
    folded = [*longer, *told.rest]
    return [_finding(lint, each) for each in folded if each.text or each.items]


def _findings(library: Library, folder: str) -> Sequence[Finding]:
    try:
        return library.findings(folder)
    except ResultsError as error:
        return [_untold(error)]


def _untold(error: ResultsError) -> Finding:
    told = escape(str(error), quote=False)
    return Finding("These results cannot be told in words", told, [], is_warning=True)


class _Sorted(NamedTuple):
    """Findings by where they are told."""

    ran: Sequence[Finding]
    """What was run, if anything counts."""
    warnings: Sequence[Finding]
    first: Sequence[Finding]
    """What matters most."""
    rest: Sequence[Finding]


def _sorted(findings: Sequence[Finding], count: int) -> _Sorted:
    warnings = [each for each in findings if each.is_warning]
    others = [each for each in findings if not each.is_warning]
    return _Sorted(others[:1], warnings, others[1 : 1 + count], others[1 + count :])


def _shortened(finding: Finding, count: int) -> Finding:
    items, known = finding.items[:count], len(finding.items)
    counted = f" ({len(items)} of {known})" if len(items) < known else ""
    return finding._replace(heading=finding.heading + counted, items=items)


def _finding(lint: _Lint, finding: Finding) -> Any:
    said = [html.Strong(f"{finding.heading}. "), *components(finding.text)]
    items = list(_items(lint, finding))
    if len(items) == 1:
        said += items[0]
    elif items:
        listed = [html.Li(item) for item in items]
        said.append(html.Ul(listed, style={"margin": 0, "paddingLeft": 20}))
    return html.Div(said, style={"marginBottom": 4})


def _warning(lint: _Lint, finding: Finding) -> Any:
    """Return a finding on as few lines as it takes: what is below shall be seen, too."""
    items = _items(lint, finding)
    listed = [part for item in items for part in ("; ", *item)][1:]
    said = [html.Strong(f"{finding.heading}. "), *components(finding.text), " ", *listed]
    if listed:
        said.append(".")
    small = {"message": {"fontSize": "inherit"}}
    return dmc.Alert(said, color="red", px="xs", py=4, my=4, styles=small)


def _items(lint: _Lint, finding: Finding) -> Iterator[list[Any]]:
    """Yield the sentences of a finding, with the marks of the linter."""
    for item, about in zip_longest(finding.items, finding.about[: len(finding.items)]):
        yield [*components(item), *_marks(lint, about)]


def _marks(lint: _Lint, about: About | None) -> Iterator[Any]:
    """Yield a mark where the linter has something to say of the numbers of a sentence."""
    if about:
        points = [pd.Series({**point, "folder": lint.folder}) for point in about.points]
        run_ids = [run_id for point in points for run_id in run_ids_of(lint.library, point)]
        of_runs = lint.said[lint.said["run_id"].isin(run_ids)]
        for mark in care.mark(pd.concat(care.about(of_runs, each) for each in about.columns)):
            yield html.Span(mark, style={"display": "inline-block", "marginLeft": 4})


def _further() -> Any:
    lines = [
        html.Div([link(name, path, size="13px"), dmc.Text(f": {said}", span=True, fz=13)])
        for path, (name, said) in _FURTHER.items()
    ]
    return dmc.Group(lines, gap="xl", c="dimmed", style={"rowGap": 2})


def _title(row: Mapping[Any, Any]) -> str:
    clients = count(row["clients"], "client")
    load = named("arrival_rate_rps", row["arrival_rate_rps"])
    loads = f"{load} by {clients}" if row["arrival_rate_rps"] else clients
    return f"{unescape(theme.label(row['protocol']))}, n = {row['replicas']}, {loads}"


def _runs(library: Library, point: "pd.Series[Any]") -> list[Any]:
    return [
        link(f"run {number}", one_run.link(point["folder"], run_id))
        for number, run_id in enumerate(run_ids_of(library, point), 1)
    ]


def _settings(values: Mapping[str, str], **style: Any) -> Any:
    lines = [
        html.Div([f"{key} = ", html.Strong(value or "(none)")]) for key, value in values.items()
    ]
    return dmc.Box(lines, style={"columns": "240px", "fontSize": 13}, **style)
