"""One request, message by message: who tells whom what, and when."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import pandas as pd
import plotly.graph_objects as go

from dashboards import theme

TITLE = "One request, message by message"
WHAT_TO_SEE = (
    "Time goes to the right; every message between hosts takes equally long, and each band is a "
    "host. Drag the slider to send one message after the other. S-Paxos has a majority hold the "
    "batch (orange) before its id is ordered (blue), and its clients need not talk to the leader."
)

_CLIENT = "fleet"
_DODGE = 0.06
"""By how much messages stand apart that take the same way at the same time; 1 is that time."""
_LANE_PIXELS = 62
_SENTENCE_PIXELS = 48
_SLIDER_PIXELS = 150
_PAST_OPACITY = 0.35


class Kind(NamedTuple):
    """What a message is for, how it is drawn, and what to say of it."""

    colour: str
    dash: str
    sentence: str


_ORDERING, _DISSEMINATION = theme.colour("jpaxos"), theme.colour("spaxos")

_KINDS = {
    "Requests": Kind(theme.MUTED, "solid", "{sender} sends its request to {receiver}{asked}."),
    "Payload": Kind(
        _DISSEMINATION,
        "solid",
        "{sender} sends the batch with the request to {receiver}: enough hosts must hold it before "
        "it is ordered.",
    ),
    "Ack": Kind(
        _DISSEMINATION,
        "dot",
        "{sender} tells {receiver} that it holds the batch, which is stable once a majority does.",
    ),
    "Held": Kind(
        theme.MUTED, "longdash", "{sender} tells {receiver} who holds its batch: it is stable."
    ),
    "Propose": Kind(
        _ORDERING,
        "solid",
        "{sender}, which leads, asks {receiver} to accept {value} as next in the order; its own "
        "vote rides along.",
    ),
    "Accept": Kind(
        _ORDERING,
        "dot",
        "{sender} tells {receiver} that it has accepted; once a majority has, it is decided.",
    ),
    "Decide": Kind(
        _ORDERING,
        "dash",
        "{sender}, which leads, tells {receiver} that it is decided: it may execute.",
    ),
    "Executed": Kind(
        theme.MUTED, "dash", "{sender} has executed the request: the reply goes to {receiver}."
    ),
    "Replies": Kind(
        theme.MUTED, "dot", "{sender} sends the reply to {receiver}, since its request is executed."
    ),
}
_UNKNOWN = Kind(theme.MUTED, "dashdot", "{sender} sends {kind} to {receiver}.")


_ASKED = {
    "coordinator": ": any coordinator will do, so clients are spread over the hosts",
    "replica": ": only the leader takes requests",
}
"""Why a request goes there, by the role of the receiver."""


class Step(NamedTuple):
    """What a step through the messages is called, and what happens then."""

    heading: str
    sentence: str


class Arrow(NamedTuple):
    """A message as it is drawn; times in milliseconds, lanes from the top."""

    kind: str
    start: tuple[float, int]
    end: tuple[float, int]
    sentence: str


def draw(messages: pd.DataFrame, protocol: str) -> go.Figure:
    """Draw the messages of a request, one arrow each, in the order of their rows; at least one.

    Columns: sent_s, received_s; sender, receiver, as "replica-0"; kind, the name of the message. A
    slider below goes through the `steps`.
    """
    figure = _drawn(messages)
    sentences = [f"<b>{step.heading}</b>: {step.sentence}" for step in steps(messages, protocol)]
    figure.add_annotation(_sentence(sentences[0]))
    top = theme.TITLE_PIXELS + _SENTENCE_PIXELS + 16
    figure.update_layout(
        height=figure.layout.height + top + _SLIDER_PIXELS,
        margin={"t": top, "b": _SLIDER_PIXELS},
        sliders=[_slider(sentences, len(figure.data))],
    )
    return figure


def draw_step(messages: pd.DataFrame, number: int) -> go.Figure:
    """Draw the same at one of the `steps`, without a slider and without words."""
    figure = _drawn(messages)
    for trace, visible, opacity in zip(
        figure.data, *_shown(number, len(messages), len(figure.data)), strict=True
    ):
        trace.update(visible=visible, opacity=opacity)
    top, foot = theme.TITLE_PIXELS + 24, 64
    height = figure.layout.height + top + foot
    return figure.update_layout(height=height, margin={"t": top, "b": foot})


def steps(messages: pd.DataFrame, protocol: str) -> list[Step]:
    """Return what there is to say: of all messages together, then of one after the other."""
    arrows = list(_arrows(messages, _lanes(messages)))
    return [
        Step(theme.label(protocol), _overview(messages)),
        *(
            Step(f"{number} of {len(arrows)}, {arrow.kind}", arrow.sentence)
            for number, arrow in enumerate(arrows, start=1)
        ),
    ]


def _drawn(messages: pd.DataFrame) -> go.Figure:
    lanes = _lanes(messages)
    figure = theme.figure(TITLE, **_layout(messages, lanes))
    figure.add_traces([_trace(arrow) for arrow in _arrows(messages, lanes)])
    figure.add_traces([_legend(kind) for kind in dict.fromkeys(messages["kind"])])
    return figure


# --- What there is to draw ----------------------------------------------------------------------


def _lanes(messages: pd.DataFrame) -> dict[str, int]:
    """Return the lane of everybody, counted from the top: clients, then hosts in order."""
    names = {*messages["sender"], *messages["receiver"]}
    in_order = sorted(names, key=lambda name: (_role(name) != _CLIENT, _host(name), _role(name)))
    return {name: lane for lane, name in enumerate(in_order)}


def _arrows(messages: pd.DataFrame, lanes: dict[str, int]) -> Iterator[Arrow]:
    value = "the id of the batch" if "Payload" in set(messages["kind"]) else "the request"
    ways = ["sent_s", "sender", "receiver"]
    dodges_ms = 1e3 * _DODGE * _delay_s(messages) * messages.groupby(ways).cumcount()
    for row, dodge_ms in zip(messages.to_dict("records"), dodges_ms, strict=True):
        sender, receiver, kind = row["sender"], row["receiver"], row["kind"]
        words = {"kind": kind, "value": value, "asked": _ASKED.get(_role(receiver), "")}
        sentence = _KINDS.get(kind, _UNKNOWN).sentence.format(
            sender=_in_words(sender), receiver=_in_words(receiver), **words
        )
        yield Arrow(
            kind,
            (1e3 * row["sent_s"] + dodge_ms, lanes[sender]),
            (1e3 * row["received_s"] + dodge_ms, lanes[receiver]),
            sentence[0].upper() + sentence[1:],
        )


def _delay_s(messages: pd.DataFrame) -> float:
    return float((messages["received_s"] - messages["sent_s"]).max())


def _overview(messages: pd.DataFrame) -> str:
    network = sum(map(crosses_network, messages["sender"], messages["receiver"]))
    within = len(messages) - network or "none"
    replied_s = messages.loc[messages["kind"] == "Replies", "received_s"].max()
    delays = (replied_s - messages["sent_s"].min()) / _delay_s(messages)
    return (
        f"{network} messages over the network, {within} within a host; the reply comes after "
        f"{delays:.0f} message delays."
    )


def crosses_network(sender: str, receiver: str) -> bool:
    """Say whether a message goes from one host to another, or to or from a client."""
    return _CLIENT in (_role(sender), _role(receiver)) or _host(sender) != _host(receiver)


def _role(name: str) -> str:
    return name.rpartition("-")[0]


def _host(name: str) -> int:
    return int(name.rpartition("-")[2])


def _in_words(name: str) -> str:
    return "the client" if _role(name) == _CLIENT else f"{_role(name)} {_host(name)}"


# --- Drawing ------------------------------------------------------------------------------------


def _layout(messages: pd.DataFrame, lanes: dict[str, int]) -> dict[str, Any]:
    leaders = set(messages.loc[messages["kind"] == "Propose", "sender"])
    return {
        "height": _LANE_PIXELS * len(lanes),  # What stands above and below is added to it.
        "xaxis": {
            **theme.linear_axis("Time since the request (ms)", theme.PLAIN_TICKS),
            "dtick": 1e3 * _delay_s(messages),
            # The same whatever is shown of it.
            "range": [0, 1.03e3 * messages["received_s"].max()],
        },
        "yaxis": {
            "range": [len(lanes) - 0.5, -0.5],
            "tickvals": list(lanes.values()),
            "ticktext": [_lane_name(name, leaders) for name in lanes],
            "ticks": "",
            "gridcolor": theme.MUTED,
            "gridwidth": 0.4,
        },
        "shapes": list(_bands(lanes)),
        "legend": {"itemclick": False, "itemdoubleclick": False},
    }


def _lane_name(name: str, leaders: set[str]) -> str:
    if _role(name) == _CLIENT:
        return "client"
    return f"{'<b>leader</b>, ' if name in leaders else ''}{_in_words(name)}"


def _bands(lanes: dict[str, int]) -> Iterator[dict[str, Any]]:
    """Yield the ground of each host."""
    hosts = {_host(name) for name in lanes if _role(name) != _CLIENT}
    for host in hosts:
        own = [lanes[name] for name in lanes if _role(name) != _CLIENT and _host(name) == host]
        yield {
            "type": "rect",
            "xref": "paper",
            "x0": 0,
            "x1": 1,
            "y0": min(own) - 0.4,
            "y1": max(own) + 0.4,
            "fillcolor": theme.SHADE,
            "line": {"width": 0},
            "layer": "below",
        }


def _trace(arrow: Arrow) -> go.Scatter:
    (x0, y0), (x1, y1) = arrow.start, arrow.end
    kind = _KINDS.get(arrow.kind, _UNKNOWN)
    return go.Scatter(
        # The middle is there to be pointed at.
        x=[x0, (x0 + x1) / 2, x1],
        y=[y0, (y0 + y1) / 2, y1],
        mode="lines+markers",
        line={"color": kind.colour, "dash": kind.dash, "width": 1.8},
        marker={
            "angleref": "previous",
            "color": kind.colour,
            "opacity": [1, 0, 1],
            "size": [5, 14, 11],
            "symbol": ["circle", "circle", "arrow"],
        },
        hovertext=theme.hover(arrow.kind, {"Says": arrow.sentence}),
        hoverinfo="text",
        showlegend=False,
    )


def _legend(name: str) -> go.Scatter:
    """Return a line of the legend: arrows come and go, it stays."""
    kind = _KINDS.get(name, _UNKNOWN)
    line = {"color": kind.colour, "dash": kind.dash, "width": 1.8}
    return go.Scatter(x=[None], y=[None], mode="lines", name=name, line=line)


def _sentence(text: str) -> dict[str, Any]:
    place = {"xref": "paper", "x": 0, "xanchor": "left", "yref": "paper", "y": 1}
    shift = {"yanchor": "bottom", "yshift": 14, "showarrow": False, "align": "left"}
    return {**place, **shift, "text": text, "font": {"size": 15}}


def _slider(sentences: Sequence[str], traces: int) -> dict[str, Any]:
    """Return a slider: all messages, then the first, the first two, and so on to all."""
    return {
        "active": 0,
        "steps": [_step(number, sentences, traces) for number in range(len(sentences))],
        "currentvalue": {"visible": False},
        "pad": {"t": 64},
        "bgcolor": theme.SHADE,
        "bordercolor": theme.MUTED,
        "font": {"size": 11},
    }


def _step(number: int, sentences: Sequence[str], traces: int) -> dict[str, Any]:
    """Return what shows the first `number` messages, or all with 0; the last of them stands out."""
    visible, opacity = _shown(number, len(sentences) - 1, traces)
    state = {"visible": visible, "opacity": opacity}
    return {
        "label": str(number) if number else "all",
        "method": "update",
        "args": [state, {"annotations[0].text": sentences[number]}],
    }


def _shown(number: int, arrows: int, traces: int) -> tuple[list[bool], list[float]]:
    """Return which traces are visible at a step, and how opaque they are; the legend always is."""
    shown = number or arrows
    legend = traces - arrows
    visible = [True] * shown + [False] * (arrows - shown) + [True] * legend
    past = max(number - 1, 0)
    return visible, [_PAST_OPACITY] * past + [1.0] * (traces - past)
