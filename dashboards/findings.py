"""What a set of runs says, in words: sentences computed from the tables, as HTML."""

import math
from collections.abc import Iterator, Sequence
from html import escape
from typing import NamedTuple

import pandas as pd

from dashboards import faults, theme
from dashboards.cut_off import CutOff, cut_off
from dashboards.offered import open_loop
from dashboards.phrases import Row, count, ends, latency, listed, load, span
from dashboards.series import Series, split
from experiments.linter import KEPT_UP_SHARE

_HITS_MAX = 3
_BOUND_SHARE = 0.9
"""The share of its computed limit from which on a system is held back by that limit."""

_AT_LIMIT_SHARE = 0.98
"""The share of it from which on no other load could bring much more."""


class About(NamedTuple):
    """What a sentence tells: numbers of points, by their columns."""

    points: Sequence[Row]
    columns: Sequence[str]


class Finding(NamedTuple):
    """A heading, what there is to say under it, and a list that goes with it; all HTML."""

    heading: str
    text: str
    items: list[str]
    about: Sequence[About] = ()
    """What the first items tell, one each."""
    is_warning: bool = False
    """Whether other findings mislead those who do not know of it."""


def findings(runs: pd.DataFrame, points: pd.DataFrame, events: pd.DataFrame) -> list[Finding]:
    """Return what the tables say; `points` as `experiments.summarise.summary` makes them.

    `events` are those of the runs that `dashboards.faults` shows.
    """
    closed = split(points[points["arrival_rate_rps"] == 0])
    opened = split(open_loop(points), "arrival_rate_rps")
    failing = list(cut_off(runs))
    peaks = list(_at_their_peaks(closed, failing))
    found = [
        Finding("What was run", _what_was_run(runs), []),
        _warning(failing),
        _under_faults(runs, events),
        Finding(
            "S-Paxos against JPaxos",
            "",
            [*map(_ratio, peaks), *_at_equal_load(opened)],
            [About((pair.spaxos, pair.jpaxos), ("throughput_rps",)) for pair in peaks],
        ),
        Finding("Why", "", list(_reasons(peaks, runs["cores"]))),
        _peaks(closed),
        _offered(opened),
        Finding("Latency under the lightest load", "", list(_light_loads([*closed, *opened]))),
        Finding("Read with care", "", list(_caveats(runs, opened))),
        _safety(runs),
        _failures(runs),
    ]
    return [finding for finding in found if finding.text or finding.items]


def _what_was_run(runs: pd.DataFrame) -> str:
    protocols = listed(theme.label(name) for name in sorted(runs["protocol"].unique()))
    suite = f"<em>{escape(str(runs['suite'].iloc[0]))}</em>"
    replicas = listed(str(count) for count in sorted(runs["replicas"].unique()))
    return (
        f"{count(len(runs), 'run')} of the suite {suite}: {protocols} on {replicas} replicas, "
        f"with {listed(_loads(runs))}; {count(runs['repeat'].nunique(), 'repeat')} of each "
        f"point, on {'; '.join(_hosts(runs))}."
    )


def _loads(runs: pd.DataFrame) -> Iterator[str]:
    is_open = runs["arrival_rate_rps"] > 0
    closed, opened = runs[~is_open], runs[is_open]
    if len(closed):
        yield f"{span(closed['clients'])} closed-loop clients"
    if len(opened):
        rates = [theme.si(rate) for rate in ends(opened["arrival_rate_rps"])]
        yield (
            f"{' to '.join(rates)} requests/s offered by {span(opened['clients'])} open-loop "
            "clients"
        )


def _hosts(runs: pd.DataFrame) -> Iterator[str]:
    """Yield the kinds of hosts, each with the backends that ran it."""
    backends_of: dict[str, list[str]] = {}
    for backend, rows in runs.groupby("backend"):
        words = _BACKENDS.get(str(backend), f"by the backend {escape(str(backend) or '?')}")
        backends_of.setdefault(_limits(rows), []).append(words)
    for hosts, backends in backends_of.items():
        yield f"{hosts}, {listed(backends)}"


