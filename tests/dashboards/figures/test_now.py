"""The figure of a run that goes on: as much as is known, and what comes is added to it."""

from typing import Any

import msgspec
import pytest

from dashboards.figures import now
from experiments.progress import CurrentRun, Happening
from tests.experiments.going_on import RUN, moment


def data(run: CurrentRun) -> list[tuple[str, list[Any], list[Any]]]:
    return [(line.name, list(line.x), list(line.y)) for line in now.draw(run).data]


def test_before_the_first_moment_there_are_empty_lines() -> None:
    names = [name for name, _, _ in data(RUN)]
    hosts = [f"host {host}" for host in range(3)]
    assert names == ["throughput", "p50", "p99", *hosts, *hosts]
    assert all((x, y) == ([0.0], [None]) for _, x, y in data(RUN))


def test_what_is_added_later_makes_the_same_lines() -> None:
    moments = (moment(0.4), moment(0.8, hosts=(0, 2)), moment(1.2))
    whole = data(msgspec.structs.replace(RUN, moments=moments))
    begun = data(msgspec.structs.replace(RUN, moments=moments[:1]))
    added = now.extension(RUN, moments[1:])
    assert len(added["x"]) == len(added["y"]) == len(begun)
    extended = [
        (name, x + more_x, y + more_y)
        for (name, x, y), more_x, more_y in zip(begun, added["x"], added["y"], strict=True)
    ]
    assert extended == whole


def test_a_host_that_was_not_heard_of_leaves_a_gap() -> None:
    lines = data(msgspec.structs.replace(RUN, moments=(moment(0.4), moment(0.8, hosts=(0, 2)))))
    cpu = {name: y for name, _, y in lines[3:6]}
    assert cpu["host 1"] == [None, pytest.approx(0.1), None]
    assert cpu["host 2"] == [None, *[pytest.approx(0.2)] * 2]


def test_what_does_not_count_is_grey_and_events_are_marked() -> None:
    events = (Happening(2.0, "kill", "host-0", ""), Happening(2.5, "view", "replica-1", "view 1"))
    shapes = now.draw(msgspec.structs.replace(RUN, events=events)).layout.shapes
    grounds = {(shape.x0, shape.x1) for shape in shapes if shape.type == "rect"}
    marks = {shape.x0 for shape in shapes if shape.type == "line"}
    assert grounds == {(0.0, 1.0), (6.0, 6.5)}
    assert marks == {2.0, 2.5}
