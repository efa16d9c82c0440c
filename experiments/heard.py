"""What was heard lately of the actors of a run: of its clients together, and of each host."""

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import NamedTuple

from actors.core.ids import Address, ReplicaId
from actors.news import Report

FRESH_S = 1.0
"""Time for which what was heard of an actor stands for it: not all report each time."""


class HostNow(NamedTuple):
    """What a host did lately: its replica and, if it has one, its coordinator."""

    host: ReplicaId
    cpu_cores: float
    """CPU seconds per second: of the model where CPU is modelled."""
    network_bytes_s_out: float
    network_bytes_s_in: float
    gauges: Mapping[str, float]
    """How things stand there."""


class Heard:
    """The latest report of each actor of a run that was heard of a moment ago."""

    def __init__(self, *, models_cpu: bool) -> None:
        # Where CPU is modelled, the machine's own says nothing about the hosts.
        self._cpu_s = "modelled_cpu_s" if models_cpu else "cpu_s"
        self._reports: dict[Address, Report] = {}

    def hear(self, reports: Mapping[Address, Report]) -> None:
        """Take in reports; who was not heard of for a while may be gone, and is left out."""
        heard = {**self._reports, **reports}
        latest_s = max((report.until_s for report in heard.values()), default=0.0)
        self._reports = {
            address: report
            for address, report in heard.items()
            if latest_s - report.until_s <= FRESH_S
        }

    def fleets(self) -> list[Report]:
        """Return what is known of the clients."""
        return [report for address, report in self._reports.items() if address.role == "fleet"]

    def throughput_rps(self) -> float:
        """Return how many requests were answered per second."""
        return sum(fleet.rate("completed") for fleet in self.fleets())

    def hosts(self) -> Iterator[HostNow]:
        """Yield what is known of each host, in order."""
        actors = sorted((each for each in self._reports if each.role != "fleet"), key=_number)
        for host, addresses in groupby(actors, _number):
            yield self._host(host, [self._reports[address] for address in addresses])

    def _host(self, host: ReplicaId, nodes: list[Report]) -> HostNow:
        return HostNow(
            host=host,
            cpu_cores=sum(node.rate(self._cpu_s) for node in nodes),
            network_bytes_s_out=sum(node.rate("network_bytes_out") for node in nodes),
            network_bytes_s_in=sum(node.rate("network_bytes_in") for node in nodes),
            gauges={name: value for node in nodes for name, value in node.gauges.items()},
        )


def _number(address: Address) -> ReplicaId:
    return address.number
