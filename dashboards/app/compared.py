"""Compare: what became better or worse from one result set to another, and what else changed."""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations
from typing import Any
from urllib.parse import parse_qs, urlencode

import dash_mantine_components as dmc
import pandas as pd
from dash import Dash, Input, Output, dcc, html

from dashboards import theme
from dashboards.app import care, one_run
from dashboards.app.library import Library
from dashboards.app.parts import caution, graph, keep_link, link, problem, table
from dashboards.figures import changes as figure
from experiments.compare import (
    BAD,
    COMPARED,
    JUDGED,
    THRESHOLD,
    UNMATCHED,
    VERDICTS,
    by_point,
    changes,
    compare,
    point_settings,
    shown,
    what_keeps_apart,
)
from experiments.linter import PERCENTILE, lint_between
from experiments.summarise import PERCENTILES, is_sound

_COLOURS = {"lost": "red", "worse": "red", "unclear": "yellow", "better": "teal"}
_TITLES = {
    "throughput_rps": "throughput (req/s)",
    "latency_ms_p50": "p50 (ms)",
    "latency_ms_p99": "p99 (ms)",
    "cpu_us_per_request": "CPU (\N{MICRO SIGN}s/req)",
}
_PERCENT_MAX = 1000
_ASK = dmc.Alert(
    "Nothing is compared by itself: there are no other results of the same suite.",
    title="Choose two result folders",
    color="blue",
)
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

    What it leaves open is chosen: see `chosen`.
    """
    names = [folder.name for folder in library.folders() if not folder.problem]
    if len(names) < 2:
        return problem("Nothing to compare yet", "It takes two result folders: run a suite twice.")
    before, after = chosen(library, names, query)
    threshold = parse_qs(query).get("threshold", [""])[-1]
    return dmc.Stack(
        [
            dcc.Store(id="compared-link"),
            dmc.Title("Compare two result sets", order=2),
            dmc.Group(
                [
                    _folder("compared-a", "Before (A)", names, before),
                    _folder("compared-b", "After (B)", names, after),
                    dmc.NumberInput(
                        id="compared-threshold",
                        label="Threshold",
                        value=percent(threshold),
                        min=0,
                        max=_PERCENT_MAX,
                        allowNegative=False,
                        clampBehavior="strict",  # What cannot be is not shown either.
                        suffix="%",
                        debounce=300,
                        w=120,
                    ),
                ]
            ),
            dcc.Loading(html.Div(id="compared-shown"), delay_show=300),
        ]
    )


def chosen(library: Library, names: Sequence[str], query: str) -> tuple[str | None, str | None]:
    """Return the folders `a` and `b` of a link; what it leaves open is the latest that fits.

    Results of different suites do not: where there are no others, None. `names` has the latest
    first.
    """
    said = {key: values[-1] for key, values in parse_qs(query).items() if values[-1] in names}
    a, b = said.get("a"), said.get("b")
    if a and b:
        return a, b
    suites = {name: set(library.runs([name])["suite"]) for name in names}
    for after, before in permutations(names, 2):
        if a in (None, before) and b in (None, after) and suites[before] == suites[after]:
            return before, after
    return a, b


def _folder(control: str, label: str, names: Sequence[str], value: str | None) -> Any:
    return dmc.Select(
        id=control,
        label=label,
        data=list(names),
        value=value,
        placeholder="Choose results",
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
    keep_link(app, "compared-link")

    @app.callback(
        Output("compared-shown", "children"),
        Output("compared-link", "data"),
        Input("compared-a", "value"),
        Input("compared-b", "value"),
        Input("compared-threshold", "value"),
    )
    def show(name_a: str | None, name_b: str | None, entered: object) -> tuple[Any, str]:
        threshold = percent(str(entered)) / 100
        query = {"a": name_a or "", "b": name_b or "", "threshold": f"{100 * threshold:g}"}
        content = (
            list(compared(library, name_a, name_b, threshold)) if name_a and name_b else [_ASK]
        )
        return dmc.Stack(content), f"?{urlencode(query)}"


def compared(library: Library, name_a: str, name_b: str, threshold: float) -> Iterator[Any]:
    """Yield what there is to show of two result folders; `threshold` is a share."""
    runs_a, runs_b = (library.runs([name]) for name in (name_a, name_b))
    if runs_a.empty or runs_b.empty:
        yield problem("This cannot be compared", "A result folder has gone, or cannot be read.")
        return
    if name_a == name_b:
        yield problem("The same results twice", "Choose another folder: nothing differs here.")
    if differing := list(_differing(runs_a, runs_b)):
        yield problem("These are different experiments", *differing)
    points = compare(runs_a, runs_b, threshold)
    if reason := what_keeps_apart(points, runs_a, runs_b):
        yield problem(
            "No point can be compared", f"Before (A) and after (B) have none in common{reason}."
        )
    else:
        yield _summary(points, threshold)
    yield from _changes(changes(runs_a, runs_b), points)
    if len(figure.measured(points)):
        a, b = (str(library.path(name).absolute()) for name in (name_a, name_b))
        code = _CODE.format(a=a, b=b, threshold=threshold)
        yield dmc.Text(figure.WHAT_TO_SEE, c="dimmed", size="sm", maw="110ch")
        yield graph("changes", figure.draw(points, threshold), code)
    marks = {"Before": _marks(library, name_a), "After": _marks(library, name_b)}
    yield _points(points, runs_a, runs_b, marks)
    said = {"Before": library.linted([name_a]), "After": library.linted([name_b])}
    yield from _cautions(runs_a, runs_b, said)


def _summary(points: pd.DataFrame, threshold: float) -> Any:
    counts = points["verdict"].value_counts()
    badges = [
        dmc.Badge(f"{counts[each]} {each}", color=_COLOURS.get(each, "gray"), variant="light")
        for each in VERDICTS
        if each in counts
    ]
    said, colour = _heading(points["verdict"])
    note = (
        "A point is worse where throughput falls, or p99 rises, by more than "
        f"{100 * threshold:g}%, and the 95% interval of the change leaves out 0; without repeats, "
        "the change alone decides."
    )
    content = [dmc.Group(badges, mb="xs"), dmc.Text(note, size="sm")]
    return dmc.Alert(content, title=said, color=colour, variant="light")


def _heading(verdicts: "pd.Series[str]") -> tuple[str, str]:
    """Return what comes of all points together, and its colour."""
    unclear = int((verdicts == "unclear").sum())
    if verdicts.isin(BAD).any():
        return "Some points are worse than before", "red"
    if unclear:
        are = "is" if unclear == 1 else "are"
        return f"No point is worse beyond chance, but {unclear} {are} unclear", "yellow"
    return "No point is worse than before", "teal"


def _differing(runs_a: pd.DataFrame, runs_b: pd.DataFrame) -> Iterator[str]:
    """Say in which of what makes an experiment two sets differ."""
    for key in ("suite", "faults"):
        before, after = (sorted(runs[key].unique()) for runs in (runs_a, runs_b))
        if before != after:
            told = (", ".join(map(shown, values)) for values in (before, after))
            yield "{}: {} before, {} after".format(key, *told)


# --- The points ---------------------------------------------------------------------------------


def _marks(library: Library, name: str) -> pd.DataFrame:
    """Return what the linter says of runs, with the `column` beside which it is to be marked.

    That is the verdict where all numbers are to be read with care.
    """
    parts = [care.about_all(library.linted([name])).assign(column="verdict")]
    for measure in COMPARED:
        said = library.linted([name], measure if measure in PERCENTILES else PERCENTILE)
        about = care.about(said, measure)
        parts.append(about.drop(care.about_all(about).index).assign(column=measure))
    return pd.concat(parts, ignore_index=True)


def _points(
    points: pd.DataFrame,
    runs_a: pd.DataFrame,
    runs_b: pd.DataFrame,
    marks: Mapping[str, pd.DataFrame],
) -> Any:
    keys = point_settings(runs_a, runs_b)
    sides = {"Before": _links_to(runs_a, keys), "After": _links_to(runs_b, keys)}
    marks_of = {name: dict(iter(of_side.groupby("run_id"))) for name, of_side in marks.items()}
    none = marks["After"].iloc[:0]
    rows = []
    for row in points.to_dict("records"):
        point = tuple(row[key] for key in keys)
        runs_of = {name: runs[point] for name, runs in sides.items() if point in runs}
        marked = [
            marks_of[name][run_id]
            for name, runs in runs_of.items()
            for run in runs
            if (run_id := run["run_id"]) in marks_of[name]
        ]
        its_own = pd.concat(marked) if marked else none
        links = [_run_link(name, runs) for name, runs in runs_of.items()]
        rows.append(
            [
                _point(row),
                _marked(_badge(row["verdict"]), its_own, "verdict"),
                *(_measure(row, measure, its_own) for measure in COMPARED),
                dmc.Group(links, gap="xs"),
            ]
        )
    head = ["point", "", *(_TITLES[measure] for measure in COMPARED), "runs"]
    return dmc.Stack(
        [dmc.Title("Point by point, the worst first", order=3), table(head, rows)], gap="xs"
    )


def _links_to(runs: pd.DataFrame, keys: Sequence[str]) -> Mapping[Any, Sequence[Mapping[Any, Any]]]:
    """Return what links to the runs of each point need to know, by the point's settings."""
    told = runs[[*keys, "folder", "run_id"]].assign(is_sound=is_sound(runs))
    return by_point(told, keys)


