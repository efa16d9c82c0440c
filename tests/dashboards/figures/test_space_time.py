from typing import Any

import pandas as pd
import plotly.graph_objects as go
import pytest

from dashboards import theme
from dashboards.figures import space_time
from experiments.messages import one_request
from tests.dashboards.unchanged import unchanged

COLUMNS = ["sent_s", "received_s", "sender", "receiver", "kind"]


@pytest.fixture
def messages() -> pd.DataFrame:
    """Return a small flow: a coordinator hands a batch on, the leader proposes and acks."""
    rows = [
        (0.0, 0.001, "fleet-0", "coordinator-0", "Requests"),
        (0.001, 0.001, "coordinator-0", "replica-0", "Payload"),
        (0.001, 0.002, "coordinator-0", "replica-1", "Payload"),
        (0.002, 0.003, "replica-1", "replica-0", "Propose"),
        (0.002, 0.003, "replica-1", "replica-0", "Ack"),
        (0.003, 0.004, "coordinator-0", "fleet-0", "Replies"),
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def arrows(figure: go.Figure) -> list[go.Scatter]:
    return [trace for trace in figure.data if trace.x[0] is not None]


def lanes(figure: go.Figure) -> dict[str, int]:
    axis = figure.layout.yaxis
    return dict(zip(axis.ticktext, axis.tickvals, strict=True))


def steps(figure: go.Figure) -> list[tuple[dict[str, list[Any]], str]]:
    """Return what each step of the slider sets, and its sentence."""
    (slider,) = figure.layout.sliders
    return [(step.args[0], step.args[1]["annotations[0].text"]) for step in slider.steps]


def test_clients_come_first_then_hosts_each_with_its_coordinator(messages: pd.DataFrame) -> None:
    figure = space_time.draw(messages, "spaxos")
    names = ["client", "coordinator 0", "replica 0", "<b>leader</b>, replica 1"]
    assert lanes(figure) == {name: lane for lane, name in enumerate(names)}
    assert figure.layout.yaxis.range == (3.5, -0.5)  # Downwards.
    assert [(band.y0, band.y1) for band in figure.layout.shapes] == [(0.6, 2.4), (2.6, 3.4)]


def test_each_message_is_an_arrow_from_its_sender_to_its_receiver(messages: pd.DataFrame) -> None:
    drawn = arrows(space_time.draw(messages, "spaxos"))
    assert len(drawn) == len(messages)
    request, local, payload = drawn[:3]
    assert (request.x, request.y) == (pytest.approx((0.0, 0.5, 1.0)), (0, 0.5, 1))
    assert (local.x, local.y) == (pytest.approx((1.0, 1.0, 1.0)), (1, 1.5, 2))
    assert (payload.x, payload.y) == (pytest.approx((1.0, 1.5, 2.0)), (1, 2, 3))
    assert all(trace.marker.symbol[-1] == "arrow" for trace in drawn)


def test_pointing_at_an_arrow_names_its_message(messages: pd.DataFrame) -> None:
    drawn = arrows(space_time.draw(messages, "spaxos"))
    kinds = [trace.hovertext.removeprefix("<b>").partition("</b>")[0] for trace in drawn]
    assert kinds == messages["kind"].tolist()


def test_messages_on_the_same_way_at_the_same_time_stand_apart(messages: pd.DataFrame) -> None:
    *_, propose, ack, _ = arrows(space_time.draw(messages, "spaxos"))
    assert propose.y == ack.y
    assert ack.x[0] - propose.x[0] == pytest.approx(ack.x[2] - propose.x[2])
    assert 0 < ack.x[0] - propose.x[0] < 0.1


def test_the_slider_begins_with_all_messages(messages: pd.DataFrame) -> None:
    figure = space_time.draw(messages, "spaxos")
    state, sentence = steps(figure)[0]
    assert figure.layout.sliders[0].active == 0
    assert all(state["visible"])
    assert set(state["opacity"]) == {1.0}
    assert figure.layout.annotations[0].text == sentence
    assert sentence == (
        "<b>S-Paxos</b>: 5 messages over the network, 1 within a host; the reply comes after "
        "4 message delays."
    )


def test_each_step_reveals_one_more_message_and_lets_it_stand_out(messages: pd.DataFrame) -> None:
    figure = space_time.draw(messages, "spaxos")
    for number, (state, _) in enumerate(steps(figure)[1:], start=1):
        assert len(state["visible"]) == len(state["opacity"]) == len(figure.data)
        shown = state["opacity"][:number]
        assert state["visible"][: len(messages)] == [
            message < number for message in range(len(messages))
        ]
        assert (set(shown[:-1]) <= {0.35}, shown[-1]) == (True, 1.0)
        assert all(state["visible"][len(messages) :])  # The legend stays.


def test_each_step_says_what_happens(messages: pd.DataFrame) -> None:
    sentences = [sentence for _, sentence in steps(space_time.draw(messages, "spaxos"))[1:]]
    assert sentences[0] == (
        "<b>1 of 6, Requests</b>: The client sends its request to coordinator 0: any coordinator "
        "will do, so clients are spread over the hosts."
    )
    assert sentences[3] == (
        "<b>4 of 6, Propose</b>: Replica 1, which leads, asks replica 0 to accept the id of the "
        "batch as next in the order; its own vote rides along."
    )


def test_without_dissemination_the_request_itself_is_proposed() -> None:
    figure = space_time.draw(one_request("multipaxos"), "multipaxos")
    (sentence, _) = [text for _, text in steps(figure) if ", Propose</b>" in text]
    assert "to accept the request as next" in sentence
    assert "none within a host" in steps(figure)[0][1]


@pytest.mark.parametrize("accept_to", ["all", "leader"])
@pytest.mark.parametrize("protocol", ["multipaxos", "jpaxos", "spaxos"])
def test_there_is_something_to_say_of_every_message_of_every_protocol(
    protocol: str, accept_to: Any
) -> None:
    figure = space_time.draw(one_request(protocol, accept_to), protocol)
    for _, sentence in steps(figure)[1:]:
        kind = sentence.partition("</b>")[0].rpartition(" ")[2]
        assert f" sends {kind} to " not in sentence  # As is said of an unknown kind.


def test_a_message_of_a_new_kind_is_drawn_all_the_same(messages: pd.DataFrame) -> None:
    messages.loc[1, "kind"] = "Gossip"
    figure = space_time.draw(messages, "raft")
    assert steps(figure)[2][1].endswith("Coordinator 0 sends Gossip to replica 0.")


def test_the_legend_names_each_kind_once_in_the_order_of_its_first_message(
    messages: pd.DataFrame,
) -> None:
    figure = space_time.draw(messages, "spaxos")
    legend = [trace for trace in figure.data if trace.showlegend is not False]
    assert [trace.name for trace in legend] == ["Requests", "Payload", "Propose", "Ack", "Replies"]
    assert [trace.line.color for trace in legend[1:3]] == [
        theme.colour("spaxos"),
        theme.colour("jpaxos"),
    ]


def test_drawing_leaves_the_table_as_it_was(messages: pd.DataFrame) -> None:
    with unchanged(messages):
        space_time.draw(messages, "spaxos")


def test_a_single_step_shows_what_the_slider_does_and_keeps_its_place(
    messages: pd.DataFrame,
) -> None:
    sliding = steps(space_time.draw(messages, "spaxos"))
    figures = [space_time.draw_step(messages, number) for number in range(len(sliding))]
    for figure, (state, _) in zip(figures, sliding, strict=True):
        assert [trace.visible for trace in figure.data] == state["visible"]
        assert [trace.opacity for trace in figure.data] == state["opacity"]
        assert not figure.layout.sliders
    assert len({figure.layout.height for figure in figures}) == 1


def test_a_client_of_jpaxos_has_to_ask_the_leader() -> None:
    first = space_time.steps(one_request("jpaxos"), "jpaxos")[1]
    assert first.sentence == (
        "The client sends its request to replica 1: only the leader takes requests."
    )
