"""The evaluation: which suites it runs, which figures it shows, and what to see in each.

It repeats what the S-Paxos paper (SRDS 2012) evaluates and adds what its critics asked for. Every
figure is drawn from the results of suites; several may share one.
"""

from typing import NamedTuple

SCORECARD = "scorecard.json"
COMMANDS = "commands.txt"
KIND = "kind.json"
MESSAGES = "messages"
"""What a reproduction holds beside the folders of its suites: see `dashboards.reproduction`."""


class Part(NamedTuple):
    """A suite of the evaluation, and what is put over it where there is little time."""

    suite: str
    quick: tuple[str, ...]
    """As `--set` takes them."""


PARTS = {
    part.suite: part
    for part in (
        Part("srds12_clients", ("clients=[1, 100, 1000, 4000]", "duration_s=0.5")),
        Part("srds12_replicas", ("replicas=[3, 7, 11]", "duration_s=0.8")),
        Part(
            "srds12_split", ("replicas=[3, 11]", 'case=["0 %", "10 %", "40 %"]', "duration_s=0.5")
        ),
        Part("srds12_unloaded", ("case=n = 3", "accept_to=all")),
        Part(
            "srds12_open_loop",
            (
                *("repeats=1", "warmup_s=0.2", "duration_s=0.2"),
                "arrival_rate_rps=[20000, 60000, 75000, 140000]",
            ),
        ),
        Part("srds12_request_size", ("request_bytes=[20, 1024, 8192]", "duration_s=0.5")),
        Part(
            "srds12_batch_window_jpaxos",
            ("batch_bytes_max=[512, 65507]", "window=[1, 8]", "duration_s=0.4"),
        ),
        Part(
            "srds12_batch_window_spaxos",
            (
                "dissemination_batch_bytes_max=[512, 65507]",
                "dissemination_window=[1, 8]",
                "duration_s=0.4",
            ),
        ),
        Part("srds12_ablation", ("duration_s=0.3",)),
        Part("ethernet_100mbit", ("repeats=1", "duration_s=2", "case=n = 3")),
        Part(
            "leader_crash", ("repeats=1", "warmup_s=1", "duration_s=5", "faults=2 kill host leader")
        ),
        Part(
            "follower_crash",
            ("repeats=1", "warmup_s=1", "duration_s=4", "faults=1 kill host follower"),
        ),
        Part("false_suspicion", ("repeats=1", "warmup_s=1", "duration_s=6", "protocol=spaxos")),
    )
}


class Figure(NamedTuple):
    """A figure of the evaluation."""

    figure_id: str
    title: str
    suites: tuple[str, ...]
    """What must have been run; none where it is counted or drawn anew each time."""
    see: str
    """What to see, in a sentence or two."""


FIGURES = {
    figure.figure_id: figure
    for figure in (
        Figure(
            "throughput-clients",
            "Throughput against clients",
            ("srds12_clients",),
            "The paper's main picture. JPaxos goes flat at what its leader's CPU can do; S-Paxos "
            "goes on, since every host takes its share of the clients. Equal numbers of clients "
            "are not equal loads: who answers faster is asked more.",
        ),
        Figure(
            "response-clients",
            "Response time against clients",
            ("srds12_clients",),
            "What the first figure leaves out. Beyond saturation more clients only wait longer: "
            "twice the clients, twice the response time, the same throughput.",
        ),
        Figure(
            "latency-throughput",
            "Latency against throughput",
            ("srds12_clients",),
            "Both axes are results, so this is the fair form of the two above. The knee, marked on "
            "each line, is the last point before latency grows faster than throughput.",
        ),
        Figure(
            "throughput-replicas",
            "Throughput against the number of replicas",
            ("srds12_replicas",),
            "More replicas make JPaxos no faster: one leader serves all clients. In S-Paxos each "
            "takes a share, until executing every request takes a host all its time.",
        ),
        Figure(
            "host-load",
            "CPU and network per host",
            ("srds12_clients",),
            "Who does the work: in JPaxos the leader, while the others are nearly idle; in S-Paxos "
            "all alike.",
        ),
        Figure(
            "balance",
            "Balance over hosts",
            ("srds12_clients",),
            "CPU and network of each host as a share of the busiest one's, at the most clients.",
        ),
        Figure(
            "calibration",
            "What is fitted, and what depends on it",
            ("srds12_split",),
            "One number is fitted: the CPU of a request at the leader, so that JPaxos reaches "
            "70,000 requests/s. How it splits into serving clients and executing is not known; "
            "JPaxos does not depend on that, S-Paxos does: the band is its prediction.",
        ),
        Figure(
            "unloaded-latency",
            "Latency without load",
            ("srds12_unloaded",),
            "The price of dissemination where nothing waits: a payload must be stable before its "
            "id is ordered. A client at each host, on average; with n = 3 those at the leader's "
            "host wait longest, since there its copy and the origin's are the same.",
        ),
        Figure(
            "same-load",
            "Latency at the same offered load",
            ("srds12_open_loop",),
            "Requests arrive as a Poisson process, whatever the system does, and latency counts "
            "from arrival. Both systems get the same workload here, which closed-loop clients "
            "never give them.",
        ),
        Figure(
            "equal-latency",
            "Throughput at an equal bound on latency",
            ("srds12_open_loop",),
            "How much may be offered before more than 1% of the requests take longer than a bound.",
        ),
        Figure(
            "request-size",
            "Request size",
            ("srds12_request_size",),
            "With larger requests bytes take over from CPU: the leader of JPaxos sends each to "
            "every follower, the hosts of S-Paxos share that work.",
        ),
        Figure(
            "batch-window",
            "Batch size and window",
            ("srds12_batch_window_jpaxos", "srds12_batch_window_spaxos"),
            "Small batches pay for messages instead of requests; a window hides latency. With "
            "batches large enough neither matters any more.",
        ),
        Figure(
            "ablation",
            "What batching, pipelining and piggybacking bring",
            ("srds12_ablation",),
            "Each mechanism switched on alone, then together. Batching brings nearly all of it: "
            "with full batches a window brings nothing more, and neither does letting acks wait "
            "for a ride, since nearly all find one at once.",
        ),
        Figure(
            "leader-crash",
            "Leader crash",
            ("leader_crash",),
            "The leader's host is killed on Ray, on this machine without modelled limits. Both "
            "systems wait for the failure detector; then a new leader goes on.",
        ),
        Figure(
            "follower-crash",
            "Follower crash",
            ("follower_crash",),
            "The host of a follower is killed on Ray. No client of JPaxos asks it anything; in "
            "S-Paxos its clients ask again at another host. That throughput then grows is due to "
            "this one machine: the other hosts have the cores of the one that is gone.",
        ),
        Figure(
            "false-suspicion",
            "False suspicion",
            ("false_suspicion",),
            "Every few seconds another replica makes itself leader though nobody has failed, on "
            "Ray.",
        ),
        Figure(
            "messages",
            "Messages per request",
            (),
            "Counted by running the protocols, unbatched, one request at a time, beside the "
            "formulas; and one request of each protocol, message by message.",
        ),
        Figure(
            "model-check",
            "Limit, virtual time and Ray",
            ("ethernet_100mbit",),
            "With 100 Mbit/s a host, what must come out can be computed. The simulated and the "
            "live backend are held against that.",
        ),
    )
}


def suites_of(figure_ids: list[str]) -> list[Part]:
    """Return the parts that figures need, each once, in the order of `PARTS`."""
    needed = {suite for each in figure_ids for suite in FIGURES[each].suites}
    return [part for name, part in PARTS.items() if name in needed]
