"""The scorecard: what the S-Paxos paper and its critics claim, held against what was measured.

Where the claims come from: docs/protocols.md, "What is claimed". Per-figure numbers of the paper
are not available to us; the workload of 20-byte requests is our choice. A claim is judged only
where its suite has been run.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import pandas as pd

from experiments import messages

CLAIMED_TO_GROW_UP_TO = 11
"""Replicas."""

Verdict = Literal["reproduced", "trend", "not reproduced", "not measured"]

Points = Mapping[str, pd.DataFrame]
"""`experiments.summarise.summary` of each suite that was run, by its name."""


class Finding(NamedTuple):
    """What we found, and what that makes of a claim."""

    ours: str
    verdict: Verdict
    reason: str


class Claim(NamedTuple):
    """A claim, who makes it, and how it is judged."""

    claim_id: str
    claim: str
    paper: str
    """The number claimed, or the critics' words."""
    suites: tuple[str, ...]
    judge: Callable[[Points], Finding]
    of: Mapping[str, object] = MappingProxyType({})
    """The settings of the points that it is judged by; all of its suites without any."""
    columns: tuple[str, ...] = ("throughput_rps",)
    """Of the table of runs: the numbers that it is judged by."""

    def chosen(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return the points, or the runs, of its suites that it is judged by."""
        for key, value in self.of.items():
            table = table[table[key] == value]
        return table


class Score(NamedTuple):
    """A row of the scorecard."""

    id: str
    claim: str
    paper: str
    ours: str
    verdict: Verdict
    reason: str


def scorecard(points: Points) -> list[Score]:
    """Judge every claim whose suites are among `points`."""
    return [
        Score(claim.claim_id, claim.claim, claim.paper, *_judged(claim, points))
        for claim in CLAIMS
        if all(suite in points for suite in claim.suites)
    ]


class _NotMeasuredError(Exception):
    """What a claim is judged by has not been measured; the message says what."""


def _judged(claim: Claim, points: Points) -> Finding:
    try:
        return claim.judge({suite: claim.chosen(table) for suite, table in points.items()})
    except _NotMeasuredError as error:
        return Finding("nothing", "not measured", str(error))


# --- Reading points -----------------------------------------------------------------------------


def _of(points: Points, suite: str, protocol: str, **settings: object) -> pd.DataFrame:
    """Return points that have been measured; raises _NotMeasuredError where there are none."""
    rows = points[suite][points[suite]["protocol"] == protocol]
    for key, value in settings.items():
        rows = rows[rows[key] == value]
    sound = rows[rows["throughput_rps"].notna()]
    if sound.empty:
        which = "".join(f", {key} = {value}" for key, value in settings.items())
        raise _NotMeasuredError(f"no sound run of {protocol}{which} in {suite}")
    return sound


def _peak(points: Points, suite: str, protocol: str, **settings: object) -> float:
    return float(_of(points, suite, protocol, **settings)["throughput_rps"].max())


def _by(points: Points, suite: str, protocol: str, key: str) -> dict[Any, float]:
    """Return the best throughput for each value of a setting, in order of it."""
    best = _of(points, suite, protocol).groupby(key)["throughput_rps"].max().sort_index()
    return dict(zip(best.index.tolist(), best.tolist(), strict=True))


def _kreq(rate: float) -> str:
    return f"{rate / 1e3:,.1f} kreq/s"


def _graded(*, reproduced: bool, trend: bool) -> Verdict:
    return "reproduced" if reproduced else "trend" if trend else "not reproduced"


# --- The paper's claims -------------------------------------------------------------------------


def _jpaxos_peak(points: Points) -> Finding:
    peak = _peak(points, "srds12_clients", "jpaxos")
    off = abs(peak - 70e3) / 70e3
    verdict = _graded(reproduced=off <= 0.02, trend=off <= 0.1)
    return Finding(
        _kreq(peak), verdict, "fitted: the one number that was, so no evidence by itself"
    )


def _jpaxos_saturates(points: Points) -> Finding:
    by_clients = _by(points, "srds12_clients", "jpaxos", "clients")
    peak, most = max(by_clients.values()), max(by_clients)
    clients = min(each for each, rate in by_clients.items() if rate >= 0.95 * peak)
    last = by_clients[most] / peak
    verdict = _graded(
        reproduced=500 <= clients <= 2000 and last > 0.9, trend=100 <= clients <= 4000
    )
    reason = f"95% of the peak is reached there; with {most:,} it is {last:.0%}"
    return Finding(f"{clients:,} clients", verdict, reason)


def _followers_idle(points: Points) -> Finding:
    rows = _of(points, "srds12_clients", "jpaxos")
    busiest = rows[rows["throughput_rps"] == rows["throughput_rps"].max()]
    share = float((busiest["cpu_cores_other_hosts"] / busiest["cpu_cores_leader_host"]).iloc[0])
    verdict = _graded(reproduced=share <= 0.25, trend=share <= 0.5)
    return Finding(f"{share:.0%} of the leader's CPU", verdict, "a follower executes, and votes")


def _jpaxos_and_replicas(points: Points) -> Finding:
    by_n = _by(points, "srds12_replicas", "jpaxos", "replicas")
    ratio = by_n[max(by_n)] / by_n[min(by_n)]
    verdict = _graded(reproduced=0.8 <= ratio < 0.995, trend=0.7 <= ratio <= 1.01)
    ours = f"{ratio:.1%} of n = {min(by_n)} at n = {max(by_n)}"
    return Finding(ours, verdict, "one value goes to more followers, but a large batch shares that")


def _spaxos_peak(points: Points) -> Finding:
    peak = _peak(points, "srds12_replicas", "spaxos")
    verdict = _graded(reproduced=peak >= 450e3, trend=peak >= 200e3)
    reason = "a prediction: it depends on how much of a request's CPU is its execution"
    if "srds12_split" in points:
        by_case = _by(points, "srds12_split", "spaxos", "case")
        low, high = min(by_case.values()), max(by_case.values())
        reason += f" ({_kreq(low)} to {_kreq(high)} for a share of 40% to 0%)"
    return Finding(_kreq(peak), verdict, reason)


def _spaxos_ratio(points: Points) -> Finding:
    jpaxos, spaxos = (
        _by(points, "srds12_replicas", protocol, "replicas") for protocol in ("jpaxos", "spaxos")
    )
    ratios = {
        n: spaxos[n] / jpaxos[n] for n in spaxos if n in jpaxos and n <= CLAIMED_TO_GROW_UP_TO
    }
    n = max(ratios, key=ratios.__getitem__)
    verdict = _graded(reproduced=ratios[n] >= 4.75, trend=ratios[n] >= 2)
    reason = f"at n = {n}; a prediction"
    if "srds12_split" in points:
        low, high = _ratio_over_split(points)
        reason += f" ({low:.1f} to {high:.1f} for a share of execution of 40% to 0%)"
    return Finding(f"{ratios[n]:.1f} times", verdict, reason)


def _ratio_over_split(points: Points) -> tuple[float, float]:
    """Return the least and the greatest ratio over the cases, with the most replicas there are."""
    n = int(points["srds12_split"]["replicas"].max())
    rates = [
        _of(points, "srds12_split", protocol, replicas=n).set_index("case")["throughput_rps"]
        for protocol in ("spaxos", "jpaxos")
    ]
    ratios = (rates[0] / rates[1]).dropna()
    return float(ratios.min()), float(ratios.max())


def _spaxos_grows(points: Points) -> Finding:
    by_n = _by(points, "srds12_replicas", "spaxos", "replicas")
    rates = [rate for n, rate in by_n.items() if n <= CLAIMED_TO_GROW_UP_TO]
    growth = rates[-1] / rates[0]
    verdict = _graded(reproduced=rates == sorted(rates) and growth >= 1.5, trend=growth >= 1.1)
    ours = ", ".join(f"{rate / 1e3:,.0f}" for rate in by_n.values())
    sizes = ", ".join(map(str, by_n))
    reason = "clients are shared, executing and acknowledging are not: growth slows down, and ends"
    return Finding(f"{ours} kreq/s with n = {sizes}", verdict, reason)


def _latency(points: Points) -> Finding:
    jpaxos, spaxos = (_without_load(points, protocol) for protocol in ("jpaxos", "spaxos"))
    more = {n: spaxos[n] / jpaxos[n] - 1 for n in spaxos if n in jpaxos}
    verdict = _graded(
        reproduced=all(0.2 <= each <= 0.45 for each in more.values()),
        trend=all(0 < each <= 0.8 for each in more.values()),
    )
    ours = ", ".join(f"{each:+.0%}" for each in more.values())
    sizes = ", ".join(map(str, more))
    reason = (
        "a client at each host, on average: a batch must be stable first, which takes the least "
        "where the leader is one of its first holders"
    )
    return Finding(f"{ours} with n = {sizes}", verdict, reason)


def _without_load(points: Points, protocol: str) -> dict[int, float]:
    """Return the mean latency for each n, with the better of both settings of `accept_to`."""
    best = _of(points, "srds12_unloaded", protocol).groupby("replicas")["latency_ms_mean"].min()
    return dict(zip(best.index.tolist(), best.tolist(), strict=True))


# --- The critics' claims ------------------------------------------------------------------------


def _different_workloads(points: Points) -> Finding:
    clients = 1000
    rates = {p: _peak(points, "srds12_clients", p, clients=clients) for p in ("jpaxos", "spaxos")}
    ratio = rates["spaxos"] / rates["jpaxos"]
    verdict = _graded(reproduced=ratio >= 1.5, trend=ratio >= 1.1)
    ours = f"{_kreq(rates['jpaxos'])} and {_kreq(rates['spaxos'])}, asked by {clients:,} each"
    return Finding(ours, verdict, "closed-loop clients ask again as soon as they are answered")


def _network(points: Points) -> Finding:  # noqa: ARG001 - counted, not measured.
    counts = {p: messages.count(p, "all", 3).network_messages for p in ("multipaxos", "spaxos")}
    ratio = counts["spaxos"] / counts["multipaxos"]
    verdict = _graded(reproduced=ratio >= 1.5, trend=ratio > 1)
    ours = f"{counts['spaxos']} messages a request, Multi-Paxos {counts['multipaxos']} (n = 3)"
    return Finding(ours, verdict, "unbatched; in full batches bytes per request are nearly equal")


def _formulas(points: Points) -> Finding:  # noqa: ARG001 - counted, not measured.
    sizes = ", ".join(map(str, messages.REPLICAS))
    rows = [messages.count(*case, n) for case in messages.FORMULAS for n in messages.REPLICAS]
    exact = sum(row.messages == row.formula for row in rows)
    verdict = _graded(reproduced=exact == len(rows), trend=False)
    reason = f"n = {sizes}, both settings of accept_to"
    return Finding(f"{exact} of {len(rows)} counts", verdict, reason)


def _littles_law(points: Points) -> Finding:
    table = points["srds12_clients"].dropna(subset="throughput_rps")
    if table.empty:
        raise _NotMeasuredError("no sound run in srds12_clients")
    in_system = table["throughput_rps"] * table["latency_ms_mean"] * 1e-3
    worst = float((in_system / table["clients"] - 1).abs().max())
    verdict = _graded(reproduced=worst <= 0.02, trend=worst <= 0.05)
    reason = f"throughput times response time, at {len(table)} points of both systems"
    return Finding(f"within {worst:.1%}", verdict, reason)


# --- Where the network is the bottleneck --------------------------------------------------------


def _network_bound(points: Points) -> Finding:
    ratios, lacking = {}, []
    for backend in ("live", "sim"):
        try:
            ratios[backend] = _network_ratio(points, backend, 3)
        except _NotMeasuredError as error:
            lacking.append(str(error))
    if not ratios:
        raise _NotMeasuredError("; ".join(lacking))
    backend, ratio = next(iter(ratios.items()))
    verdict = _graded(reproduced=ratio >= 2, trend=ratio >= 1.3)
    where = {"live": "on Ray", "sim": "in virtual time"}
    reason = ", ".join(f"{where[each]} {found:.1f} times" for each, found in ratios.items())
    with suppress(_NotMeasuredError):  # It is not asked for with --quick.
        reason += f"; with n = 5 {_network_ratio(points, backend, 5):.1f} times"
    return Finding(f"{ratio:.1f} times at n = 3, 100 Mbit/s", verdict, reason)


def _network_ratio(points: Points, backend: str, replicas: int) -> float:
    spaxos, jpaxos = (
        _peak(points, "ethernet_100mbit", protocol, backend=backend, replicas=replicas)
        for protocol in ("spaxos", "jpaxos")
    )
    return spaxos / jpaxos


# --- Whether the model is right -----------------------------------------------------------------


def _simulated_reaches_limit(points: Points) -> Finding:
    return _reaches_limit(points, "sim")


def _live_reaches_limit(points: Points) -> Finding:
    found = _reaches_limit(points, "live")
    try:
        apart = _apart(points)
    except _NotMeasuredError as error:
        return found._replace(reason=f"{found.reason}; {error}")
    verdict = found.verdict if apart <= 0.15 else "not reproduced"
    return Finding(found.ours, verdict, f"{found.reason}; at most {apart:.0%} from virtual time")


def _reaches_limit(points: Points, backend: str) -> Finding:
    """Judge by the worst point of both systems."""
    rows = _of_both(points, backend)
    shares = {
        f"{row['protocol']} with n = {row['replicas']}": row["throughput_rps"] / row["limit_rps"]
        for row in rows.to_dict("records")
    }
    least, most = min(shares.values()), max(shares.values())
    verdict = _graded(reproduced=least >= 0.9 and most <= 1.02, trend=least >= 0.8)
    worst = min(shares, key=shares.__getitem__)
    return Finding(f"{least:.0%} to {most:.0%}", verdict, f"least of {worst}; 100 Mbit/s")


def _apart(points: Points) -> float:
    """Return by how much the two backends differ at most, as a share of virtual time's rate."""
    keys = ["protocol", "replicas"]
    live, simulated = (
        _of_both(points, backend).set_index(keys)["throughput_rps"] for backend in ("live", "sim")
    )
    return float((live / simulated - 1).abs().max())


def _of_both(points: Points, backend: str) -> pd.DataFrame:
    """Return the points of both systems at 100 Mbit/s; raises _NotMeasuredError."""
    return pd.concat(
        _of(points, "ethernet_100mbit", protocol, backend=backend)
        for protocol in ("jpaxos", "spaxos")
    )


_JPAXOS, _SPAXOS = {"protocol": "jpaxos"}, {"protocol": "spaxos"}

CLAIMS = (
    Claim(
        "jpaxos-peak",
        "JPaxos is limited by its leader's CPU",
        "70 kreq/s",
        ("srds12_clients",),
        _jpaxos_peak,
        _JPAXOS,
    ),
    Claim(
        "jpaxos-saturates",
        "JPaxos peaks at about 1,000 clients; more do not help",
        "1,000 clients",
        ("srds12_clients",),
        _jpaxos_saturates,
        _JPAXOS,
    ),
    Claim(
        "jpaxos-followers",
        "The other replicas of JPaxos are only lightly loaded",
        "lightly",
        ("srds12_clients",),
        _followers_idle,
        _JPAXOS,
        ("throughput_rps", "cpu_cores_leader_host", "cpu_cores_other_hosts"),
    ),
    Claim(
        "jpaxos-replicas",
        "More replicas lower the throughput of JPaxos slightly",
        "slightly lower",
        ("srds12_replicas",),
        _jpaxos_and_replicas,
        _JPAXOS,
    ),
    Claim(
        "spaxos-peak",
        "S-Paxos reaches up to 500 kreq/s",
        "500 kreq/s",
        ("srds12_replicas",),
        _spaxos_peak,
        _SPAXOS,
    ),
    Claim(
        "spaxos-ratio",
        "S-Paxos is up to 5 times as fast",
        "5 times",
        ("srds12_replicas",),
        _spaxos_ratio,
    ),
    Claim(
        "spaxos-grows",
        "The throughput of S-Paxos grows with the number of replicas",
        "up to n = 7 to 11",
        ("srds12_replicas",),
        _spaxos_grows,
        _SPAXOS,
    ),
    Claim(
        "latency",
        "Latency grows by only about one third",
        "+33%",
        ("srds12_unloaded",),
        _latency,
        columns=("latency_ms_mean",),
    ),
    Claim(
        "leader-network",
        "The leader's network can be the bottleneck, too, and S-Paxos offloads it",
        "limited by CPU or network",
        ("ethernet_100mbit",),
        _network_bound,
    ),
    Claim(
        "model-sim",
        "Model: in virtual time systems come within 10% of the computed limit",
        "90% to 100%",
        ("ethernet_100mbit",),
        _simulated_reaches_limit,
        {"backend": "sim"},
    ),
    Claim(
        "model-live",
        "Model: on Ray, too, and within 15% of virtual time",
        "90% to 100%",
        ("ethernet_100mbit",),
        _live_reaches_limit,
    ),
    Claim(
        "different-workloads",
        "Critics: equal numbers of clients are different workloads",
        "different rates",
        ("srds12_clients",),
        _different_workloads,
        {"clients": 1000},
    ),
    Claim(
        "littles-law",
        "Closed-loop clients: as many as throughput times response time (Little)",
        "exactly",
        ("srds12_clients",),
        _littles_law,
        columns=("throughput_rps", "latency_ms_mean"),
    ),
    Claim(
        "network-load",
        "Critics: S-Paxos puts more load on the network",
        "substantially more",
        (),
        _network,
    ),
    Claim(
        "formulas", "Critics: messages per request follow four formulas", "exactly", (), _formulas
    ),
)
