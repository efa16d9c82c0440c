"""A host with limits, in virtual time: a byte takes a microsecond on either side of its NIC."""

import pytest

from actors.core.config import Config
from actors.core.errors import LocalProtocolError, RemoteProtocolError
from actors.core.ids import Address
from actors.core.messages import Accept, Message, Payload, Requests
from actors.model.budget import Budget, cells_needed
from actors.model.cells import PrivateCells
from actors.model.limited import PART_BYTES, Limited
from actors.sim.clock import VirtualClock
from actors.transport.codec import encode
from actors.transport.framing import FRAME_BYTES_MIN
from tests.actors.core.wired import columns
from tests.actors.recorder import Recorder

ME, PEER, OTHER = (Address("replica", number) for number in range(3))
LOCAL, FLEET = Address("coordinator", 0), Address("fleet", 0)
ACCEPT = Accept(0, 1)
SIZE = len(encode(ACCEPT))
FRAME_S = (SIZE + FRAME_BYTES_MIN) * 1e-6
CPU_ONLY = {"egress_mbit_s": 0.0, "ingress_mbit_s": 0.0}


class Rig:
    """The transport of a host with limits, and both its ends."""

    def __init__(self, clock: VirtualClock | None = None, **settings: float) -> None:
        config = Config(**{"egress_mbit_s": 8.0, "ingress_mbit_s": 8.0, **settings})
        self.clock = clock or VirtualClock()
        self.network = Recorder()
        self.delivered: list[tuple[float, Address, list[Message]]] = []
        self.refused: Message | None = None
        self.executed = 0
        self.limited = Limited(
            ME,
            config,
            Budget(config, PrivateCells(cells_needed(config))),
            self.clock,
            self,
            connect=lambda _: self.network,
            executed=lambda: self.executed,
        )

    def received(self, sender: Address, messages: list[Message], sizes: list[int]) -> None:
        assert len(messages) == len(sizes)
        if self.refused in messages:
            raise RemoteProtocolError("no correct peer would say that")
        self.delivered.append((self.clock.now(), sender, messages))

    def connected(self, peer: Address) -> None: ...

    def disconnected(self, peer: Address) -> None: ...

    def send(self, to: Address, *encoded: bytes, apart: bool = False) -> bool:
        return self.limited.send(to, encoded or [encode(ACCEPT)], apart=apart)

    def receive(self, sender: Address, *messages: Message) -> None:
        read = list(messages or [ACCEPT])
        self.limited.received(sender, read, [len(encode(each)) for each in read])

    def sent_at(self) -> float:
        """Let time pass until something is sent; return when."""
        before = len(self.network.sent)
        assert self.clock.run(10.0, lambda: len(self.network.sent) > before)
        return self.clock.now()

    def delivered_at(self) -> float:
        """Let time pass until something is delivered; return when."""
        before = len(self.delivered)
        assert self.clock.run(10.0, lambda: len(self.delivered) > before)
        return self.clock.now()

    def cpu_us(self) -> float:
        return self.limited.counts()["modelled_cpu_s"] * 1e6


def requests(count: int) -> Requests:
    return Requests(columns(*((client, 1, b"command") for client in range(count))).encode())


# --- The network ----------------------------------------------------------------------------------


def test_a_frame_leaves_after_its_transmission_and_the_delay() -> None:
    rig = Rig(network_delay_ms=3.0)
    assert rig.send(PEER)
    assert rig.network.sent == []
    assert rig.sent_at() == pytest.approx(FRAME_S + 0.003)


def test_a_frame_to_another_peer_waits_for_the_same_nic() -> None:
    rig = Rig()
    rig.send(PEER)
    rig.send(OTHER)
    assert [rig.sent_at(), rig.sent_at()] == pytest.approx([FRAME_S, 2 * FRAME_S])


@pytest.mark.parametrize(("apart", "frames"), [(False, 1), (True, 3)])
def test_every_frame_costs_its_framing(apart: bool, frames: int) -> None:
    rig = Rig()
    rig.send(PEER, *[bytes(100)] * 3, apart=apart)
    assert rig.sent_at() == pytest.approx((300 + frames * FRAME_BYTES_MIN) * 1e-6)
    assert rig.network.apart == [apart]


