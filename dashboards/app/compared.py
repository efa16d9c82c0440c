"""Compare: what became better or worse from one result set to another, and what else changed."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, urlencode

import dash_mantine_components as dmc
import pandas as pd
from dash import Dash, Input, Output, dcc, html

from dashboards import theme
from dashboards.app import care, one_run
from dashboards.app.library import Library
from dashboards.app.parts import caution, graph, problem, table
from dashboards.figures import changes as figure
from experiments.compare import (
    BAD,
    COMPARED,
    JUDGED,
    THRESHOLD,
    VERDICTS,
    changes,
    compare,
    point_settings,
    what_keeps_apart,
)
from experiments.linter import lint
from experiments.summarise import is_sound

_COLOURS = {"lost": "red", "worse": "red", "unclear": "yellow", "better": "teal"}
_TITLES = {
    "throughput_rps": "throughput (req/s)",
    "latency_ms_p50": "p50 (ms)",
    "latency_ms_p99": "p99 (ms)",
    "cpu_us_per_request": "CPU (\N{MICRO SIGN}s/req)",
}
_PERCENT_MAX = 1000
_CODE = """\
from pathlib import Path

from dashboards.figures import changes
from experiments import results
from experiments.compare import compare

before = results.runs(Path({a!r}))
after = results.runs(Path({b!r}))
figure = changes.draw(compare(before, after, {threshold!r}), {threshold!r})
figure.show()
"""


def layout(library: Library, query: str) -> Any:
    """Return the page for the query of a link: `a`, `b` and `threshold`, a percentage.

    Without `a` or `b`: the two latest result folders.
    """
    names = [folder.name for folder in library.folders() if not folder.problem]
    if len(names) < 2:
        return problem("Nothing to compare yet", "It takes two result folders: run a suite twice.")
    said = {key: values[-1] for key, values in parse_qs(query).items()}
    after = said["b"] if said.get("b") in names else names[0]
    before = said["a"] if said.get("a") in names else next(each for each in names if each != after)
    return dmc.Stack(
        [
            dmc.Title("Compare two result sets", order=2),
            dmc.Group(
                [
                    _folder("compared-a", "Before (A)", names, before),
                    _folder("compared-b", "After (B)", names, after),
                    dmc.NumberInput(
                        id="compared-threshold",
                        label="Threshold",
                        value=percent(said.get("threshold", "")),
                        min=0,
                        max=_PERCENT_MAX,
                        suffix="%",
                        debounce=300,
                        w=120,
                    ),
                ]
            ),
            dcc.Loading(html.Div(id="compared-shown"), delay_show=300),
        ]
    )


def _folder(control: str, label: str, names: Sequence[str], value: str) -> Any:
    return dmc.Select(
        id=control,
        label=label,
        data=list(names),
        value=value,
        allowDeselect=False,
        searchable=True,
        w=360,
    )


def percent(text: str) -> float:
    """Return the threshold that a text says; where that makes no sense, that of the command."""
    try:
        said = float(text)
    except ValueError:
        said = math.nan
    return said if 0 <= said <= _PERCENT_MAX else 100 * THRESHOLD


def connect(app: Dash, library: Library) -> None:
    """Have the choices change what is shown, and the link."""

    @app.callback(
        Output("compared-shown", "children"),
        Output("address", "search", allow_duplicate=True),
        Input("compared-a", "value"),
        Input("compared-b", "value"),
        Input("compared-threshold", "value"),
        prevent_initial_call="initial_duplicate",
    )
    def show(name_a: str, name_b: str, entered: object) -> tuple[Any, str]:
        threshold = percent(str(entered)) / 100
        query = {"a": name_a, "b": name_b, "threshold": f"{100 * threshold:g}"}
        shown = dmc.Stack(list(compared(library, name_a, name_b, threshold)))
        return shown, f"?{urlencode(query)}"


def compared(library: Library, name_a: str, name_b: str, threshold: float) -> Iterator[Any]:
    """Yield what there is to show of two result folders; `threshold` is a share."""
    runs_a, runs_b = (library.runs([name]) for name in (name_a, name_b))
    if runs_a.empty or runs_b.empty:
        yield problem("This cannot be compared", "A result folder has gone, or cannot be read.")
        return
    if name_a == name_b:
        yield problem("The same results twice", "Choose another folder: nothing differs here.")
    points = compare(runs_a, runs_b, threshold)
    if reason := what_keeps_apart(points, runs_a, runs_b):
        yield problem(
            "No point can be compared", f"Before (A) and after (B) have none in common{reason}."
        )
    else:
        yield _summary(points, threshold)
    yield _changes(changes(runs_a, runs_b))
    if len(figure.measured(points)):
        a, b = (str(library.path(name).absolute()) for name in (name_a, name_b))
        code = _CODE.format(a=a, b=b, threshold=threshold)
        yield dmc.Text(figure.WHAT_TO_SEE, c="dimmed", size="sm", maw="110ch")
        yield graph("changes", figure.draw(points, threshold), code)
    said = {name: lint(runs) for name, runs in (("Before", runs_a), ("After", runs_b))}
    yield _points(points, runs_a, runs_b, said)
    yield from _cautions(runs_a, runs_b, said)


def _summary(points: pd.DataFrame, threshold: float) -> Any:
    counts = points["verdict"].value_counts()
    badges = [
        dmc.Badge(f"{counts[each]} {each}", color=_COLOURS.get(each, "gray"), variant="light")
        for each in VERDICTS
        if each in counts
    ]
    is_bad = bool(points["verdict"].isin(BAD).any())
    said = "Some points are worse than before" if is_bad else "No point is worse than before"
    note = (
        "A point is worse where throughput falls, or p99 rises, by more than "
        f"{100 * threshold:g}%, and the 95% interval of the change leaves out 0."
    )
    content = [dmc.Group(badges, mb="xs"), dmc.Text(note, size="sm")]
    return dmc.Alert(content, title=said, color="red" if is_bad else "teal", variant="light")


# --- The points ---------------------------------------------------------------------------------


def _points(
    points: pd.DataFrame,
    runs_a: pd.DataFrame,
    runs_b: pd.DataFrame,
    said: Mapping[str, pd.DataFrame],
) -> Any:
    keys = point_settings(runs_a, runs_b)
    sides = {"Before": runs_a, "After": runs_b}
    rows = []
    for row in points.to_dict("records"):
        runs_of = {name: _runs_of(row, runs, keys) for name, runs in sides.items()}
        its_own = [said[name][said[name]["run_id"].isin(runs_of[name]["run_id"])] for name in sides]
        links = [_run_link(name, runs) for name, runs in runs_of.items() if len(runs)]
        rows.append(
            [
                _point(row),
                dmc.Group([_badge(row["verdict"]), *care.mark(pd.concat(its_own))], wrap="nowrap"),
                *(_measure(row, measure) for measure in COMPARED),
                dmc.Group(links, gap="xs"),
            ]
        )
    head = ["point", "", *(_TITLES[measure] for measure in COMPARED), "runs"]
    return dmc.Stack(
        [dmc.Title("Point by point, the worst first", order=3), table(head, rows)], gap="xs"
    )


def _runs_of(row: Mapping[Any, Any], runs: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Return the runs of a point: a row of `experiments.compare.compare`."""
    is_of = (runs[list(keys)] == pd.Series({key: row[key] for key in keys})).all(axis=1)
    return runs[is_of]


