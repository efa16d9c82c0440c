"""The result linter: says of which runs the numbers may mislead, by which rule, and what to do.

A rule looks at the table of runs alone. Only sound runs are looked at for what misleads: the
numbers of all others do not count anyway, and that is a rule, too.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, NamedTuple, get_args

import pandas as pd

from actors.core.columns import HEADER_BYTES, ROW_BYTES
from actors.core.registry import PROTOCOLS
from experiments.spec import BIN_S, RunConfig
from experiments.summarise import PERCENTILES, POINT, is_sound

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

PERCENTILE = "latency_ms_p99"
"""The percentile that is looked at where no other is asked for."""

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

    @property
    def is_about_all(self) -> bool:
        """Whether all numbers of a run are to be read with care."""
        return not self.concerns

    def is_about(self, column: str) -> bool:
        """Say whether the number in this column of the table of runs is to be read with care."""
        return self.is_about_all or column.startswith(self.concerns)


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
    "mixed-placement": Rule(
        "warning",
        "Hosts that share a node share its network card and its cores, so runs whose hosts lived "
        "on fewer nodes do not compare with the others.",
        "Bring lost nodes back and run them anew, or set placement to strict_spread.",
    ),
}
"""Every rule, by its name."""


class Summed(NamedTuple):
    """What a rule says of all runs together that it found."""

    name: str
    rule: Rule
    runs: int
    words: str
    """How many runs, if several, and what was seen: of one of them where that differs."""


class Evidence(NamedTuple):
    """What rules look at."""

    runs: pd.DataFrame
    """The sound runs."""
    lost: pd.DataFrame
    """All others."""
    percentile: str


Found = Iterator[tuple[str, str]]
"""The run_id of a run, and what is wrong with it, in words."""

_SPOKEN = {
    "latency_ms_p50": "the median",
    "latency_ms_p95": "the 95th percentile",
    "latency_ms_p99": "the 99th percentile",
    "latency_ms_p999": "the 99.9th percentile",
}


def lint(runs: pd.DataFrame, *, percentile: str = PERCENTILE) -> pd.DataFrame:
    """Return what there is to say about runs: a row a run and rule, with `COLUMNS`.

    `percentile` is the one that is looked at, a key of `experiments.summarise.PERCENTILES`.
    """
    is_counted = is_sound(runs)
    evidence = Evidence(runs[is_counted], runs[~is_counted], percentile)
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


def by_rule(said: pd.DataFrame) -> list[Summed]:
    """Sum up what `lint` returned, rule by rule: errors first, then warnings, then notes."""
    summed = [
        Summed(str(name), RULES[str(name)], len(rows), _summed(rows["words"]))
        for name, rows in said.groupby("rule", sort=False)
    ]
    return sorted(summed, key=lambda each: get_args(Severity).index(each.rule.severity))


def _summed(words: "pd.Series[str]") -> str:
    if len(words) == 1:
        return words.iloc[0]
    instance = ", for instance" if words.nunique() > 1 else ""
    return f"{len(words):,} runs{instance}: {words.iloc[0]}"


# --- Runs that do not count ---------------------------------------------------------------------


def _not_sound(evidence: Evidence) -> Found:
    lost = evidence.lost[~_is_invalid(evidence.lost)]
    for run_id, outcome, safety in _each(lost, "outcome", "safety"):
        yield run_id, f"failed: {outcome}" if outcome != "ok" else f"unsafe: {safety}"


def _invalid_emulation(evidence: Evidence) -> Found:
    yield from _each(evidence.lost[_is_invalid(evidence.lost)], "outcome")


def _is_invalid(lost: pd.DataFrame) -> "pd.Series[bool]":
    """Say which runs came to their end with a verdict, and yet do not count: those that lagged."""
    return (lost["outcome"] != "ok") & (lost["safety"] != "")


# --- How it was measured ------------------------------------------------------------------------


def _lag(evidence: Evidence) -> Found:
    runs = evidence.runs
    late = runs[runs["lag_ms"] > LAG_SHARE_MAX * runs["latency_ms_p50"]]
    numbers = _each(late, "lag_ms", "latency_ms_p50")
    for config, (run_id, lag_ms, median_ms) in zip(_configs(late), numbers, strict=True):
        if config.is_limited:
            late_by = f"{lag_ms:.2f} ms late on average"
            yield run_id, f"{late_by}, at a median latency of {median_ms:.2f} ms"


def _no_warmup(evidence: Evidence) -> Found:
    runs = evidence.runs
    least_s = WARMUP_LATENCIES * 1e-3 * runs["latency_ms_mean"]
    cold = runs[(runs["warmup_s"] == 0) | (runs["warmup_s"] < least_s)]
    for run_id, warmup_s, mean_ms in _each(cold, "warmup_s", "latency_ms_mean"):
        mean = f"{mean_ms * 1e-3:.3g} s"
        yield run_id, f"{warmup_s:g} s of warm-up, at a mean latency of {mean}"


def _too_short(evidence: Evidence) -> Found:
    percentile = evidence.percentile
    beyond = 1 - PERCENTILES[percentile] / 100
    columns = ("duration_s", "completed", percentile)
    for run_id, duration_s, completed, percentile_ms in _each(evidence.runs, *columns):
        bins = round(duration_s / BIN_S)
        rounds = duration_s * 1e3 / percentile_ms if percentile_ms else 0.0
        requests = completed * beyond
        said = [
            *([f"{bins} bins of {BIN_S} s"] if bins < BINS_MIN else []),
            *([f"{requests:.1f} requests beyond it"] if requests < BEYOND_MIN else []),
            *([f"{rounds:.1f} times as long as it"] if rounds < WINDOW_LATENCIES else []),
        ]
        if said:
            yield run_id, f"for {_SPOKEN[percentile]}, the window has {', '.join(said)}"


def _few_repeats(evidence: Evidence) -> Found:
    repeats = evidence.runs.groupby([*POINT])["run_id"].transform("size")
    runs = evidence.runs.assign(repeats=repeats)
    few = runs[(runs["repeats"] < REPEATS_MIN) & ~_is_certain(runs)]
    for run_id, sound in _each(few, "repeats"):
        yield run_id, f"{sound} sound of the {REPEATS_MIN} that an interval needs"


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


def _mixed_placement(evidence: Evidence) -> Found:
    placed = evidence.runs[evidence.runs["nodes"] > 0]
    alike = placed.groupby(["suite", "replicas", "placement", "hosts_on"])
    most = alike["nodes"].transform("max")
    fewer = placed.assign(most=most)[placed["nodes"] < most]
    for run_id, nodes, most_nodes in _each(fewer, "nodes", "most"):
        yield run_id, f"hosts lived on nodes = {nodes}, those of others on {most_nodes}"


# --- The load -----------------------------------------------------------------------------------


def _offered_rate_missed(evidence: Evidence) -> Found:
    behind = evidence.runs[~kept_up(evidence.runs)]
    columns = ("throughput_rps", "arrival_rate_rps")
    for run_id, throughput_rps, offered_rps in _each(behind, *columns):
        share = throughput_rps / offered_rps
        yield run_id, f"{share:.1%} of the {offered_rps:,.0f} requests/s offered were answered"


def kept_up(table: pd.DataFrame) -> "pd.Series[bool]":
    """Say which runs or points answered what they were offered; closed-loop ones always do."""
    offered = table["arrival_rate_rps"] * table["duration_s"]
    answered = table["throughput_rps"] * table["duration_s"]
    # As many arrive as a Poisson process has them: their number has a variance equal to its mean.
    by_chance = CHANCE * offered**0.5
    return (offered == 0) | (answered >= KEPT_UP_SHARE * offered - by_chance)


def _growing_queue(evidence: Evidence) -> Found:
    runs = evidence.runs
    columns = ("in_flight_first_third", "in_flight_last_third")
    first, last = (runs[column] for column in columns)
    by_chance = CHANCE * (runs["arrival_rate_rps"] * runs["duration_s"]) ** 0.5
    grows = (last - first > by_chance) & (last - first > GROWTH_SHARE_MIN * first)
    for run_id, before, after in _each(runs[grows & (runs["arrival_rate_rps"] > 0)], *columns):
        yield run_id, f"requests in the system grew from {before:,.0f} to {after:,.0f}"


def _client_bound(evidence: Evidence) -> Found:
    closed = evidence.runs[evidence.runs["arrival_rate_rps"] == 0]
    curve = [key for key in POINT if key != "clients"]
    most = closed.groupby(curve)["clients"].transform("max")
    is_bound = closed["throughput_rps"] >= BOUND_SHARE * closed["limit_rps"]  # Never by nan.
    is_ordered = (closed["backend"] != "null_actor") & ~closed["protocol"].isin(_UNORDERED)
    peaks = closed[(closed["clients"] == most) & ~is_bound & is_ordered]
    for config, (run_id,) in zip(_configs(peaks), _each(peaks), strict=True):
        room = requests_in_open_batches(config)
        if config.clients <= room:
            load = f"{config.clients:,} requests are there at most"
            yield run_id, f"{load}, and the open batches have room for {room:,}"


_UNORDERED = [name for name, protocol in PROTOCOLS.items() if not protocol.is_replicated]
"""Whose requests wait for no batch."""


def requests_in_open_batches(config: RunConfig) -> int:
    """Return how many requests fit, about, into the batches that a run may have open at once."""
    protocol = PROTOCOLS.get(config.protocol)
    if protocol is not None and protocol.coordinator:  # Each host fills batches of its own.
        bytes_max = config.dissemination_batch_bytes_max
        batches = config.dissemination_window * config.replicas
    else:
        bytes_max, batches = config.batch_bytes_max, config.window
    rows = (bytes_max - HEADER_BYTES) // (ROW_BYTES + config.request_bytes)
    has_batches = protocol is None or protocol.has_batches
    return int(batches * (max(1, rows) if has_batches else 1))


# --- What went wrong on the way -----------------------------------------------------------------


def _lost_messages(evidence: Evidence) -> Found:
    runs = evidence.runs
    lossy = runs[(runs["faults"] == "") & ((runs["retried"] > 0) | (runs["dropped"] > 0))]
    for run_id, retried, dropped in _each(lossy, "retried", "dropped"):
        said = [
            *([f"{retried:,.0f} requests were sent again"] if retried else []),
            *([f"{dropped:,.0f} messages or frames were dropped"] if dropped else []),
        ]
        yield run_id, " and ".join(said)


def _saturated_fleet(evidence: Evidence) -> Found:
    column = "cpu_cores_busiest_fleet"
    for run_id, cores in _each(evidence.runs[evidence.runs[column] > FLEET_CORES_MAX], column):
        yield run_id, f"a fleet kept {cores:.2f} of a core busy"


# --- Reading the table --------------------------------------------------------------------------


def _each(runs: pd.DataFrame, *columns: str) -> Iterator[Any]:
    """Yield a tuple a run: its run_id, and what stands in these columns."""
    # Column by column: whole rows, of a hundred columns, take longer than all rules together.
    yield from zip(*(runs[column].tolist() for column in ("run_id", *columns)), strict=True)


def _configs(runs: pd.DataFrame) -> Iterator[RunConfig]:
    """Yield the configuration of each run."""
    settings = RunConfig.__struct_fields__
    for values in zip(*(runs[key].tolist() for key in settings), strict=True):
        yield RunConfig(**dict(zip(settings, values, strict=True)))


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
    "mixed-placement": _mixed_placement,
}
