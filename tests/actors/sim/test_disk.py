"""The disk of a simulated node: nothing leaves before its record is synced, in the order sent."""

import random

import pytest

from actors.core.effects import Rewrite, Send, Store
from actors.core.messages import Alive
from actors.sim.disk import Disk, DiskFullError
from tests.actors.core.wired import replica


def send(number: int) -> Send:
    return Send((replica(1),), Alive(number, 0, 0))


def synced(*effects: Store | Rewrite) -> Disk:
    disk = Disk()
    for effect in effects:
        disk.write(effect)
    disk.begin_sync()
    disk.end_sync()
    return disk


def test_what_follows_a_record_waits_for_its_sync_and_leaves_in_order() -> None:
    disk = Disk()
    disk.write(Store(b"a"))
    assert disk.holds_up
    disk.hold(send(1))
    disk.hold(send(2))
    disk.begin_sync()
    assert disk.end_sync() == [send(1), send(2)]
    assert disk.records == [b"a"]
    assert not disk.holds_up


def test_a_sync_covers_what_was_written_before_it_began() -> None:
    disk = Disk()
    disk.write(Store(b"a"))
    disk.hold(send(1))
    disk.write(Store(b"b"))
    disk.hold(send(2))
    disk.begin_sync()
    disk.write(Store(b"c"))
    disk.hold(send(3))
    assert disk.end_sync() == [send(1), send(2)]
    assert disk.records == [b"a", b"b"]
    assert disk.holds_up
    disk.begin_sync()
    assert disk.end_sync() == [send(3)]
    assert disk.records == [b"a", b"b", b"c"]


def test_a_lazy_record_holds_nothing_up_and_is_synced_with_the_next() -> None:
    disk = Disk()
    disk.write(Store(b"lazy", lazy=True))
    assert not disk.holds_up
    disk.write(Store(b"a"))
    disk.begin_sync()
    disk.end_sync()
    assert disk.records == [b"lazy", b"a"]


def test_a_rewrite_replaces_all_records() -> None:
    assert synced(Store(b"a"), Rewrite((b"b", b"c")), Store(b"d")).records == [b"b", b"c", b"d"]


def test_a_crash_keeps_some_first_part_of_what_was_not_synced() -> None:
    """Every part is possible, none and all among them, and nothing that was synced is lost."""
    survivors = set()
    for seed in range(100):
        disk = synced(Store(b"a"))
        for effect in (Store(b"b"), Rewrite((b"c",)), Store(b"d")):
            disk.write(effect)
        disk.crash(random.Random(seed))
        survivors.add(tuple(disk.records))
    assert survivors == {(b"a",), (b"a", b"b"), (b"c",), (b"c", b"d")}


def test_after_a_crash_nothing_of_before_is_sent_or_synced() -> None:
    disk = synced(Store(b"a"))
    disk.write(Store(b"b"))
    disk.hold(send(1))
    disk.begin_sync()
    disk.crash(random.Random(1))
    assert not disk.holds_up
    kept = list(disk.records)
    disk.write(Store(b"c"))
    disk.begin_sync()
    assert disk.end_sync() == []
    assert disk.records == [*kept, b"c"]


def test_a_full_disk_takes_nothing() -> None:
    disk = synced(Store(b"a"))
    disk.is_full = True
    with pytest.raises(DiskFullError):
        disk.write(Store(b"b"))
    assert disk.records == [b"a"]
