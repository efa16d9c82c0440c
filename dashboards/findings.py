"""What a set of runs says, in words: sentences computed from the tables, as HTML."""

import math
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from itertools import combinations
from typing import Any, NamedTuple

import pandas as pd

from dashboards import faults, theme
from dashboards.series import Series, split

_HITS_MAX = 3


class Finding(NamedTuple):
    """A heading, what there is to say under it, and a list that goes with it; all HTML."""

    heading: str
    text: str
    items: list[str]


def findings(runs: pd.DataFrame, points: pd.DataFrame, events: pd.DataFrame) -> list[Finding]:
    """Return what the tables say; `points` as `experiments.summarise.summary` makes them.

    `events` are those of the runs that `dashboards.faults` shows.
    """
    curves = split(points)
    found = [
        Finding("What was run", _what_was_run(runs), []),
        _under_faults(runs, events),
        Finding("Peak throughput", "", [_peak(curve) for curve in curves]),
        Finding("Compared at their peaks", "", list(_ratios(curves))),
        Finding("Read with care", "", list(_caveats(runs))),
        Finding("Lightest load", "", [_light_load(curve) for curve in curves]),
        _safety(runs),
        _failures(runs),
    ]
    return [finding for finding in found if finding.text or finding.items]


def _what_was_run(runs: pd.DataFrame) -> str:
    protocols = _listed(theme.label(name) for name in sorted(runs["protocol"].unique()))
    suite = f"<em>{escape(str(runs['suite'].iloc[0]))}</em>"
    replicas = _listed(str(count) for count in sorted(runs["replicas"].unique()))
    return (
        f"{_count(len(runs), 'run')} of the suite {suite}: {protocols} on {replicas} "
        f"replicas, with {_span(runs['clients'])} closed-loop clients and "
        f"{_count(runs['repeat'].nunique(), 'repeat')} of each point."
    )


def _under_faults(runs: pd.DataFrame, events: pd.DataFrame) -> Finding:
    shown, all_runs = faults.shown(runs), faults.with_faults(runs)
    text = (
        f"Of {_count(len(all_runs), 'run')} with faults, the {len(shown)} with the longest gaps "
        "in replies, of each point in turn:"
        if len(shown) < len(all_runs)
        else ""
    )
    items = [_survival(run, faults.happened(run, events)) for run in shown]
    return Finding("Under faults", text, items)


def _survival(run: faults.FaultyRun, events: Sequence[faults.Event]) -> str:
    """Say what hit a run, and what it cost its clients."""
    row = run.row
    facts = (_hits(events), _gap(row["unavailability_s"]), _recovery(row["recovery_s"]))
    retried = f"{_count(row['retried'], 'request')} tried again"
    return f"<strong>{run.name}</strong>: {'; '.join((*facts, retried))}."


def _hits(events: Sequence[faults.Event]) -> str:
    hits = [f"{event.text} at {event.time_s:.1f} s" for event in events if event.is_fault]
    if not hits:
        return "no fault took effect"
    if len(hits) > _HITS_MAX:
        hits[_HITS_MAX:] = [_count(len(hits) - _HITS_MAX, "more fault")]
    return _listed(hits)


def _gap(unavailability_s: float) -> str:
    if not unavailability_s:
        return "replies never stopped"
    return f"no replies for <strong>{unavailability_s:.1f} s</strong>"


def _recovery(recovery_s: float) -> str:
    if math.isnan(recovery_s):
        return "90% of the throughput not seen again"
    if round(recovery_s, 1) == 0:
        return "90% of the throughput kept"
    return f"90% of the throughput again after <strong>{recovery_s:.1f} s</strong>"


def _peak(curve: Series) -> str:
    peak = _peak_of(curve)
    is_last = peak["clients"] == curve.rows["clients"].max()
    beyond = " These are the most clients tried: the true peak may lie beyond." if is_last else ""
    return (
        f"<strong>{curve.name}</strong> reaches "
        f"<strong>{theme.si(peak['throughput_rps'], 'requests/s')}</strong> with "
        f"{_count(peak['clients'], 'client')}; half of the requests then take at most "
        f"{_ms(peak['latency_ms_p50'])} and 99% at most {_ms(peak['latency_ms_p99'])}.{beyond}"
    )


def _ratios(curves: Sequence[Series]) -> Iterator[str]:
    for one, other in combinations(curves, 2):
        if {one.protocol, other.protocol} == {"jpaxos", "spaxos"} and one.rank == other.rank:
            ratio = _peak_of(other)["throughput_rps"] / _peak_of(one)["throughput_rps"]
            yield (
                f"The peak of {other.name} is <strong>{theme.significant(ratio)} times</strong> "
                f"that of {one.name}."
            )


def _caveats(runs: pd.DataFrame) -> Iterator[str]:
    if runs["protocol"].nunique() == 1:
        return
    cores = _listed(str(cores) for cores in sorted(runs["cores"].unique()))
    yield (
        f"Hosts that share one machine (here of {cores} cores) share its "
        "cores: what S-Paxos takes off the leader then lands on the same cores, together with the "
        "work of spreading it, so that its gain cannot appear as it does on separate hosts."
    )
    yield (
        "Equal numbers of clients are different workloads: a closed-loop client asks again when it "
        "is answered, so the faster system is asked for more. Compare latency at equal throughput."
    )


def _light_load(curve: Series) -> str:
    lightest = curve.rows.iloc[0]
    return (
        f"<strong>{curve.name}</strong> answers half of the requests within "
        f"<strong>{_ms(lightest['latency_ms_p50'])}</strong> and 99% within "
        f"{_ms(lightest['latency_ms_p99'])} with {_count(lightest['clients'], 'client')}."
    )


def _safety(runs: pd.DataFrame) -> Finding:
    finished = runs[runs["outcome"] == "ok"]
    broken = finished[finished["safety"] != "ok"]
    if finished.empty:
        text = "No run finished, so no run has a verdict."
    elif broken.empty:
        text = f"Every finished run passed every safety check: {_count(len(finished), 'run')}."
    else:
        text = (
            f"<strong>Finished runs that broke safety: {len(broken)} of {len(finished)}</strong>; "
            "their numbers do not count and are in no figure."
        )
    return Finding("Safety", text, _listed_runs(broken, "safety"))


def _failures(runs: pd.DataFrame) -> Finding:
    failed = runs[runs["outcome"] != "ok"]
    text = f"Runs that did not finish: {len(failed)} of {len(runs)}; they are in no figure."
    return Finding("Failed runs", text if len(failed) else "", _listed_runs(failed, "outcome"))


def _listed_runs(runs: pd.DataFrame, reason: str) -> list[str]:
    return [
        f"{theme.label(run['protocol'])}, n = {run['replicas']}, "
        f"{_count(run['clients'], 'client')}, repeat {run['repeat']}: {escape(str(run[reason]))}"
        for run in runs.to_dict("records")
    ]


def _peak_of(curve: Series) -> "pd.Series[Any]":
    return curve.rows.iloc[int(curve.rows["throughput_rps"].argmax())]


def _listed(items: Iterable[str]) -> str:
    *most, last = items
    return f"{', '.join(most)} and {last}" if most else last


def _span(counts: "pd.Series[int]") -> str:
    low, high = counts.min(), counts.max()
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _count(count: float, noun: str) -> str:
    return f"{count:,.0f} {noun}{'' if count == 1 else 's'}"


def _ms(value: float) -> str:
    return f"{theme.significant(value)} ms"