def _point(row: Mapping[Any, Any]) -> Any:
    failures = [dmc.Text(row["failures_b"], c="red", size="xs")] if row["failures_b"] else []
    return dmc.Box([row["point"], *failures])


def _badge(verdict: str) -> Any:
    variant = "filled" if verdict in BAD else "light"
    return dmc.Badge(verdict, color=_COLOURS.get(verdict, "gray"), variant=variant)


def _measure(row: Mapping[Any, Any], measure: str) -> Any:
    before, after = (theme.significant(row[f"{measure}_{side}"]) for side in ("a", "b"))
    values = f"{before} \N{RIGHTWARDS ARROW} {after}"
    change = row[f"{measure}_change"]
    if not math.isfinite(change):
        return values
    low, high = row[f"{measure}_change_low"], row[f"{measure}_change_high"]
    within = f" ({low:+.1%} to {high:+.1%})" if math.isfinite(low) else ""
    verdict = row[f"{measure}_verdict"] if measure in JUDGED else ""
    said = dmc.Text(f"{change:+.1%}{within}", c=_COLOURS.get(verdict, "dimmed"), size="sm")
    return dmc.Box([values, said])


def _run_link(name: str, runs: pd.DataFrame) -> Any:
    """Return a link to a run of a point, a sound one if there is any."""
    sound = runs[is_sound(runs)]
    run = (sound if len(sound) else runs).iloc[0]
    href = one_run.link(str(run["folder"]), str(run["run_id"]))
    return dmc.Anchor(name.lower(), href=href, size="sm")


# --- What else there is to say ------------------------------------------------------------------


def _changes(changed: pd.DataFrame) -> Any:
    if changed.empty:
        return dmc.Text("Nothing else differs: same configuration, code, versions and machine.")
    rows = changed[["kind", "what", "a", "b"]].to_numpy().tolist()
    return dmc.Stack(
        [
            dmc.Title("What else changed", order=3),
            table(["kind", "what", "before", "after"], rows),
        ],
        gap="xs",
    )


def _cautions(
    runs_a: pd.DataFrame, runs_b: pd.DataFrame, said: Mapping[str, pd.DataFrame]
) -> Iterator[Any]:
    """Say what the linter finds within either set, and between the two."""
    between = lint(pd.concat([runs_a, runs_b], ignore_index=True))
    mixed = {"Before and after": between[between["rule"] == "mixed-frames"]}
    for title, rows in {**said, **mixed}.items():
        if warnings := caution(rows):
            yield dmc.Stack([dmc.Title(title, order=3), warnings], gap="xs")
