"""The table below the figure: every point with its numbers and runs, and what does not count."""

from collections.abc import Iterator, Sequence
from html import unescape
from typing import Any

import dash_mantine_components as dmc
import pandas as pd
from dash import ClientsideFunction, Dash, Input, Output, dcc, html

from dashboards import theme
from dashboards.app import care, one_run
from dashboards.app.explore_doubts import link_to, lost_runs, said, telling
from dashboards.app.library import Library
from dashboards.app.metrics import SETTINGS
from dashboards.app.parts import gone, keep_link
from dashboards.app.view import NONE, PROTOCOL, SORTS, View
from dashboards.series import cpu_per_request
from dashboards.settings import worded
from experiments.summarise import is_sound

ROWS_MAX = 25
"""Rows of a page."""

_OPEN = "table"
_NUMBERS = {
    "throughput_rps": ("throughput (req/s)", theme.si),
    "latency_ms_p50": ("p50 (ms)", theme.significant),
    "latency_ms_p99": ("p99 (ms)", theme.significant),
}
_DESCENDING = {"throughput_rps"}


def layout(view: View) -> Any:
    """Return the table, closed unless the view has it open; its rows are made when it is opened."""
    page = max(1, view.page)
    inside = [
        dmc.Group(
            [
                dmc.Text("Sorted by", size="sm", id="explore-sorted-by"),
                dmc.SegmentedControl(
                    id="explore-sort",
                    data=[{"value": key, "label": label} for key, label in SORTS.items()],
                    value=view.sort,
                    size="xs",
                    **{"aria-label": "Sorted by"},
                ),
                # Until it is known how many there are, the one that is asked for is the last.
                dmc.Pagination(id="explore-page", total=page, value=page, size="sm"),
            ],
        ),
        html.Div(id="explore-rows"),
    ]
    opener = dmc.AccordionControl("Table of the points, and of runs that do not count")
    panel = dmc.AccordionPanel(dmc.Stack(inside, gap="xs"))
    return dmc.Box(
        [
            dcc.Store(id="explore-asked"),
            dmc.Accordion(
                dmc.AccordionItem([opener, panel], value=_OPEN),
                id="explore-table",
                value=_OPEN if view.page else None,
            ),
        ],
        mt="md",
    )


def connect(app: Dash, library: Library) -> None:
    """Have the address tell of the table, and the table follow what is drawn, while it is open."""
    app.clientside_callback(  # type: ignore[no-untyped-call] # Dash has no types for it.
        ClientsideFunction("paxoscope", "ask"),
        Output("explore-address", "data"),
        Output("explore-asked", "data"),
        Input("explore-link", "data"),
        Input("explore-table", "value"),
        Input("explore-page", "value"),
        Input("explore-sort", "value"),
    )
    keep_link(app, "explore-address")

    @app.callback(
        Output("explore-rows", "children"),
        Output("explore-page", "total"),
        Input("explore-asked", "data"),
        prevent_initial_call=True,
    )
    def show(asked: str) -> tuple[Any, int]:
        return page_of(library, View.from_query(asked))


def page_of(library: Library, view: View) -> tuple[Any, int]:
    """Return a page of the table that a view tells of, and how many pages there are."""
    runs, rows = library.runs(view.folders), _rows(library, view)
    if runs.empty or rows.empty:
        reasons = library.unread(view.folders)
        nothing = dmc.Text("Nothing passes these filters.", size="sm")
        return gone(reasons) if reasons else nothing, 1
    rows = _sorted(rows, view.sort)
    pages = max(1, -(-len(rows) // ROWS_MAX))
    first = ROWS_MAX * (min(max(1, view.page), pages) - 1)
    page = rows.iloc[first : first + ROWS_MAX]
    return _table(page, _columns(rows), runs, said(library, view)), pages


def _rows(library: Library, view: View) -> pd.DataFrame:
    """Return the points that the filters let through, and the runs that do not count."""
    points = view.chosen(library.points(view.folders))
    tables = [each for each in (points, lost_runs(library, view)) if len(each)]
    if not tables:
        return pd.DataFrame()
    rows = pd.concat(tables, ignore_index=True)
    return rows.assign(reason=rows["reason"].fillna("") if "reason" in rows else "")


def _sorted(rows: pd.DataFrame, sort: str) -> pd.DataFrame:
    """Return the rows by a number, those without it last, or by the settings that differ."""
    by = [sort] if sort != NONE else _columns(rows)
    return rows.sort_values(by, ascending=sort not in _DESCENDING, kind="stable")


def _columns(rows: pd.DataFrame) -> list[str]:
    """Return the settings that have a column: what tells the rows apart."""
    return list(dict.fromkeys([PROTOCOL, *telling(rows), "clients"]))


def _table(
    page: pd.DataFrame, columns: Sequence[str], runs: pd.DataFrame, doubts: pd.DataFrame
) -> Any:
    heads = [*(_head(key) for key in columns), *(title for title, _ in _NUMBERS.values()), "CPU"]
    body = [
        dmc.TableTr(
            [
                *(dmc.TableTd(unescape(worded(key, row[key]))) for key in columns),
                *(_failed(row) if row["reason"] else _counted(row, runs, doubts)),
            ]
        )
        for _, row in page.iterrows()
    ]
    head = dmc.TableThead(dmc.TableTr([dmc.TableTh(each) for each in [*heads, "care", "runs"]]))
    table = dmc.Table([head, dmc.TableTbody(body)], striped=True, fz="sm")
    return dmc.TableScrollContainer(table, minWidth=480, type="native")


def _head(key: str) -> str:
    """Return what a setting is called, without its unit: the cells have it."""
    title = SETTINGS[key].title.partition(" (")[0] if key in SETTINGS else key
    return title[0].lower() + title[1:]


def _counted(row: "pd.Series[Any]", runs: pd.DataFrame, doubts: pd.DataFrame) -> Iterator[Any]:
    """Yield the cells of a point: its numbers, what is to be said of its runs, and these."""
    own = one_run.same_point(runs[runs["folder"] == row["folder"]], row)
    own = own[is_sound(own)]
    of_own = (doubts["folder"] == row["folder"]) & doubts["run_id"].isin(own["run_id"])
    for column, (_, written) in _NUMBERS.items():
        yield dmc.TableTd(written(row[column]))
    yield dmc.TableTd(cpu_per_request(row))
    yield dmc.TableTd(list(care.mark(doubts[of_own])))
    links = [link_to(run, f"run {n}") for n, run in enumerate(own.to_dict("records"), 1)]
    yield dmc.TableTd(dmc.Group(links, gap="xs"))


def _failed(row: "pd.Series[Any]") -> Iterator[Any]:
    """Yield the cells of a run that does not count: why, and a link to it."""
    reason = [dmc.Badge("does not count", color="red", variant="light", mr="xs"), row["reason"]]
    yield dmc.TableTd(reason, tableProps={"colSpan": len(_NUMBERS) + 2})
    yield dmc.TableTd(link_to(row, "failed run"))
