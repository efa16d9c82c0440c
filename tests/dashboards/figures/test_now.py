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
    assert names == ["throughput", "p50", "p99", *hosts, *hosts, *hosts]
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


def test_what_hosts_send_and_receive_is_drawn_apart() -> None:
    figure = now.draw(msgspec.structs.replace(RUN, moments=(moment(0.4),)))
    titles = {axis.anchor: axis.title.text for axis in figure.select_yaxes()}
    drawn = {titles[line.xaxis]: line.y[-1] for line in figure.data if line.name == "host 1"}
    assert drawn == {
        "CPU by host<br>(cores)": pytest.approx(0.1),
        "Network out<br>(Mbit/s)": 20.0,
        "Network in<br>(Mbit/s)": 10.0,
    }


def test_hosts_have_a_colour_each_that_is_the_same_in_all_panels() -> None:
    figure = now.draw(RUN)
    looks = {(line.name, line.line.color) for line in figure.data if line.name.startswith("host")}
    assert len(looks) == len({colour for _, colour in looks}) == RUN.replicas


def test_a_jump_of_the_99th_percentile_leaves_the_median_in_sight() -> None:
    axes = {axis.title.text: axis.type for axis in now.draw(RUN).select_yaxes()}
    assert axes["Latency<br>(ms)"] == "log"
    assert axes["Throughput<br>(requests/s)"] is None


EVENTS = (
    Happening(2.0, "pause", "host-2", ""),
    Happening(2.5, "suspect", "replica-1", ""),
    Happening(2.6, "view", "replica-1", "view 1"),
    Happening(3.0, "resume", "host-2", ""),
    Happening(4.0, "kill", "host-1", ""),
)
FAULTY = msgspec.structs.replace(RUN, events=EVENTS)


def test_what_does_not_count_is_grey_and_faults_have_a_ground_until_they_are_mended() -> None:
    shapes = now.draw(FAULTY).layout.shapes
    grounds = {(each.x0, each.x1) for each in shapes if each.type == "rect" and each.xref == "x"}
    assert grounds == {(0.0, 1.0), (6.0, 6.5), (2.0, 3.0), (4.0, 6.5)}
    marks = {each.x0 for each in shapes if each.type == "line"}
    assert marks == {each.time_s for each in EVENTS}
    assert {each.xref for each in shapes} == {"x", "x2"}


def test_events_say_what_happened_and_to_whom() -> None:
    figure = now.draw(FAULTY)
    words = {each.text for each in figure.layout.annotations if not each.hovertext}
    assert {"host 2 paused", "host 1 (leader) killed"} <= words
    hovers = [each.hovertext for each in figure.layout.annotations if each.hovertext]
    assert len(hovers) == len(EVENTS)
    assert "replica 1 leads view 1" in hovers[2]
    assert "2.60 s" in hovers[2]


def test_of_very_many_events_the_latest_are_marked() -> None:
    many = tuple(Happening(each / 200, "view", "replica-1", "") for each in range(1_000))
    figure = now.draw(msgspec.structs.replace(RUN, events=many))
    marks = [each.x for each in figure.layout.annotations if each.hovertext]
    assert marks == [each.time_s for each in many[-now.EVENTS_SHOWN :]]
