"""Messages: what one request takes, step by step, and how many that is beside the formulas."""

from functools import cache
from typing import Any, Literal, cast

import dash_mantine_components as dmc
import plotly.graph_objects as go
from dash import Dash, Input, Output, dcc, html

from dashboards import theme
from dashboards.app.library import Library
from dashboards.app.parts import GRAPH, table
from dashboards.figures import space_time
from experiments import messages
from experiments.messages import FORMULAS, REPLICAS

AcceptTo = Literal["all", "leader"]
PROTOCOLS = ("jpaxos", "spaxos")
_HEAD = ("protocol", "accept_to", "n", "formula", "gives", "counted", "over the network")


def layout(_library: Library, _query: str) -> Any:
    """Return the page."""
    return dmc.Stack(
        [
            dmc.Title("One request, message by message", order=2),
            dmc.Text(space_time.WHAT_TO_SEE, c="dimmed", maw="90ch"),
            dmc.Group(
                [
                    _choice(
                        "messages-n", "Replicas n", [str(n) for n in REPLICAS], str(REPLICAS[0])
                    ),
                    _choice("messages-accept-to", "Votes go to", ["all", "leader"], "all"),
                ]
            ),
            dcc.Loading(html.Div(id="messages-drawn"), delay_show=300),
            dmc.Title("Counts and formulas", order=2),
            _counts(),
        ]
    )


def connect(app: Dash, _library: Library) -> None:
    """Have the choices change the diagrams."""

    @app.callback(
        Output("messages-drawn", "children"),
        Input("messages-n", "value"),
        Input("messages-accept-to", "value"),
    )
    def draw(replicas: str, accept_to: str) -> list[Any]:
        return [
            dcc.Graph(figure=_diagram(protocol, int(replicas), accept_to), config=GRAPH)
            for protocol in PROTOCOLS
        ]


@cache
def _diagram(protocol: str, replicas: int, accept_to: str) -> go.Figure:
    flow = messages.one_request(protocol, cast(AcceptTo, accept_to), replicas=replicas)
    return space_time.draw(flow, protocol)


@cache
def _counts() -> Any:
    rows = [
        [theme.label(protocol), accept_to, n, formula.text, found.formula, found.messages,
         found.network_messages]
        for (protocol, accept_to), formula in FORMULAS.items()
        for n in REPLICAS
        for found in [messages.count(protocol, accept_to, n)]
    ]  # fmt: skip
    return table(_HEAD, rows)


def _choice(control: str, label: str, values: list[str], value: str) -> Any:
    return dmc.Stack(
        [dmc.Text(label, size="sm"), dmc.SegmentedControl(id=control, data=values, value=value)],
        gap=4,
    )