def test_what_a_host_sends_has_arrived_when_its_last_byte_has_left() -> None:
    """It passed both NICs at the same time; one that is busy then is another matter."""
    rig = Rig()
    rig.clock.run(1.0)
    rig.receive(PEER)
    rig.receive(OTHER)
    assert [rig.delivered_at() for _ in range(2)] == pytest.approx(
        [1.0 + FRAME_BYTES_MIN * 1e-6, 1.0 + FRAME_BYTES_MIN * 1e-6 + FRAME_S]
    )


def test_what_clients_send_passes_the_nic_on_its_own() -> None:
    rig = Rig()
    rig.receive(FLEET, requests(3))
    size = len(encode(requests(3))) + FRAME_BYTES_MIN
    assert rig.delivered_at() == pytest.approx(size * 1e-6)


def test_clients_get_their_delay_both_ways_on_the_way_back() -> None:
    rig = Rig(network_delay_ms=3.0)
    rig.receive(FLEET, requests(1))
    arrived_at = rig.delivered_at()
    rig.send(FLEET)
    assert rig.sent_at() - arrived_at == pytest.approx(FRAME_S + 2 * 0.003)


def test_a_reply_on_its_long_way_keeps_no_message_to_a_host_waiting() -> None:
    rig = Rig(network_delay_ms=3.0)
    rig.send(FLEET)
    rig.send(PEER)
    rig.clock.run(1.0)
    assert [to for to, _ in rig.network.sent] == [PEER, FLEET]


def test_the_other_actor_of_the_host_is_reached_at_once() -> None:
    rig = Rig(network_delay_ms=3.0, cpu_us_per_message=5.0, cpu_ns_per_byte=5.0)
    rig.send(PEER)
    rig.send(LOCAL)
    rig.receive(LOCAL)
    assert rig.network.sent == [(LOCAL, encode(ACCEPT))]
    assert rig.delivered == [(0.0, LOCAL, [ACCEPT])]


# --- CPU ------------------------------------------------------------------------------------------


def test_a_message_between_hosts_costs_cpu_at_either_end() -> None:
    rig = Rig(**CPU_ONLY, cpu_us_per_message=10.0)
    rig.send(PEER, *[encode(ACCEPT)] * 2)
    assert rig.sent_at() == pytest.approx(20e-6)
    rig.receive(PEER, ACCEPT, ACCEPT, ACCEPT)
    assert rig.delivered_at() == pytest.approx(50e-6)


def test_clients_messages_cost_by_the_request_and_replies_nothing() -> None:
    rig = Rig(**CPU_ONLY, cpu_us_per_client_request=10.0, cpu_us_per_message=1000.0)
    rig.receive(FLEET, requests(3), requests(1))
    assert rig.delivered_at() == pytest.approx(40e-6)
    rig.send(FLEET)
    assert rig.cpu_us() == pytest.approx(40)


def test_every_byte_costs_cpu_framing_included() -> None:
    rig = Rig(**CPU_ONLY, cpu_ns_per_byte=100.0)
    rig.send(PEER)
    rig.receive(PEER)
    rig.send(FLEET)
    rig.receive(FLEET, requests(1))
    sizes = (*[SIZE] * 3, len(encode(requests(1))))
    assert rig.cpu_us() == pytest.approx(0.1 * sum(size + FRAME_BYTES_MIN for size in sizes))


@pytest.mark.parametrize("to", [PEER, FLEET, LOCAL])
def test_what_was_executed_is_worked_off_before_anything_is_sent(to: Address) -> None:
    rig = Rig(**CPU_ONLY, cpu_us_per_executed_request=10.0)
    rig.executed = 7
    rig.send(to)
    assert rig.sent_at() == pytest.approx(70e-6)
    rig.send(to)
    assert rig.cpu_us() == pytest.approx(70), "once"


# --- Order, parts and bounds ----------------------------------------------------------------------


def test_messages_to_a_peer_keep_their_order_on_several_cores() -> None:
    rig = Rig(**CPU_ONLY, cpu_ns_per_byte=1000.0, modelled_cores=2)
    sent = [bytes([number]) * size for number, size in enumerate((900, 10, 500, 20))]
    for each in sent:
        rig.send(PEER, each)
    rig.clock.run(1.0)
    assert [encoded for _, encoded in rig.network.sent] == sent


def test_messages_of_a_peer_keep_their_order_on_several_cores() -> None:
    rig = Rig(**CPU_ONLY, cpu_ns_per_byte=1000.0, modelled_cores=2)
    sent = [Payload(1, number, bytes(size)) for number, size in enumerate((900, 10, 500, 20))]
    for each in sent:
        rig.receive(PEER, each)
    rig.clock.run(1.0)
    assert [message for _, _, messages in rig.delivered for message in messages] == sent


