"""Two result sets point by point: what became better or worse from A to B, and what else changed.

A point is a configuration, over its repeats. Points match where the settings are equal that tell
points apart: those that vary within A or within B. A setting that is the same throughout each set,
or follows there from a name (that of a case, of a profile), matches nothing: where A and B differ
in it, they differ as a whole, and `changes` tells so.

A change is B's median by A's, less 1. Its 95% confidence interval is that of a ratio of means, by
Welch's t on logarithms. What disturbs a machine makes it slower by some factor, so logarithms turn
the ratio into a difference with even noise; Welch lets both sides scatter as they do; and A against
B says the same as B against A. Repeats are not paired: nothing but the seed connects those of A to
those of B. Tried on 2 to 10 drawn repeats a side, of equal and of unequal scatter, this interval
held the true ratio in 90% to 98% of the draws; with one variance for both sides it did in 71% to
99%, and a percentile bootstrap in 57% to 92%: it needs more repeats than anybody runs.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from actors.core import histogram
from experiments.results import CONFIGURATION_COLUMNS, Row
from experiments.runner import OK, is_sound
from experiments.summarise import t_975

THRESHOLD = 0.05
"""The share by which a point may become worse, unless another is asked for."""

REPEATS_MIN = 2
"""Sound repeats that each side needs for an interval: one alone does not scatter."""

COMPARED = ("throughput_rps", "latency_ms_p50", "latency_ms_p99", "cpu_us_per_request")
"""The measures of a point that are set side by side."""

JUDGED: Mapping[str, int] = {"throughput_rps": -1, "latency_ms_p99": 1}
"""The measures that decide, and the sign of a change for the worse."""

Verdict = Literal[
    "lost", "worse", "unclear", "not measured", "within", "better", "only in A", "only in B"
]
VERDICTS: Sequence[str] = get_args(Verdict)
"""Worst first. Lost: B has run the point, and none of its runs is sound, unlike in A. Unclear: the
change is beyond the threshold, but its interval reaches across 0. Within: the threshold."""

UNMATCHED: Sequence[Verdict] = ("only in A", "only in B")
"""The verdicts on points that one side alone has."""

BAD: Sequence[Verdict] = ("lost", "worse")

_VALUES_SHOWN = 4
"""Most values of a setting that a line names."""

_POINT = ("protocol", "replicas", "clients")
_NAMES = ("case", "profile")
"""Settings that are names for others, the wider name first."""

_SETTINGS = (*_POINT, *CONFIGURATION_COLUMNS)
_CODE = ("commit",)
_MACHINE = ("cpu_model", "cores", "memory_bytes", "os")

_BUCKET = math.log(histogram.LATENCY_MAX_S / histogram.LATENCY_MIN_S) / histogram.BUCKETS
"""Width of a bucket of latencies, as a logarithm: no ratio of two percentiles is known better."""

_Point = tuple[Any, ...]
_Run = dict[Any, Any]


def compare(
    runs_a: pd.DataFrame, runs_b: pd.DataFrame, threshold: float = THRESHOLD
) -> pd.DataFrame:
    """Return one row a point that either table of runs has, worst first.

    Columns: `point` (its name); the settings that tell points apart; `runs_a`, `runs_b` (how many
    there are), `repeats_a`, `repeats_b` (how many of these are sound, and count), `failures_b` (why
    others of B's are not); for each measure of `COMPARED` `<measure>_a`, `<measure>_b` (medians),
    `<measure>_change` (a share; inf from 0, nan where not measured) and `<measure>_change_low`,
    `<measure>_change_high` (nan without an interval); for each of `JUDGED` `<measure>_verdict`; and
    `verdict`, which is the worst of these unless the point itself is missing. `threshold` is a
    share, too.
    """
    keys = point_settings(runs_a, runs_b)
    points_a, points_b = by_point(runs_a, keys), by_point(runs_b, keys)
    rows = [
        _compared(keys, points_a.get(point, []), points_b.get(point, []), threshold)
        for point in sorted(points_a | points_b)
    ]
    rows.sort(key=_badness)
    return pd.DataFrame(rows)


def changes(runs_a: pd.DataFrame, runs_b: pd.DataFrame) -> pd.DataFrame:
    """Return what differs between two tables of runs as a whole: a row each, all of it text.

    Columns: `kind` ("configuration", "code", "versions" or "machine"), `what` (a column of the
    table of runs), `a` and `b`. Settings are compared between matching points, a row each distinct
    pair of values, or by all their values where no point matches; seeds are those of the first
    repeat. A commit with changed code is told even
    where it is the same: that code may be another.
    """
    rows = [*_changed_settings(runs_a, runs_b), *_changed_environment(runs_a, runs_b)]
    return pd.DataFrame(rows, columns=["kind", "what", "a", "b"])


def what_keeps_apart(points: pd.DataFrame, runs_a: pd.DataFrame, runs_b: pd.DataFrame) -> str:
    """Say why no point can be compared, to follow "no point in common"; empty if one can be.

    `points` as `compare` returns them for these runs.
    """
    matched = points[~points["verdict"].isin(UNMATCHED)]
    if matched.empty:
        return f": {_where_they_differ(runs_a, runs_b)}"
    if (matched["verdict"] == "not measured").all():
        return " with sound runs in both"
    return ""


# --- Which points match -------------------------------------------------------------------------


def point_settings(runs_a: pd.DataFrame, runs_b: pd.DataFrame) -> list[str]:
    """Return the settings that tell points apart; none where each side has a single point."""
    varying = _varying(runs_a) | _varying(runs_b)
    return [key for key in _SETTINGS if key in varying]


def _varying(runs: pd.DataFrame) -> set[str]:
    """Return the settings with several values, other than by a name that stands for them."""
    by_names = runs.groupby([*_NAMES])[[*_SETTINGS]].nunique().max()
    profiles_by_case = runs.groupby("case")["profile"].nunique().max()
    values = {**by_names, "case": runs["case"].nunique(), "profile": profiles_by_case}
    return {str(key) for key, count in values.items() if count > 1}


def _where_they_differ(runs_a: pd.DataFrame, runs_b: pd.DataFrame) -> str:
    keys = point_settings(runs_a, runs_b)
    for key in keys:
        values_a, values_b = (dict.fromkeys(runs[key].sort_values()) for runs in (runs_a, runs_b))
        if not values_a.keys() & values_b.keys():
            return f"{key} is {_some(values_a)} in A, {_some(values_b)} in B"
    return f"no combination of {', '.join(keys)} is in both"


def _some(values: Mapping[object, None]) -> str:
    first = [shown(value) for value in values][:_VALUES_SHOWN]
    return ", ".join([*first, *(["..."] if len(values) > _VALUES_SHOWN else [])])


def by_point(runs: pd.DataFrame, keys: Sequence[str]) -> dict[_Point, list[_Run]]:
    """Return the runs of each point, by the values of its `keys`."""
    points: dict[_Point, list[_Run]] = {}
    for row in runs.to_dict("records"):
        points.setdefault(tuple(row[key] for key in keys), []).append(row)
    return points


def _name(settings: Row) -> str:
    return " ".join(f"{key}={shown(value)}" for key, value in settings.items())


# --- What changed within a point ----------------------------------------------------------------


def _compared(keys: Sequence[str], a: Sequence[_Run], b: Sequence[_Run], threshold: float) -> Row:
    """Return the row of a point with these runs, on one side at least."""
    first = (a or b)[0]
    sound_a, sound_b = list(filter(is_sound, a)), list(filter(is_sound, b))
    row: Row = {
        "point": _name({key: first[key] for key in keys or _POINT}),
        **{key: first[key] for key in keys},
        "runs_a": len(a),
        "runs_b": len(b),
        "repeats_a": len(sound_a),
        "repeats_b": len(sound_b),
        "failures_b": _failures(b),
    }
    for measure in COMPARED:
        row |= _change(measure, _values(sound_a, measure), _values(sound_b, measure))
    verdicts = {f"{measure}_verdict": _judged(measure, row, threshold) for measure in JUDGED}
    return row | verdicts | {"verdict": _overall(row, list(verdicts.values()))}


def _values(runs: Sequence[_Run], measure: str) -> NDArray[np.float64]:
    return np.array([run[measure] for run in runs], np.float64)


def _failures(runs: Sequence[_Run]) -> str:
    lost = [run for run in runs if not is_sound(run)]
    reasons = (run["safety"] if run["outcome"] == OK else run["outcome"] for run in lost)
    return "; ".join(map(shown, dict.fromkeys(reasons)))


def _change(measure: str, a: NDArray[np.float64], b: NDArray[np.float64]) -> Row:
    before, after = (float(np.median(each)) if len(each) else math.nan for each in (a, b))
    change = relative_change(before, after)
    low, high = interval(a, b, _BUCKET if measure.startswith("latency_ms_p") else 0.0)
    # As in `experiments.summarise.summary`: the interval is the means', and few repeats may leave
    # their medians outside of it. Without an interval both stay nan.
    return {
        f"{measure}_a": before,
        f"{measure}_b": after,
        f"{measure}_change": change,
        f"{measure}_change_low": min(low, change),
        f"{measure}_change_high": max(high, change),
    }


def relative_change(before: float, after: float) -> float:
    """Return by which share a number changed; inf from 0, nan where either is nan."""
    if after == before:
        return 0.0
    return after / before - 1 if before else after * math.inf


def interval(
    a: NDArray[np.float64], b: NDArray[np.float64], resolution: float = 0.0
) -> tuple[float, float]:
    """Return the 95% confidence interval of the relative change of the mean from `a` to `b`.

    `resolution` is how well a single ratio is known, as a logarithm. nan where a side has fewer
    than `REPEATS_MIN` values, or one that is not above 0. See the head of this module.
    """
    if min(len(a), len(b)) < REPEATS_MIN or not (np.min(a) > 0 and np.min(b) > 0):
        return math.nan, math.nan
    logs = np.log(a), np.log(b)
    shift = float(logs[1].mean() - logs[0].mean())
    parts = [float(each.var(ddof=1)) / len(each) for each in logs]
    half = resolution
    if any(parts):
        spread = sum(part**2 / (len(each) - 1) for part, each in zip(parts, logs, strict=True))
        half += t_975(sum(parts) ** 2 / spread) * math.sqrt(sum(parts))
    return math.expm1(shift - half), math.expm1(shift + half)


def _judged(measure: str, row: Row, threshold: float) -> Verdict:
    change = row[f"{measure}_change"]
    if math.isnan(change):
        return "not measured"
    if (
        abs(change) <= threshold + 1e-9
    ):  # A fall of just the threshold, but for rounding, is not beyond.
        return "within"
    if row[f"{measure}_change_low"] <= 0 <= row[f"{measure}_change_high"]:
        return "unclear"
    return "worse" if change * JUDGED[measure] > 0 else "better"


def _overall(row: Row, verdicts: Sequence[Verdict]) -> Verdict:
    if not row["runs_b"]:
        return "only in A"
    if not row["runs_a"]:
        return "only in B"
    if row["repeats_a"] and not row["repeats_b"]:
        return "lost"
    return min(verdicts, key=VERDICTS.index)


def _badness(row: Row) -> tuple[int, float]:
    """Return what to sort by: the verdict, then the largest change for the worse."""
    harms = [row[f"{measure}_change"] * sign for measure, sign in JUDGED.items()]
    worst = max((harm for harm in harms if not math.isnan(harm)), default=0.0)
    return VERDICTS.index(row["verdict"]), -worst


# --- What changed as a whole --------------------------------------------------------------------


def _changed_settings(runs_a: pd.DataFrame, runs_b: pd.DataFrame) -> Iterator[Row]:
    keys = point_settings(runs_a, runs_b)
    runs_a, runs_b = _from_first(runs_a), _from_first(runs_b)
    points_a, points_b = by_point(runs_a, keys), by_point(runs_b, keys)
    firsts = [(points_a[point][0], points_b[point][0]) for point in points_a if point in points_b]
    if not firsts:
        yield from _changed_values(runs_a, runs_b)
    for key in ("suite", *(key for key in _SETTINGS if key not in keys), "seed"):
        for before, after in dict.fromkeys((a[key], b[key]) for a, b in firsts):
            if before != after:
                yield _changed("configuration", key, shown(before), shown(after))


def _changed_values(runs_a: pd.DataFrame, runs_b: pd.DataFrame) -> Iterator[Row]:
    for key in ("suite", *_SETTINGS, "seed"):
        before, after = (dict.fromkeys(runs[key].sort_values()) for runs in (runs_a, runs_b))
        if before.keys() != after.keys():
            yield _changed("configuration", key, _some(before), _some(after))


def _from_first(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the runs with the seeds of their first repeats: each repeat's is one more."""
    return runs.assign(seed=runs["seed"] - runs["repeat"])


def _changed_environment(runs_a: pd.DataFrame, runs_b: pd.DataFrame) -> Iterator[Row]:
    versions = dict.fromkeys(key for key in [*runs_a, *runs_b] if key.endswith("_version"))
    kinds = {"code": _CODE, "versions": versions, "machine": _MACHINE}
    for kind, keys in kinds.items():
        for key in keys:
            before, after = _distinct(runs_a, key), _distinct(runs_b, key)
            if before != after or "-dirty" in before:
                yield _changed(kind, key, before, after)


def _distinct(runs: pd.DataFrame, key: str) -> str:
    values = sorted(runs[key].unique()) if key in runs else []
    return ", ".join(map(shown, values)) or "none"


def _changed(kind: str, what: str, a: str, b: str) -> Row:
    return {"kind": kind, "what": what, "a": a, "b": b}


def shown(value: object) -> str:
    """Write a value of a table on one line of plain text, whatever a file may hold."""
    if isinstance(value, int | float | np.number):
        return f"{value:,.12g}"
    line = " ".join(str(value).split()) or "none"
    return "".join(character if character.isprintable() else "?" for character in line)