def _limits(runs: pd.DataFrame) -> str:
    is_limited = runs["limit_rps"].notna()
    profiles = sorted({escape(str(each)) for each in runs[is_limited]["profile"]} - {"none"})
    named = f" ({listed(profiles)})" if profiles else ""
    kinds = [
        *(["without limits"] if not is_limited.all() else []),
        *([f"with limits{named}"] if is_limited.any() else []),
    ]
    return f"hosts {listed(kinds)}"


_BACKENDS = {"live": "on Ray", "sim": "in virtual time", "null_actor": "as a null actor"}


def _under_faults(runs: pd.DataFrame, events: pd.DataFrame) -> Finding:
    shown, all_runs = faults.shown(runs), faults.with_faults(runs)
    text = (
        f"Of {count(len(all_runs), 'run')} with faults, the {len(shown)} with the longest gaps "
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
    retried = f"{count(row['retried'], 'request')} tried again"
    return f"<strong>{run.name}</strong>: {'; '.join((*facts, retried))}."


def _hits(events: Sequence[faults.Event]) -> str:
    hits = [f"{event.text} at {event.time_s:.1f} s" for event in events if event.is_fault]
    if not hits:
        return "no fault took effect"
    if len(hits) > _HITS_MAX:
        hits[_HITS_MAX:] = [count(len(hits) - _HITS_MAX, "more fault")]
    return listed(hits)


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


# --- S-Paxos against JPaxos ---------------------------------------------------------------------


class _Pair(NamedTuple):
    """The points at which JPaxos and S-Paxos, with equal settings, reach their peaks."""

    settings: str
    jpaxos: Row
    spaxos: Row
    is_cut_off: bool
    """Whether no run counts of some load of either curve."""

    @property
    def ratio(self) -> float:
        """How many times the peak of JPaxos that of S-Paxos is."""
        return float(self.spaxos["throughput_rps"] / self.jpaxos["throughput_rps"])

    @property
    def is_limited(self) -> bool:
        """Whether hosts had limits of their own."""
        return math.isfinite(self.jpaxos["limit_rps"] + self.spaxos["limit_rps"])

    @property
    def is_relieved(self) -> bool:
        """Whether S-Paxos is ahead, of a JPaxos that its leader's limits hold back."""
        by_leader = str(self.jpaxos["limit_by"]).endswith(" of the leader")
        is_held = self.is_limited and _share_of_limit(self.jpaxos) >= _BOUND_SHARE
        return self.ratio > 1 and by_leader and is_held

    @property
    def is_crowded(self) -> bool:
        """Whether S-Paxos is behind, with more work for hosts that may share a machine."""
        more = self.spaxos["cpu_us_per_request"] > self.jpaxos["cpu_us_per_request"]
        may_share = not self.is_limited and self.spaxos["placement"] != "strict_spread"
        return bool(self.ratio < 1 and more and may_share)


def _at_their_peaks(curves: Sequence[Series], failing: Sequence[CutOff]) -> Iterator[_Pair]:
    for curve_pair in _equal_settings(curves):
        jpaxos, spaxos = map(_peak_of, curve_pair)
        if jpaxos["throughput_rps"]:
            is_cut_off = any(each.is_of(point) for each in failing for point in (jpaxos, spaxos))
            yield _Pair(curve_pair[0].settings, jpaxos, spaxos, is_cut_off)


def _equal_settings(curves: Sequence[Series]) -> Iterator[tuple[Series, Series]]:
    """Yield the curves of JPaxos and S-Paxos that nothing else sets apart."""
    spaxos = {curve.rank: curve for curve in curves if curve.protocol == "spaxos"}
    for curve in curves:
        if curve.protocol == "jpaxos" and curve.rank in spaxos:
            yield curve, spaxos[curve.rank]


def _ratio(pair: _Pair) -> str:
    hosts = "with limits of their own" if pair.is_limited else "without limits"
    times = f"<strong>{theme.significant(pair.ratio)} times</strong>"
    return _led(
        pair.settings,
        f"on hosts {hosts}, the peak of S-Paxos is {times} that of JPaxos"
        f"{_UNLESS_LOST if pair.is_cut_off else ''}.{_bounds(pair)}",
    )


_UNLESS_LOST = " <strong>as far as runs count: failed ones cut these curves off</strong>"


def _bounds(pair: _Pair) -> str:
    """Say what the hosts allow or, without limits, what a request took of them."""
    if pair.is_limited:
        of_spaxos, of_jpaxos = (
            f"{theme.si(row['limit_rps'], 'requests/s')} ({escape(row['limit_by'])})"
            for row in (pair.spaxos, pair.jpaxos)
        )
        return f" Computed limits: S-Paxos {of_spaxos}, JPaxos {of_jpaxos}."
    spaxos_us, jpaxos_us = (each["cpu_us_per_request"] for each in (pair.spaxos, pair.jpaxos))
    if not (spaxos_us > 0 and jpaxos_us > 0):
        return ""
    return (
        f" Over all hosts a request took {theme.significant(spaxos_us)} µs of CPU with S-Paxos and "
        f"{theme.significant(jpaxos_us)} µs with JPaxos."
    )


def _at_equal_load(curves: Sequence[Series]) -> Iterator[str]:
    """Compare latency at the highest load with which both keep up."""
    for jpaxos, spaxos in _equal_settings(curves):
        of_jpaxos, of_spaxos = _kept_up(jpaxos), _kept_up(spaxos)
        both = of_jpaxos.keys() & of_spaxos.keys()
        if both:
            rate = max(both)
            yield _led(
                jpaxos.settings,
                f"at {load(of_jpaxos[rate])}, the most with which both keep up, latency is "
                f"{latency(of_spaxos[rate])} with S-Paxos; {latency(of_jpaxos[rate])} with "
                "JPaxos.",
            )


def _kept_up(curve: Series) -> dict[float, Row]:
    """Return the points that kept up, by what was offered."""
    rows = curve.rows[curve.rows["kept_up"]].to_dict("records")
    return {row["arrival_rate_rps"]: row for row in rows}


def _reasons(pairs: Sequence[_Pair], cores: "pd.Series[int]") -> Iterator[str]:
    if any(pair.is_relieved for pair in pairs):
        yield (
            "JPaxos's leader takes in every request and sends it to each follower, until the "
            "limits of its host hold it back. In S-Paxos each host does that for its own clients, "
            "and the leader orders no more than ids."
        )
    if any(pair.is_crowded for pair in pairs):
        machine = listed(str(count) for count in sorted(cores.unique()))
        yield (
            f"Hosts without limits that share one machine (here of {machine} cores) share its "
            "cores: what S-Paxos takes off the leader lands on these again, together with the "
            f"work of spreading it.{'' if any(pair.is_limited for pair in pairs) else _TRY_LIMITS}"
        )


_TRY_LIMITS = " <code>--set profile=ethernet-100mbit</code> gives each host a network of its own."


def _led(settings: str, sentence: str) -> str:
    """Begin a sentence with the settings that it is about, if there are any."""
    if settings:
        return f"<strong>{settings}</strong>: {sentence}"
    return sentence[0].upper() + sentence[1:]


# --- Each by itself -----------------------------------------------------------------------------


def _peaks(curves: Sequence[Series]) -> Finding:
    peaks = list(map(_peak_of, curves))
    may_rise = [
        peak["clients"] == curve.rows["clients"].max() and _share_of_limit(peak) < _AT_LIMIT_SHARE
        for curve, peak in zip(curves, peaks, strict=True)
    ]
    text = (
        "* The most clients with which a run counts: the true peak may lie beyond."
        if any(may_rise)
        else ""
    )
    told = ("throughput_rps", "latency_ms_p99")
    about = [About((peak,), told) for peak in peaks]
    return Finding("Peak throughput", text, list(map(_peak, curves, peaks, may_rise)), about)


def _peak(curve: Series, peak: Row, may_rise: bool) -> str:
    share = _share_of_limit(peak)
    return (
        f"<strong>{curve.name}</strong> reaches "
        f"<strong>{theme.si(peak['throughput_rps'], 'requests/s')}</strong> with {load(peak)}"
        f"{'*' if may_rise else ''}{f', {share:.0%} of its computed limit' if share else ''}; "
        f"latency is {latency(peak)}."
    )


def _offered(curves: Sequence[Series]) -> Finding:
    text = f"A system keeps up where it answers at least {KEPT_UP_SHARE:.0%} of what arrives."
    return Finding("Offered load", text if curves else "", [_keeps_up(curve) for curve in curves])


def _keeps_up(curve: Series) -> str:
    rows = curve.rows.to_dict("records")
    kept = [row for row in rows if row["kept_up"]]
    beyond = rows[rows.index(kept[-1]) + 1 :] if kept else rows
    most = (
        f"keeps up with <strong>{load(kept[-1])}</strong>; latency is {latency(kept[-1])}"
        if kept
        else "keeps up with none of the loads tried"
    )
    answered = (
        f"; of {load(beyond[0])} it answers {theme.si(beyond[0]['throughput_rps'])}"
        if beyond
        else "; more was not tried"
    )
    return f"<strong>{curve.name}</strong> {most}{answered}."


def _light_loads(curves: Sequence[Series]) -> Iterator[str]:
    for curve in curves:
        lightest, *heavier = curve.rows.to_dict("records")
        if heavier:  # Else it is the peak, which has been told.
            yield f"<strong>{curve.name}</strong>: {latency(lightest)} with {load(lightest)}."


def _caveats(runs: pd.DataFrame, opened: Sequence[Series]) -> Iterator[str]:
    closed = runs[runs["arrival_rate_rps"] == 0]
    if closed["protocol"].nunique() > 1:
        yield (
            "Equal numbers of clients are different workloads: a closed-loop client asks again "
            "when it is answered, so the faster system is asked for more. Compare latency at "
            "equal throughput."
        )
    if not all(curve.rows["kept_up"].all() for curve in opened):
        yield (
            "Where a system does not keep up, what waits grows all the time: latency then says "
            "how long the run lasted."
        )
    if (runs["backend"] == "sim").any():
        yield (
            "Virtual time shows what the protocols and the limits of the hosts make of each other, "
            "and nothing of what the code costs a real machine."
        )


# --- What counts --------------------------------------------------------------------------------


def _warning(curves: Sequence[CutOff]) -> Finding:
    items = [
        f"<strong>{each.curve.name}</strong> with {listed(map(load, each.lost.to_dict('records')))}"
        for each in curves
    ]
    text = "True peaks may be others, since no run counts of" if items else ""
    return Finding("Cut off by failed runs", text, items, is_warning=True)


def _safety(runs: pd.DataFrame) -> Finding:
    checked = runs[runs["safety"] != ""]
    is_broken = (runs["safety"] != "") & (runs["safety"] != "ok")
    if checked.empty:
        text = "No run finished, so no run has a verdict."
    elif not is_broken.any():
        text = f"Every finished run passed every safety check: {count(len(checked), 'run')}."
    else:
        text = (
            "<strong>Finished runs that broke safety: "
            f"{is_broken.sum()} of {len(checked)}</strong>; "
            "their numbers do not count and are in no figure."
        )
    return Finding("Safety", text, _listed_runs(runs, is_broken, "safety"))


def _failures(runs: pd.DataFrame) -> Finding:
    is_lost = runs["outcome"] != "ok"
    text = f"{is_lost.sum()} of {len(runs)}; they are in no figure."
    items = _listed_runs(runs, is_lost, "outcome")
    return Finding("Failed or invalid runs", text if items else "", items)


def _listed_runs(runs: pd.DataFrame, chosen: "pd.Series[bool]", reason: str) -> list[str]:
    return [
        f"{series.name}, {count(run['clients'], 'client')}, repeat {run['repeat']}: "
        f"{escape(str(run[reason]))}"
        for series in split(runs.assign(is_listed=chosen))
        for run in series.rows[series.rows["is_listed"]].to_dict("records")
    ]


# --- Words --------------------------------------------------------------------------------------


def _peak_of(curve: Series) -> Row:
    return curve.rows.to_dict("records")[int(curve.rows["throughput_rps"].fillna(0).argmax())]


def _share_of_limit(point: Row) -> float:
    """Return how much of what the hosts allow is reached; 0 where they have no limits."""
    limit_rps = point["limit_rps"]
    return float(point["throughput_rps"] / limit_rps) if 0 < limit_rps < math.inf else 0.0
