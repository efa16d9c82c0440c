"""The result linter: says of which runs the numbers may mislead, by which rule, and what to do.

A rule looks at the table of runs and, where it needs them, at the timeline or the counters; without
these it finds nothing. Only sound runs are looked at for what misleads: the numbers of all others
do not count anyway, and that is a rule, too.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

import pandas as pd

from actors.core.columns import HEADER_BYTES, ROW_BYTES
from actors.core.registry import PROTOCOLS
from experiments.results import CONFIGURATION_COLUMNS
from experiments.spec import BIN_S, RunConfig
from experiments.summarise import PERCENTILES, in_flight, in_window, is_sound

Severity = Literal["error", "warning", "note"]
"""error: the numbers do not count. warning: they may mislead. note: they say less than it seems."""

COLUMNS = ("run_id", "rule", "severity", "words")

WARMUP_LATENCIES = 3.0
"""Mean latencies that a warm-up lasts at least: all clients start at once, and by then each has
been answered a few times, at moments of its own."""

BINS_MIN = 10
"""Bins of a window at least: with fewer, a machine that stalls for one of them spoils a tenth."""

BEYOND_MIN = 10
"""Requests beyond a percentile at least: of 10, chance alone makes 7 to 13."""

WINDOW_LATENCIES = 10.0
"""Latencies, of the percentile asked, that a window lasts at least: clients whose requests share
batches are answered together, so that what is independent are rounds, not requests."""

REPEATS_MIN = 3
"""Sound repeats of a point at least: from there on its confidence interval is more than a range."""

FLEET_CORES_MAX = 0.85
"""Cores that a fleet may keep busy: it is one process with one event loop, and from there on what
arrives waits for the fleet as long as it takes to handle, several times over."""

KEPT_UP_SHARE = 0.97
"""The share of the offered requests that a system must answer to have kept up."""

CHANCE = 3.0
"""Standard deviations by which numbers of a Poisson process may be off by chance alone."""

LAG_SHARE_MAX = 0.1
"""The share of the median latency that lag may make up: beyond, timers are what is measured."""

GROWTH_SHARE_MIN = 0.2
"""The share by which what waits grows, from the first to the last third of a window, at least."""

BOUND_SHARE = 0.9
"""The share of its computed limit from which on that limit, and not the clients, bounds a run."""


TOO_SHORT = "too-short"
"""The one rule that looks at the percentile that was asked for."""

MIXED_FRAMES = "mixed-frames"
"""The one rule about runs that are compared: it has a meaning over several result sets, too."""


class Rule(NamedTuple):
    """What makes a number misleading, and what to do about it; a sentence each, for newcomers."""

    severity: Severity
    reason: str
    advice: str
    concerns: tuple[str, ...] = ()
    """How the columns of the table of runs begin whose numbers it is about; empty for all."""

    def is_about(self, column: str) -> bool:
        """Say whether the number in this column of the table of runs is to be read with care."""
        return not self.concerns or column.startswith(self.concerns)


RULES: Mapping[str, Rule] = {
    "not-sound": Rule(
        "error",
        "A run that failed or broke a guarantee measured something else than the system.",
        "Read the reason, mend it, and give the same command again: it repeats only such runs.",
    ),
    "invalid-emulation": Rule(
        "error",
        "This machine was too slow to act as hosts with these limits, so the delays are its own.",
        "Give it more time with --set dilation=3, or use virtual time with --set backend=sim.",
    ),
    "lag": Rule(
        "warning",
        "Timers of this machine come late, and here that is a good part of the latency itself.",
        "Stretch time with --set dilation=3, or use virtual time with --set backend=sim.",
        ("latency",),
    ),
    "no-warmup": Rule(
        "warning",
        "All clients start at once, and until that has evened out the numbers show the start.",
        "Set warmup_s to a second or more.",
    ),
    TOO_SHORT: Rule(
        "warning",
        "A percentile needs enough requests beyond it, from more than a moment or two.",
        "Set duration_s higher, or look at a lower percentile.",
        ("latency",),
    ),
    "few-repeats": Rule(
        "warning",
        "One run may be luck: only repeats show how much the numbers scatter by themselves.",
        "Set repeats to 3 or more.",
    ),
    "saturated-fleet": Rule(
        "warning",
        "A fleet of clients is one process; when it is busy, requests and replies wait for it, and "
        "that is not the system's latency.",
        "Share the clients out with a higher fleets, or use fewer.",
        ("throughput", "latency"),
    ),
    "offered-rate-missed": Rule(
        "warning",
        "The system answers less than arrives, so requests pile up, and latency tells how long the "
        "run lasted.",
        "Read it as overload; for a latency, offer less with arrival_rate_rps.",
        ("latency",),
    ),
    "growing-queue": Rule(
        "warning",
        "More and more requests wait while the run goes on, so a longer run has a higher latency.",
        "Offer less with arrival_rate_rps, or warm up until what waits is steady.",
        ("latency",),
    ),
    "lost-messages": Rule(
        "warning",
        "What is dropped or sent again waits for a timeout, which then makes the high percentiles.",
        "Look for full queues (queue_bytes_max), and raise client_timeout_ms above the latency.",
        ("latency_ms_p9",),
    ),
    "client-bound": Rule(
        "note",
        "All clients together fit into the batches that may be open at once, so batches never "
        "fill, and more clients may well reach more: this is no peak.",
        "Add clients until throughput stays, before calling it the most that is reached.",
        ("throughput",),
    ),
    MIXED_FRAMES: Rule(
        "warning",
        "A frame costs CPU whatever it holds, so runs whose requests share frames differently do "
        "not compare.",
        "Compare runs with the same requests_per_frame_max.",
    ),
}
"""Every rule, by its name."""


class Evidence(NamedTuple):
    """What rules look at."""

    runs: pd.DataFrame
    """The sound runs."""
    lost: pd.DataFrame
    """All others."""
    timeline: pd.DataFrame
    counters: pd.DataFrame
    percentile: str


Found = Iterator[tuple[str, str]]
"""The run_id of a run, and what is wrong with it, in words."""

_Run = Mapping[Any, Any]


def lint(
    runs: pd.DataFrame,
    *,
    percentile: str = "latency_ms_p99",
    timeline: pd.DataFrame | None = None,
    counters: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return what there is to say about runs: a row a run and rule, with `COLUMNS`.

    `percentile` is the one that is looked at, a key of `experiments.summarise.PERCENTILES`. The
    tables may be those of some of the runs only, as `experiments.results` returns them.
    """
    is_counted = is_sound(runs)
    no_rows = pd.DataFrame(columns=["run_id"])
    evidence = Evidence(
        runs[is_counted],
        runs[~is_counted],
        no_rows if timeline is None else timeline,
        no_rows if counters is None else counters,
        percentile,
    )
    rows = [
        (run_id, name, RULES[name].severity, words)
        for name, rule in _FINDERS.items()
        for run_id, words in rule(evidence)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS), dtype=str)


