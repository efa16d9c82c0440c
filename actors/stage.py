"""The life of the actors of a run: placed, created, connected, started; killed and started again.

A killed actor's process ends by SIGKILL, with all that it had in memory. Who starts again does so
on the same node of Ray, with what its former lives have stored there, at a new endpoint: it dials
whom it must, and those who must dial it are told.
"""

import asyncio
import secrets
import signal
import time
from collections import defaultdict
from collections.abc import Collection, Iterable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError

from actors import nodes
from actors.core.config import LoadConfig
from actors.core.ids import Address, ReplicaId
from actors.core.registry import PROTOCOLS
from actors.crew import Crew
from actors.hosted import Process
from actors.keepers import Keepers
from actors.place import Place, Placement
from actors.transport.base import Endpoint
from actors.wiring import wiring

START_TIMEOUT_S = 60.0
CALL_TIMEOUT_S = 30.0

RECONNECT_TIMEOUT_S = 1.0
"""How long who starts again waits for peers before it takes part: some may be down, or cut off."""

SECRET_BYTES = 32


class Stage:
    """Brings actors to life and ends them. Its coroutines are to be guarded by its `crew`."""

    def __init__(
        self, config: LoadConfig, placement: Placement, run_id: str, keepers: Keepers
    ) -> None:
        self.crew = Crew(self._doubt)
        self._config = config
        self._run_id = run_id
        self._place = Place(config, placement)
        self.secret = secrets.token_bytes(SECRET_BYTES)
        """What everybody who takes part in the run knows, and nobody else."""
        self._newsroom: Endpoint | None = None
        self._keepers = keepers
        self._endpoints: dict[Address, Endpoint] = {}
        self._processes: dict[Address, Process] = {}
        self._killed: dict[Address, Any] = {}
        self._lost: set[str] = set()  # Nodes that were killed.
        protocol = PROTOCOLS[config.protocol]
        hosts, fleets = range(config.replicas), range(config.fleets)
        coordinators = hosts if protocol.coordinator else ()
        self._hosts = [
            *(Address("replica", number) for number in hosts),
            *(Address("coordinator", number) for number in coordinators),
        ]
        self._fleets = [Address("fleet", number) for number in fleets]
        self._wiring = wiring([*self._hosts, *self._fleets], protocol.clients_talk_to)

    # --- The beginning ---

    async def open(self) -> None:
        """Place, create and connect all actors; start the hosts. Raises ClusterError."""
        await self._place.reserve()
        await self._keepers.renew()
        await self.create([*self._hosts, *self._fleets])
        await self._connect("connect", self._wiring, START_TIMEOUT_S)
        await self.crew.ask(self._hosts, "start", CALL_TIMEOUT_S)

    async def create(self, addresses: Collection[Address]) -> None:
        """Create actors that listen, and have what their former lives have stored."""
        for address in addresses:
            await self._end_of_former(address)
        folders = {each: await self._folder(each) for each in addresses}
        for address, folder in folders.items():
            peers = sum(map(len, self._wiring[address]))
            actor = self._place.create(
                address, self._config, self.secret, *folder, peers=peers, run_id=self._run_id
            )
            self.crew.join(address, actor)
        await asyncio.gather(*map(self._listen, addresses))
        self._processes |= await self.crew.ask(addresses, "process", CALL_TIMEOUT_S)
        for address in self._there(addresses):
            self.crew.watch(address)

    async def _listen(self, address: Address) -> None:
        """Have an actor listen; hosts with limits share their budgets in a folder of their node."""
        await self.crew.ask([address], "sign_logs", START_TIMEOUT_S)
        budgets = None
        if self._config.is_limited and address.role != "fleet":
            budgets = await self._folder_on(self._place.node_of(address.number))
        self._endpoints |= await self.crew.ask([address], "listen", START_TIMEOUT_S, None, budgets)

    async def admit(self, addresses: Collection[Address], ago_s: float) -> None:
        """Have actors that were created anew take part in a run that began so long ago."""
        began_at = time.monotonic() - ago_s
        for address in self._there(addresses):
            endpoint = {address: self._endpoints[address]}
            for peer in self._there(self._wiring[address].expects):
                self.crew.tell(peer, "reconnect", endpoint, [], RECONNECT_TIMEOUT_S)
        await self._connect("reconnect", self._there(addresses), RECONNECT_TIMEOUT_S)
        await self._report(addresses)
        await self.crew.ask(addresses, "begin", CALL_TIMEOUT_S, time.monotonic() - began_at)
        await self.crew.ask(addresses, "start", CALL_TIMEOUT_S)

    async def report_to(self, newsroom: Endpoint) -> None:
        """Have all actors report there, and those who will be created."""
        self._newsroom = newsroom
        await self._report(self._there([*self._hosts, *self._fleets]))

    async def _report(self, addresses: Collection[Address]) -> None:
        if self._newsroom is not None:
            await self.crew.ask(addresses, "report", CALL_TIMEOUT_S, self._newsroom)

    async def _end_of_former(self, address: Address) -> None:
        """Wait until Ray, too, knows that the former life of an actor has ended."""
        if address in self._killed:
            assert self._config.crash_model != "crash_stop", f"{address} must not return"
            with suppress(RayError):
                await self._killed.pop(address).watch.remote()

    async def _folder(self, address: Address) -> list[str]:
        """Return where a node stores, if it does."""
        if self._config.crash_model == "crash_stop" or address.role == "fleet":
            return []
        folder = await self._folder_on(self._place.node_of(address.number))
        return [str(Path(folder) / str(address))]

    async def _folder_on(self, node: str) -> str:
        """Return the folder of this run on a node, at its keeper."""
        folder: str = await self._keepers.ask(node, "folder", self._run_id)
        return folder

    async def _connect(self, how: str, addresses: Iterable[Address], timeout_s: float) -> None:
        """Have actors connect to those who are there."""
        calls = []
        for address in addresses:
            dials, expects = map(self._there, self._wiring[address])
            dial = {peer: self._endpoints[peer] for peer in dials}
            call = self.crew.ask(
                [address], how, timeout_s + CALL_TIMEOUT_S, dial, expects, timeout_s
            )
            calls.append(call)
        await asyncio.gather(*calls)

    def _there(self, addresses: Iterable[Address]) -> list[Address]:
        return [address for address in addresses if address in self.crew]

    # --- Faults ---

    def up(self, addresses: Iterable[Address]) -> list[Address]:
        """Return who is up of these: created and listening, maybe paused."""
        return [address for address in addresses if address in self._processes]

    async def be_ready(self) -> None:
        """Get ready for faults, so that each takes effect when it is due."""
        nodes = {process.node for process in self._processes.values()}
        await asyncio.gather(*(self._folder_on(node) for node in nodes))

    async def kill(self, addresses: Collection[Address]) -> None:
        """Kill actors: their processes end at once."""
        processes = [self._processes.pop(each) for each in addresses if each in self._processes]
        for address in addresses:
            self._killed[address] = self.crew.leave(address)
        await self._signal(processes, signal.SIGKILL)
        for address in addresses:
            ray.kill(self._killed[address])  # Even if it was just being created.

    async def kill_node(self, host: ReplicaId) -> bool:
        """Kill the node of a host, with all that lives there; return whether it was there."""
        node = self._place.node_of(host)
        if node in self._lost:
            return False
        self._lost.add(node)
        for address in self.on_node_of(host):
            self._processes.pop(address, None)
            self._killed[address] = self.crew.leave(address)
        await self._keepers.ask(node, "end_node")
        self._keepers.leave(node)
        return True

    def on_node_of(self, host: ReplicaId) -> list[Address]:
        """Return who is there on the node of a host: those of the host, and fleets, if any."""
        node = self._place.node_of(host)
        there = self.crew.of("replica", "coordinator", "fleet")
        return [each for each in there if self._place.home_of(each) == node]

    def is_lost(self, address: Address) -> bool:
        """Say whether the node that an actor lives on was killed."""
        return self._place.home_of(address) in self._lost

    def check_can_lose(self, hosts: Collection[ReplicaId]) -> None:
        """Raise ClusterError where the run would not outlive the loss of the node of a host."""
        self._place.check_can_lose(hosts)

    async def pause(self, addresses: Collection[Address]) -> None:
        """Stop the processes of actors for a while."""
        self.crew.paused.update(addresses)
        await self._signal([self._processes[each] for each in addresses], signal.SIGSTOP)

    async def resume(self, addresses: Collection[Address]) -> None:
        """Let the processes of paused actors go on."""
        await self._signal([self._processes[each] for each in addresses], signal.SIGCONT)
        self.crew.paused.difference_update(addresses)

    async def _signal(self, processes: Iterable[Process], number: signal.Signals) -> None:
        by_node: defaultdict[str, list[int]] = defaultdict(list)
        for process in processes:
            by_node[process.node].append(process.number)
        calls = [self._keepers.ask(node, "signal", each, number) for node, each in by_node.items()]
        await asyncio.gather(*calls)

    @property
    def node_count(self) -> int:
        """On how many nodes of Ray the hosts live."""
        return self._place.node_count

    async def _doubt(self, address: Address) -> str:
        """Say what may be wrong with the node of an actor, if anything is known to be."""
        return await nodes.doubt(self._place.home_of(address))

    # --- The end ---

    def close(self) -> None:
        """End all actors, wait until they are gone, and leave nothing behind."""
        # A process that is paused would stay where it is: Ray asks it to end.
        for process in [self._processes[each] for each in self.crew.paused]:
            self._keepers.tell(process.node, "signal", [process.number], signal.SIGKILL)
        with ExitStack() as last:  # Ctrl-C may come once more.
            last.callback(self._place.give_back)
            last.callback(self._keepers.empty)
            self.crew.stop()
