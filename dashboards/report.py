"""The report of a result set: words, figures, every run, and how to run it again, in one file."""

from collections.abc import Callable, Iterable, Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import plotly.graph_objects as go

from dashboards import care, faults, record
from dashboards.figures import (
    hosts,
    latency_throughput,
    percentiles,
    throughput,
    timeline,
    transport,
)
from dashboards.findings import findings
from dashboards.page import drawing, page, paragraph, section, words
from experiments import results, summarise
from experiments.linter import lint
from experiments.results import ResultsError

_REPRODUCTION = (
    "<p>With the commit above checked out; <code>suite.toml</code>, in the folder of these "
    "results, is the suite as it was run, overrides included:</p>"
    "<pre>paxoscope run suite.toml --out again</pre>"
)


class OverTime(NamedTuple):
    """What happened over time in the runs with faults that are shown: see `dashboards.faults`."""

    timeline: pd.DataFrame
    latency: pd.DataFrame
    events: pd.DataFrame


_Table = Callable[[Path, Iterable[str] | None], pd.DataFrame]
_OVER_TIME: Sequence[_Table] = (results.timeline, results.latency, results.events)
"""The tables of `OverTime`."""


def write(results_dir: Path, out: Path | None = None) -> Path:
    """Write the report of `results_dir` to `out` (by default `report.html` there); return where.

    Raises ResultsError, a ValueError of one line, if there is nothing to report or to read.
    """
    path = out or results_dir / "report.html"
    path.write_text(of(results_dir), encoding="utf-8")
    return path


def of(results_dir: Path) -> str:
    """Return the report of a result folder as HTML; raises ResultsError.

    A table that cannot be read is left out, and the report says so; but not that of the runs.
    """
    runs = results.runs(results_dir)
    shown = _shown(runs)
    wanted = ((results.counters, None), *((table, shown) for table in _OVER_TIME))
    found = [_read(table, results_dir, run_ids) for table, run_ids in wanted]
    counters, *over_time = (table for table, _ in found)
    return render(runs, counters, OverTime(*over_time), [why for _, why in found if why])


def read_over_time(results_dir: Path, runs: pd.DataFrame) -> OverTime:
    """Read what happened in the runs with faults that are shown; raises ResultsError."""
    shown = _shown(runs)
    return OverTime(*(table(results_dir, shown) for table in _OVER_TIME))


def _shown(runs: pd.DataFrame) -> list[str]:
    return [run.row["run_id"] for run in faults.shown(runs)]


def _read(table: _Table, results_dir: Path, run_ids: list[str] | None) -> tuple[pd.DataFrame, str]:
    """Return a table and nothing, or one without rows and why it cannot be read."""
    try:
        return table(results_dir, run_ids), ""
    except ResultsError as error:
        return table(results_dir, []), str(error)


def render(
    runs: pd.DataFrame, counters: pd.DataFrame, over_time: OverTime, unread: Sequence[str] = ()
) -> str:
    """Return the report of these tables as HTML; `runs` has at least one row, of any outcome.

    `unread` says why others of them are empty: what is drawn from these is left out.
    """
    points, sound = summarise.summary(runs), runs[summarise.is_sound(runs)]
    has_timeline = len(over_time.timeline) and len(over_time.latency)
    said = lint(runs)
    parts = [
        _header(runs),
        *(_left_out(unread) if unread else []),
        words(each[:3] for each in findings(runs, points, over_time.events)),
        *([section(care.HEADING, care.listed(said))] if len(said) else []),
        *(_timeline(runs, over_time) if has_timeline else []),
        *(_transport(sound, counters) if len(counters) and transport.compares(sound) else []),
        *(_figures(points, sound, counters) if len(points) else []),
        section("All runs", record.run_table(runs)),
        section("Settings that all runs shared", record.constant_settings(runs)),
        section("Environment", record.environment(runs)),
        section("Run it again", _REPRODUCTION),
    ]
    return page(_title(runs), "\n".join(parts))


def _title(runs: pd.DataFrame) -> str:
    return f"Paxoscope: {escape(str(runs['suite'].iloc[0]))}"


def _header(runs: pd.DataFrame) -> str:
    days = sorted({str(moment)[:10] for moment in runs["started_at"]})
    span = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    return (
        f"<header><h1>{_title(runs)}</h1>"
        f"<p>State machine replication with and without leader offloading, measured {escape(span)}."
        "</p></header>"
    )


def _left_out(unread: Sequence[str]) -> list[str]:
    said = [paragraph(escape(why)) for why in unread]
    see = paragraph("What is drawn from these tables is left out.", "see")
    return [section("Not everything could be read", "".join([see, *said]))]


def _figures(points: pd.DataFrame, runs: pd.DataFrame, counters: pd.DataFrame) -> list[str]:
    drawn = [
        (throughput, throughput.draw(points)),
        (percentiles, percentiles.draw(points)),
        (latency_throughput, latency_throughput.draw(points)),
        *([(hosts, hosts.draw(runs, counters))] if len(counters) else []),
    ]
    return [_figure(module.TITLE, module.WHAT_TO_SEE, figure) for module, figure in drawn]


def _transport(runs: pd.DataFrame, counters: pd.DataFrame) -> list[str]:
    costs = transport.costs(runs, counters)
    said = "".join(map(paragraph, transport.told(costs)))
    see = paragraph(transport.WHAT_TO_SEE, "see")
    return [section(transport.TITLE, see + said + drawing(transport.draw(costs)))]


def _timeline(runs: pd.DataFrame, over_time: OverTime) -> list[str]:
    return [_figure(timeline.TITLE, timeline.WHAT_TO_SEE, timeline.draw(runs, *over_time))]


def _figure(title: str, what_to_see: str, figure: go.Figure) -> str:
    return section(title, paragraph(what_to_see, "see") + drawing(figure))