def _marked(shown: Any, marks: pd.DataFrame, column: str) -> Any:
    mark = care.mark(marks[marks["column"] == column]) if len(marks) else ()
    return dmc.Group([shown, *mark], wrap="nowrap", gap="xs")


def _point(row: Mapping[Any, Any]) -> Any:
    failures = [dmc.Text(row["failures_b"], c="red", size="xs")] if row["failures_b"] else []
    return dmc.Box([row["point"], *failures])


def _badge(verdict: str) -> Any:
    variant = "filled" if verdict in BAD else "light"
    return dmc.Badge(verdict, color=_COLOURS.get(verdict, "gray"), variant=variant, flex="none")


def _measure(row: Mapping[Any, Any], measure: str, marks: pd.DataFrame) -> Any:
    sides = [theme.significant(row[f"{measure}_{side}"]) for side in ("a", "b")]
    if sides == [theme.GAP, theme.GAP]:
        return theme.GAP
    values = _marked(" \N{RIGHTWARDS ARROW} ".join(sides), marks, measure)
    change = row[f"{measure}_change"]
    if not math.isfinite(change):
        return values
    low, high = row[f"{measure}_change_low"], row[f"{measure}_change_high"]
    within = f" ({low:+.1%} to {high:+.1%})" if math.isfinite(low) else ""
    verdict = row[f"{measure}_verdict"] if measure in JUDGED else ""
    said = dmc.Text(f"{change:+.1%}{within}", c=_COLOURS.get(verdict, "dimmed"), size="sm")
    return dmc.Box([values, said])