def test_what_is_sent_together_leaves_in_parts_of_a_few_packets() -> None:
    rig = Rig()
    half = bytes(PART_BYTES // 2)
    rig.send(PEER, *[half] * 4, b"rest")
    part_s = (PART_BYTES + FRAME_BYTES_MIN) * 1e-6
    assert [rig.sent_at(), rig.sent_at()] == pytest.approx([part_s, 2 * part_s])
    rig.clock.run(1.0)
    assert [encoded for _, encoded in rig.network.sent] == [half] * 4 + [b"rest"]


def test_what_is_read_together_is_delivered_in_parts_none_of_which_is_late() -> None:
    """What hosts sent together has arrived by the time of the last byte, and passed in order."""
    rig = Rig()
    rig.clock.run(1.0)
    large = [Payload(1, number, bytes(PART_BYTES)) for number in range(3)]
    rig.receive(PEER, *large, ACCEPT)
    rig.clock.run(2.0)
    assert [messages for _, _, messages in rig.delivered] == [[each] for each in (*large, ACCEPT)]
    assert rig.delivered[-1][0] == pytest.approx(1.0, abs=4 * FRAME_BYTES_MIN * 1e-6)


@pytest.mark.parametrize("to", [PEER, FLEET])
def test_a_host_that_has_too_much_to_send_drops_and_counts(to: Address) -> None:
    """One call may exceed the limit, so that any frame fits."""
    rig = Rig(queue_bytes_max=1 << 16)
    large = bytes(1 << 16)
    assert [rig.send(to, large), rig.send(to, large, large)] == [True, False]
    assert rig.limited.counts()["modelled_messages_dropped"] == 2
    assert rig.limited.queued_bytes() == 7 + len(large) + FRAME_BYTES_MIN
    rig.clock.run(1.0)
    assert rig.send(to, large)
    assert rig.limited.queued_bytes() == 7 + len(large) + FRAME_BYTES_MIN


@pytest.mark.parametrize("to", [PEER, LOCAL, FLEET], ids=str)
def test_a_message_that_fits_no_frame_is_refused_at_once(to: Address) -> None:
    rig = Rig(frame_bytes_max=2000)
    assert rig.send(to, bytes(1999))
    with pytest.raises(LocalProtocolError, match="message of 2001 bytes, 2000 allowed"):
        rig.send(to, b"small", bytes(2000))


def test_a_host_that_has_too_much_to_take_in_drops_and_counts() -> None:
    rig = Rig(queue_bytes_max=1 << 16)
    for _ in range(3):
        rig.receive(FLEET, Requests(columns((0, 1, bytes(1 << 16))).encode()))
    rig.clock.run(1.0)
    assert len(rig.delivered) == 1
    assert rig.limited.counts()["modelled_messages_dropped"] == 2
    assert rig.limited.queued_bytes() == 7


# --- What it tells --------------------------------------------------------------------------------


def test_a_peer_that_is_found_wrong_too_late_is_counted_and_others_are_heard() -> None:
    rig = Rig()
    rig.refused = wrong = Accept(0, 666)
    rig.receive(PEER, wrong, ACCEPT)
    rig.receive(OTHER)
    rig.clock.run(1.0)
    assert rig.limited.counts()["modelled_messages_refused"] == 2
    assert [sender for _, sender, _ in rig.delivered] == [OTHER]


def test_a_frame_that_holds_no_columns_is_refused_at_once() -> None:
    with pytest.raises(RemoteProtocolError):
        Rig().receive(FLEET, Requests(b"short"))


def test_how_late_the_machine_is_behind_the_model_is_counted() -> None:
    rig = Rig()
    rig.send(PEER)
    rig.clock.run(10.0)
    assert rig.limited.counts()["handed_over"] == 1
    assert rig.limited.counts()["late_s"] == 0.0

    class LateClock(VirtualClock):
        def call_at(self, at, act, *arguments):
            return super().call_at(at + 0.25, act, *arguments)

    late = Rig(LateClock())
    late.send(PEER)
    late.send(PEER)
    late.clock.run(10.0)
    counts = late.limited.counts()
    assert counts["handed_over"] == 2
    assert counts["late_s"] == pytest.approx(2 * 0.25 - FRAME_S)


def test_it_counts_what_the_network_counts() -> None:
    assert Rig().limited.counts()["frames_dropped"] == 3