def lint_between(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the same of what only a look at several result sets can tell, with their `folder`.

    `runs` have that column, too: a run_id is unique within a folder, not among several.
    """
    sound = runs.loc[is_sound(runs)]
    words = _frames_differ(sound)
    told = sound[["folder", "run_id"]] if words else sound[["folder", "run_id"]].head(0)
    return told.assign(rule=MIXED_FRAMES, severity=RULES[MIXED_FRAMES].severity, words=words)


# --- Runs that do not count ---------------------------------------------------------------------


def _not_sound(evidence: Evidence) -> Found:
    for run in _records(evidence.lost[~_is_invalid(evidence.lost)]):
        failed = run["outcome"] != "ok"
        yield run["run_id"], f"failed: {run['outcome']}" if failed else f"unsafe: {run['safety']}"


def _invalid_emulation(evidence: Evidence) -> Found:
    for run in _records(evidence.lost[_is_invalid(evidence.lost)]):
        yield run["run_id"], run["outcome"]


def _is_invalid(lost: pd.DataFrame) -> "pd.Series[bool]":
    """Say which runs came to their end with a verdict, and yet do not count: those that lagged."""
    return (lost["outcome"] != "ok") & (lost["safety"] != "")


# --- How it was measured ------------------------------------------------------------------------


def _lag(evidence: Evidence) -> Found:
    runs = evidence.runs
    for run in _records(runs[runs["lag_ms"] > LAG_SHARE_MAX * runs["latency_ms_p50"]]):
        if _config(run).is_limited:
            yield (
                run["run_id"],
                f"{run['lag_ms']:.2f} ms late on average, at a median latency of "
                f"{run['latency_ms_p50']:.2f} ms",
            )


def _no_warmup(evidence: Evidence) -> Found:
    runs = evidence.runs
    least_s = WARMUP_LATENCIES * 1e-3 * runs["latency_ms_mean"]
    for run in _records(runs[(runs["warmup_s"] == 0) | (runs["warmup_s"] < least_s)]):
        yield (
            run["run_id"],
            f"{run['warmup_s']:g} s of warm-up, at a mean latency of "
            f"{run['latency_ms_mean'] * 1e-3:.3g} s",
        )


def _too_short(evidence: Evidence) -> Found:
    percentile = evidence.percentile
    beyond = 1 - PERCENTILES[percentile] / 100
    for run in _records(evidence.runs):
        bins = round(run["duration_s"] / BIN_S)
        rounds = run["duration_s"] * 1e3 / run[percentile] if run[percentile] else 0.0
        requests = run["completed"] * beyond
        said = [
            *([f"{bins} bins of {BIN_S} s"] if bins < BINS_MIN else []),
            *([f"{requests:.1f} requests beyond it"] if requests < BEYOND_MIN else []),
            *([f"{rounds:.1f} times as long as it"] if rounds < WINDOW_LATENCIES else []),
        ]
        if said:
            yield run["run_id"], f"for {percentile}, the window has {', '.join(said)}"


def _few_repeats(evidence: Evidence) -> Found:
    repeats = evidence.runs.groupby(_POINT)["run_id"].transform("size")
    runs = evidence.runs.assign(repeats=repeats)
    for run in _records(runs[(runs["repeats"] < REPEATS_MIN) & ~_is_certain(runs)]):
        yield run["run_id"], f"{run['repeats']} sound of the {REPEATS_MIN} that an interval needs"


def _is_certain(runs: pd.DataFrame) -> "pd.Series[bool]":
    """Say which runs measure the same each time: in virtual time nothing but arrivals is random."""
    return (runs["backend"] == "sim") & (runs["arrival_rate_rps"] == 0)


def _mixed_frames(evidence: Evidence) -> Found:
    if words := _frames_differ(evidence.runs):
        yield from ((run_id, words) for run_id in evidence.runs["run_id"])


def _frames_differ(runs: pd.DataFrame) -> str:
    """Say how frames differ between runs; empty if they do not."""
    values = sorted(runs["requests_per_frame_max"].unique())
    told = f"requests_per_frame_max is {', '.join(f'{each:,}' for each in values)}"
    return told if len(values) > 1 else ""


# --- The load -----------------------------------------------------------------------------------


def _offered_rate_missed(evidence: Evidence) -> Found:
    runs = evidence.runs
    for run in _records(runs[~kept_up(runs)]):
        share = run["throughput_rps"] / run["arrival_rate_rps"]
        offered = f"{run['arrival_rate_rps']:,.0f} requests/s"
        yield run["run_id"], f"{share:.1%} of the {offered} offered were answered"


def kept_up(table: pd.DataFrame) -> "pd.Series[bool]":
    """Say which runs or points answered what they were offered; closed-loop ones always do."""
    offered = table["arrival_rate_rps"] * table["duration_s"]
    answered = table["throughput_rps"] * table["duration_s"]
    # As many arrive as a Poisson process has them: their number has a variance equal to its mean.
    by_chance = CHANCE * offered**0.5
    return (offered == 0) | (answered >= KEPT_UP_SHARE * offered - by_chance)


def _growing_queue(evidence: Evidence) -> Found:
    for run, rows in _with_rows(evidence.runs, evidence.timeline):
        window = in_window(rows, run["warmup_s"], run["duration_s"])
        since_s = window["time_s"] - run["warmup_s"]
        first = in_flight(window[since_s <= run["duration_s"] / 3])
        last = in_flight(window[since_s > run["duration_s"] * 2 / 3])
        by_chance = CHANCE * (run["arrival_rate_rps"] * run["duration_s"]) ** 0.5
        if run["arrival_rate_rps"] and last - first > max(by_chance, GROWTH_SHARE_MIN * first):
            yield run["run_id"], f"requests in the system grew from {first:,.0f} to {last:,.0f}"


def _client_bound(evidence: Evidence) -> Found:
    closed = evidence.runs[evidence.runs["arrival_rate_rps"] == 0]
    curve = [key for key in _POINT if key != "clients"]
    most = closed.groupby(curve)["clients"].transform("max")
    is_bound = closed["throughput_rps"] >= BOUND_SHARE * closed["limit_rps"]  # Never by nan.
    for run in _records(closed[(closed["clients"] == most) & ~is_bound]):
        room = requests_in_open_batches(run)
        if run["clients"] <= room:
            load = f"{run['clients']:,} requests are there at most"
            yield run["run_id"], f"{load}, and the open batches have room for {room:,}"


def requests_in_open_batches(run: _Run) -> int:
    """Return how many requests fit, about, into the batches that a run may have open at once."""
    protocol = PROTOCOLS.get(run["protocol"])
    if protocol is not None and protocol.coordinator:  # Each host fills batches of its own.
        bytes_max = run["dissemination_batch_bytes_max"]
        batches = run["dissemination_window"] * run["replicas"]
    else:
        bytes_max, batches = run["batch_bytes_max"], run["window"]
    rows = (bytes_max - HEADER_BYTES) // (ROW_BYTES + run["request_bytes"])
    return int(batches * max(1, rows))


# --- What went wrong on the way -----------------------------------------------------------------


def _lost_messages(evidence: Evidence) -> Found:
    runs = evidence.runs
    undisturbed = runs[runs["faults"] == ""]
    dropped = {
        run["run_id"]: _dropped(in_window(rows, run["warmup_s"], run["duration_s"]))
        for run, rows in _with_rows(undisturbed, evidence.counters)
    }
    lossy = [run_id for run_id, lost in dropped.items() if lost]
    for run in _records(
        undisturbed[(undisturbed["retried"] > 0) | undisturbed["run_id"].isin(lossy)]
    ):
        lost = dropped.get(run["run_id"], 0.0)
        said = [
            *([f"{run['retried']:,.0f} requests were sent again"] if run["retried"] else []),
            *([f"{lost:,.0f} messages or frames were dropped"] if lost else []),
        ]
        yield run["run_id"], " and ".join(said)


def _dropped(window: pd.DataFrame) -> float:
    return float(
        window.reindex(columns=["frames_dropped", "modelled_messages_dropped"]).sum().sum()
    )


def _saturated_fleet(evidence: Evidence) -> Found:
    for run, rows in _with_rows(evidence.runs, evidence.counters):
        fleets = rows[rows["role"] == "fleet"].sort_values("time_s")
        since_s = fleets["time_s"] - fleets.groupby("actor")["time_s"].shift().fillna(0.0)
        window = in_window(fleets.assign(since_s=since_s), run["warmup_s"], run["duration_s"])
        sums = window.reindex(columns=["cpu_s", "since_s"]).groupby(window["actor"]).sum()
        # The clock of a run may be stretched, that of the processor is not.
        cores = sums["cpu_s"] / (sums["since_s"] * run["dilation"])
        if (cores > FLEET_CORES_MAX).any():
            yield run["run_id"], f"{cores.idxmax()} kept {cores.max():.2f} of a core busy"


# --- Reading tables -----------------------------------------------------------------------------

_POINT = ["suite", "protocol", "replicas", "clients", *CONFIGURATION_COLUMNS]


def _records(runs: pd.DataFrame) -> Iterator[_Run]:
    yield from runs.to_dict("records")


def _with_rows(runs: pd.DataFrame, table: pd.DataFrame) -> Iterator[tuple[_Run, pd.DataFrame]]:
    """Yield each run that has rows in a table, with these."""
    by_run = dict(list(table.groupby("run_id")))
    for run in _records(runs[runs["run_id"].isin(list(by_run))]):
        yield run, by_run[run["run_id"]]


def _config(run: _Run) -> RunConfig:
    return RunConfig(**{key: run[key] for key in RunConfig.__struct_fields__})


_FINDERS: Mapping[str, Callable[[Evidence], Found]] = {
    "not-sound": _not_sound,
    "invalid-emulation": _invalid_emulation,
    "lag": _lag,
    "no-warmup": _no_warmup,
    TOO_SHORT: _too_short,
    "few-repeats": _few_repeats,
    "saturated-fleet": _saturated_fleet,
    "offered-rate-missed": _offered_rate_missed,
    "growing-queue": _growing_queue,
    "lost-messages": _lost_messages,
    "client-bound": _client_bound,
    MIXED_FRAMES: _mixed_frames,
}