def _run_link(name: str, runs: Sequence[Mapping[Any, Any]]) -> Any:
    """Return a link to a run of a point, a sound one if there is any."""
    run = next((run for run in runs if run["is_sound"]), runs[0])
    href = one_run.link(str(run["folder"]), str(run["run_id"]))
    return link(name.lower(), href)


# --- What else there is to say ------------------------------------------------------------------


def _changes(changed: pd.DataFrame, points: pd.DataFrame) -> Iterator[Any]:
    if len(changed):
        rows = changed[["kind", "what", "a", "b"]].to_numpy().tolist()
        heading = dmc.Title("What else changed", order=3)
        yield dmc.Stack([heading, table(["kind", "what", "before", "after"], rows)], gap="xs")
    elif not points["verdict"].isin(UNMATCHED).all():
        yield dmc.Text("Nothing else differs: same configuration, code, versions and machine.")


def _cautions(
    runs_a: pd.DataFrame, runs_b: pd.DataFrame, said: Mapping[str, pd.DataFrame]
) -> Iterator[Any]:
    """Say what the linter finds within either set, and between the two."""
    between = lint_between(pd.concat([runs_a, runs_b], ignore_index=True))
    for title, rows in {**said, "Before and after": between}.items():
        if warnings := caution(rows):
            yield dmc.Stack([dmc.Title(title, order=3), warnings], gap="xs")
