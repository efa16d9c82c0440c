"""A system wired by hand whose nodes crash, and live again from what they had stored."""

from actors.core.config import Config
from actors.core.effects import Node, Store
from actors.core.executor import Executor
from actors.core.ids import Address, ReplicaId
from actors.core.journal import AnyRecord, decode
from actors.core.messages import Message, Requests
from actors.core.registry import PROTOCOLS, ReplicaNode
from tests.actors.core.wired import FLEET, Echo, Wired, coordinator, replica, replied, requests

CLIENTS = 40


class Lives(Wired):
    """All nodes of one protocol. What one stores is synced at once, unless it is lazy."""

    def __init__(self, protocol: str, **settings: object) -> None:
        defaults = {"protocol": protocol, "clients": CLIENTS}
        self.config = Config(**{**defaults, **settings})  # type: ignore[arg-type]
        self.protocol = PROTOCOLS[protocol]
        self.services: dict[ReplicaId, Echo] = {}
        self.replicas: dict[ReplicaId, ReplicaNode] = {}
        addresses = [replica(host) for host in range(self.config.replicas)]
        if self.protocol.coordinator:
            addresses += [coordinator(host) for host in range(self.config.replicas)]
        super().__init__({address: self._build(address, []) for address in addresses})

    def _build(self, address: Address, records: list[bytes]) -> Node:
        if address.role == "coordinator":
            assert self.protocol.coordinator
            return self.protocol.coordinator(address.number, self.config, records)
        service = self.services[address.number] = Echo()
        node = self.protocol.replica(address.number, self.config, service, records)
        self.replicas[address.number] = node
        return node

    # --- Crashes ---

    def survivors(self, address: Address) -> list[bytes]:
        """Return what a crash of a node leaves for sure: all but the lazy records at the end."""
        stored = self.stored[address]
        synced = max((i for i, store in enumerate(stored, 1) if not store.lazy), default=0)
        return [store.record for store in stored[:synced]]

    def written(self, address: Address) -> list[AnyRecord]:
        """Return all that a node has stored."""
        return decode(store.record for store in self.stored[address])

    def crash(self, address: Address) -> None:
        """Take a node out; what it has sent is still under way."""
        records = self.survivors(address)
        super().crash(address)
        self.stored[address] = [Store(record) for record in records]

    def revive(self, address: Address) -> None:
        """Let a node that has crashed live again."""
        self.nodes[address] = self._build(address, self.survivors(address))
        self.nodes[address].start(self.now)
        self.drain(address)

    def restart(self, *addresses: Address) -> None:
        """Let nodes crash, all of them, and live again."""
        for address in addresses:
            self.crash(address)
        for address in addresses:
            self.revive(address)

    # --- Time and load ---

    def pass_time(self, seconds: float) -> list[Message]:
        """Let timers expire in order, and all that is sent arrive; return what clients get."""
        sent = self.settle_for_clients()
        end = self.now + seconds
        while self.timers:
            (address, name), at = min(self.timers.items(), key=lambda timer: timer[1])
            if at > end:
                break
            self.expire(address, name)
            sent += self.settle_for_clients()
        self.now = end
        return sent

    def ask(self, host: ReplicaId, *asked: tuple[int, int]) -> None:
        """Have clients ask a host: rows of (client, sequence)."""
        self.give(FLEET, Address(self.protocol.clients_talk_to, host), Requests(requests(*asked)))

    def serve(self, host: ReplicaId, *asked: tuple[int, int]) -> list[tuple[int, int]]:
        """Have requests arrive one by one, with all that follows; return what was answered."""
        answered = []
        for each in asked:
            self.ask(host, each)
            answered += replied(self.settle_for_clients())
        return answered

    def executor(self, host: ReplicaId) -> Executor:
        """Return the executor of a host."""
        return self.replicas[host].executor

    def executed(self, host: ReplicaId) -> list[bytes]:
        """Return the commands that the service of a host has executed, in order."""
        return self.services[host].executed


def command(client: int, sequence: int) -> bytes:
    """Return the command that `wired.requests` makes."""
    return b"%4d:%4d" % (client, sequence)


def commands(*asked: tuple[int, int]) -> list[bytes]:
    """Return the commands of several requests."""
    return [command(client, sequence) for client, sequence in asked]
