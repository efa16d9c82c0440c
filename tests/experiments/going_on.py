"""A sweep that goes on, as `experiments.progress` tells of it."""

from experiments.progress import CurrentRun, HostUsage, Moment


def moment(
    time_s: float, *, throughput_rps: float = 1000.0, hosts: tuple[int, ...] = (0, 1, 2)
) -> Moment:
    """Return what was measured at a time; each host used a tenth of a core more than the last."""
    return Moment(
        time_s=time_s,
        throughput_rps=throughput_rps,
        latency_ms_p50=1.5,
        latency_ms_p99=None,
        hosts=tuple(HostUsage(host, 0.1 * host, 20.0, 10.0) for host in hosts),
    )


RUN = CurrentRun(
    run_id="0123456789ab",
    name="protocol=spaxos clients=1,000",
    protocol="spaxos",
    replicas=3,
    is_live=True,
    warmup_s=1.0,
    duration_s=5.0,
    load_s=6.5,
)
"""It has just begun."""
