"""What was recorded of every run, as HTML: results, configuration, environment."""

import math
from collections.abc import Callable, Hashable, Iterable, Mapping
from html import escape
from numbers import Real
from typing import Any

import pandas as pd

from dashboards import care, theme
from dashboards.faults import has_faults
from dashboards.page import facts
from dashboards.series import SETTINGS
from experiments.linter import PERCENTILE, RULES, lint
from experiments.summarise import PERCENTILES


def _whole(count: float) -> str:
    return f"{count:,.0f}" if math.isfinite(count) else theme.GAP


def _tenths(seconds: float) -> str:
    return f"{seconds:.1f}" if math.isfinite(seconds) else theme.GAP


_NUMBERS: Mapping[str, tuple[str, Callable[[float], str]]] = {
    "throughput_rps": ("requests/s", theme.si),
    "latency_ms_p50": ("p50 (ms)", theme.significant),
    "latency_ms_p95": ("p95 (ms)", theme.significant),
    "latency_ms_p99": ("p99 (ms)", theme.significant),
    "latency_ms_p999": ("p99.9 (ms)", theme.significant),
    "unavailability_s": ("longest gap (s)", _tenths),
    "recovery_s": ("recovery (s)", _tenths),
    "cpu_us_per_request": ("CPU (µs/request)", theme.significant),
    "completed": ("completed", _whole),
    "retried": ("retried", _whole),
}
"""How the table of runs heads and writes what was measured."""

_UNDER_FAULTS = ("unavailability_s", "recovery_s")
_VERDICTS = ("outcome", "safety")
_CARE = "read with care"
_SETTINGS = ("protocol", *SETTINGS, "clients")
_MACHINE = ("nodes", "cpu_model", "cores", "memory_bytes", "os", "commit")


def run_table(runs: pd.DataFrame) -> str:
    """Return a table with one row a run: what sets it apart, its results and its verdicts.

    Beside a number that is to be read with care stands a mark, and at the end which rules say so.
    """
    swept = [*(key for key in _SETTINGS if not _is_constant(runs[key])), "repeat"]
    numeric = {key for key in swept if pd.api.types.is_numeric_dtype(runs[key])} | {*_NUMBERS}
    unasked = () if has_faults(runs).any() else _UNDER_FAULTS
    rules = lint(runs).groupby("run_id")["rule"].agg(", ".join)
    columns = [
        *swept,
        *(key for key in _NUMBERS if key not in unasked),
        *_VERDICTS,
        *([_CARE] if len(rules) else []),
    ]
    marks = _marks(runs)
    head = "".join(_cell("th", key, _head(key), numeric) for key in columns)
    body = "".join(
        _row([_cell("td", key, _marked(key, run, marks), numeric) for key in columns], run)
        for run in runs.assign(**{_CARE: [rules.get(run_id, "") for run_id in runs["run_id"]]})
        .sort_values(swept)
        .to_dict("records")
    )
    return (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _marks(runs: pd.DataFrame) -> dict[tuple[str, str], str]:
    """Return the marks of numbers that single rules are about, by run_id and column."""
    said = {key: lint(runs, percentile=key) for key in PERCENTILES}
    words: dict[tuple[str, str], list[str]] = {}
    for key in _NUMBERS:
        of_key = said.get(key, said[PERCENTILE])
        for run_id, rule, told in of_key[["run_id", "rule", "words"]].itertuples(index=False):
            # What is about all numbers alike stands at the end of the row.
            if RULES[rule].is_about(key) and not RULES[rule].is_about_all:
                words.setdefault((run_id, key), []).append(told)
    return {place: care.mark("; ".join(told)) for place, told in words.items()}


def _marked(key: str, run: Mapping[Hashable, Any], marks: Mapping[tuple[str, str], str]) -> str:
    return marks.get((run["run_id"], key), "") + _shown(key, run[key])


def constant_settings(runs: pd.DataFrame) -> str:
    """Return a list of the settings that all runs shared."""
    constant = [key for key in _SETTINGS if _is_constant(runs[key])]
    return facts((key, _distinct(key, runs[key])) for key in constant)


def environment(runs: pd.DataFrame) -> str:
    """Return a list of what the runs ran on and with; where it changed, of every value."""
    versions = [key for key in runs.columns if key.endswith("_version")]
    return facts((key, _distinct(key, runs[key])) for key in [*_MACHINE, *versions])


def _is_constant(column: "pd.Series[Any]") -> bool:
    return column.nunique() == 1


def _distinct(key: str, column: "pd.Series[Any]") -> str:
    return ", ".join(_shown(key, value) for value in column.unique())


def _head(key: str) -> str:
    return _NUMBERS[key][0] if key in _NUMBERS else escape(key)


def _shown(key: Hashable, value: Any) -> str:
    """Return a value as HTML, written as suits its column."""
    if key in _NUMBERS:
        return _NUMBERS[str(key)][1](value)
    if key == "protocol":
        return theme.label(str(value))
    if key == "memory_bytes":
        return f"{theme.si(value)}B"
    if isinstance(value, Real):
        return f"{value:,.12g}"
    return escape(str(value)) or theme.GAP


def _cell(tag: str, key: str, content: str, numeric: set[str]) -> str:
    style = ' class="number"' if key in numeric else ""
    return f"<{tag}{style}>{content}</{tag}>"


def _row(cells: Iterable[str], run: Mapping[Hashable, object]) -> str:
    style = "" if all(run[key] == "ok" for key in _VERDICTS) else ' class="bad"'
    return f"<tr{style}>{''.join(cells)}</tr>"
