"""Compare: what became better or worse from one result set to another, and what else changed."""

import math
from typing import Any
from urllib.parse import parse_qs

import dash_mantine_components as dmc
import pandas as pd
from dash import Dash, Input, Output, dcc, html

from dashboards import theme
from dashboards.app.library import Library
from dashboards.app.parts import problem, table
from experiments.compare import COMPARED, THRESHOLD, changes, compare

_COLOURS = {"lost": "red", "worse": "red", "unclear": "yellow", "better": "teal"}
_TITLES = {
    "throughput_rps": "throughput (req/s)",
    "latency_ms_p50": "p50 (ms)",
    "latency_ms_p99": "p99 (ms)",
    "cpu_us_per_request": "CPU (\N{MICRO SIGN}s/req)",
}


def layout(library: Library, query: str) -> Any:
    """Return the page for the query of a link: `a` and `b`, else the two latest result folders."""
    names = [folder.name for folder in library.folders() if not folder.problem]
    if len(names) < 2:
        return problem("Nothing to compare yet", "It takes two result folders: run a suite twice.")
    said = parse_qs(query)
    chosen = {side: said.get(side, [""])[-1] for side in ("a", "b")}
    default = {"a": names[1], "b": names[0]}
    return dmc.Stack(
        [
            dmc.Title("Compare two result sets", order=2),
            dmc.Group(
                [
                    dmc.Select(
                        id=f"compared-{side}",
                        label=label,
                        data=names,
                        value=chosen[side] if chosen[side] in names else default[side],
                        allowDeselect=False,
                        searchable=True,
                        w=360,
                    )
                    for side, label in (("a", "Before"), ("b", "After"))
                ]
            ),
            dcc.Loading(html.Div(id="compared-shown"), delay_show=300),
        ]
    )


def connect(app: Dash, library: Library) -> None:
    """Have the choices change what is shown."""

    @app.callback(
        Output("compared-shown", "children"),
        Input("compared-a", "value"),
        Input("compared-b", "value"),
    )
    def show(name_a: str, name_b: str) -> Any:
        runs_a, runs_b = library.runs([name_a]), library.runs([name_b])
        if runs_a.empty or runs_b.empty:
            return problem("This cannot be compared", "A result folder has gone or changed.")
        return dmc.Stack([_points(compare(runs_a, runs_b)), _changes(changes(runs_a, runs_b))])


def _points(points: pd.DataFrame) -> Any:
    head = ["point", "", *(_TITLES[measure] for measure in COMPARED)]
    rows = [
        [
            row["point"],
            dmc.Badge(row["verdict"], color=_COLOURS.get(row["verdict"], "gray"), variant="light"),
            *(_measure(row, measure) for measure in COMPARED),
        ]
        for row in points.to_dict("records")
    ]
    note = (
        f"Worst first. A point is worse where throughput falls, or p99 rises, by more than "
        f"{THRESHOLD:.0%} and the 95% interval of the change, in parentheses, leaves out 0."
    )
    return dmc.Stack([dmc.Text(note, c="dimmed", size="sm"), table(head, rows)])


def _measure(row: dict[Any, Any], measure: str) -> str:
    before, after = (theme.significant(row[f"{measure}_{side}"]) for side in ("a", "b"))
    change = row[f"{measure}_change"]
    if not math.isfinite(change):
        return f"{before} \N{RIGHTWARDS ARROW} {after}"
    low, high = row[f"{measure}_change_low"], row[f"{measure}_change_high"]
    within = f" ({low:+.1%} to {high:+.1%})" if math.isfinite(low) else ""
    return f"{before} \N{RIGHTWARDS ARROW} {after}: {change:+.1%}{within}"


def _changes(changed: pd.DataFrame) -> Any:
    if changed.empty:
        return dmc.Text("Nothing else differs: same configuration, code, versions and machine.")
    rows = changed[["kind", "what", "a", "b"]].to_numpy().tolist()
    return dmc.Stack(
        [
            dmc.Title("What else changed", order=3),
            table(["kind", "what", "before", "after"], rows),
        ]
    )
