"""Messages: one request step by step, and how many messages it takes beside the formulas."""

from functools import cache
from typing import Any, Literal, NamedTuple
from urllib.parse import parse_qs, urlencode

import dash_mantine_components as dmc
import pandas as pd
import plotly.graph_objects as go
from dash import Dash, Input, Output, State, ctx, dcc, no_update

from dashboards import theme
from dashboards.app.library import Library
from dashboards.app.parts import graph, keep_link, table
from dashboards.figures import space_time
from experiments import messages
from experiments.messages import FORMULAS, REPLICAS

AcceptTo = Literal["all", "leader"]
PROTOCOLS = ("jpaxos", "spaxos", "multipaxos")
VOTES: tuple[AcceptTo, ...] = ("all", "leader")
_FORMULA_OF = {"jpaxos": "multipaxos"}
"""Protocols that take the messages of another where nothing is batched."""

_HEAD = ("protocol", "votes go to", "n", "formula", "gives", "counted", "over the network")
_CODE = """\
from dashboards.figures import space_time
from experiments import messages

flow = messages.one_request({protocol!r}, {votes!r}, replicas={replicas})
figure = space_time.draw_step(flow, {step})
figure.show()
"""


class Case(NamedTuple):
    """A request to be shown, and up to which of its messages; 0 shows all."""

    protocol: str = PROTOCOLS[0]
    replicas: int = REPLICAS[0]
    votes: AcceptTo = VOTES[0]
    step: int = 0

    def to_query(self) -> str:
        """Return the query part of a link, from `?` on."""
        return f"?{urlencode(self._asdict())}"

    @classmethod
    def from_query(cls, query: str) -> "Case":
        """Return the case that a link tells of; what makes no sense there has its default."""
        said = {key: values[-1] for key, values in parse_qs(query.removeprefix("?")).items()}
        known: dict[str, dict[str, Any]] = {
            "protocol": {each: each for each in PROTOCOLS},
            "replicas": {str(each): each for each in REPLICAS},
            "votes": {each: each for each in VOTES},
        }
        found = {key: values[said[key]] for key, values in known.items() if said.get(key) in values}
        case = cls(**found)
        steps = {str(number): number for number in range(len(case.flow()) + 1)}
        return case._replace(step=steps.get(said.get("step", ""), 0))

    def flow(self) -> pd.DataFrame:
        """Return the messages of the request, as `experiments.messages.one_request` does."""
        return _flow(self.protocol, self.replicas, self.votes)


@cache
def _flow(protocol: str, replicas: int, votes: AcceptTo) -> pd.DataFrame:
    return messages.one_request(protocol, votes, replicas=replicas)


def layout(_library: Library, query: str) -> Any:
    """Return the page for the query of a link."""
    case = Case.from_query(query)
    return dmc.Stack(
        [
            dcc.Store(id="messages-link"),
            dmc.Title("One request, message by message", order=2),
            dmc.Group(
                [
                    _choice(
                        "messages-protocol",
                        "Protocol",
                        {each: theme.label(each) for each in PROTOCOLS},
                        case.protocol,
                    ),
                    _choice(
                        "messages-n",
                        "Replicas n",
                        {str(n): str(n) for n in REPLICAS},
                        str(case.replicas),
                    ),
                    _choice(
                        "messages-votes",
                        "Votes go to",
                        {"all": "all replicas", "leader": "the leader"},
                        case.votes,
                    ),
                ],
                gap="xl",
            ),
            dmc.Grid(
                [
                    dmc.GridCol([_steps(case), _diagram(case)], span={"base": 12, "lg": 8}),
                    dmc.GridCol(dmc.Stack(id="messages-counts"), span={"base": 12, "lg": 4}),
                ],
                gutter="xl",
            ),
            dmc.Title("Every count beside its formula", order=3),
            _all_counts(),
        ]
    )


def connect(app: Dash, _library: Library) -> None:
    """Have the choices and the steps change the diagram, its words and the link."""
    keep_link(app, "messages-link")

    @app.callback(
        Output("messages-step", "value"),
        Output("messages-step", "max"),
        Input("messages-protocol", "value"),
        Input("messages-n", "value"),
        Input("messages-votes", "value"),
        Input("messages-previous", "n_clicks"),
        Input("messages-next", "n_clicks"),
        State("messages-step", "value"),
        prevent_initial_call=True,
    )
    def move(
        protocol: str, replicas: str, votes: AcceptTo, _back: int, _on: int, step: int
    ) -> tuple[Any, Any]:
        last = len(_flow(protocol, int(replicas), votes))
        away = {"messages-previous": -1, "messages-next": 1}.get(str(ctx.triggered_id))
        if away is None:
            return 0, last  # Another request is seen as a whole first.
        return (step + away) % (last + 1), no_update

    @app.callback(
        Output({"graph": "messages"}, "figure"),
        Output({"code": "messages"}, "data"),
        Output("messages-heading", "children"),
        Output("messages-sentence", "children"),
        Output("messages-counts", "children"),
        Output("messages-link", "data"),
        Input("messages-step", "value"),
        Input("messages-protocol", "value"),
        Input("messages-n", "value"),
        Input("messages-votes", "value"),
    )
    def show(step: int, protocol: str, replicas: str, votes: AcceptTo) -> tuple[Any, ...]:
        case = Case(protocol, int(replicas), votes)
        case = case._replace(step=min(step, len(case.flow())))
        said = space_time.steps(case.flow(), protocol)[case.step]
        counts = _counts(case.protocol, case.replicas, case.votes)
        figure, code = _drawn(case), _CODE.format(**case._asdict())
        return figure, code, said.heading, said.sentence, counts, case.to_query()


# --- The steps ----------------------------------------------------------------------------------


def _steps(case: Case) -> Any:
    slider = dmc.Slider(
        id="messages-step",
        min=0,
        max=len(case.flow()),
        step=1,
        value=case.step,
        updatemode="drag",
        label=None,
        thumbLabel="Message",
        flex=1,
    )
    return dmc.Stack(
        [
            dmc.Group(
                [
                    dmc.Button("Previous", id="messages-previous", variant="default", size="xs"),
                    dmc.Button("Next", id="messages-next", size="xs"),
                    slider,
                ]
            ),
            dmc.Text(
                "Step with the buttons, or with the arrow keys once the slider is chosen; at its "
                "left end all messages are shown.",
                c="dimmed",
                size="xs",
            ),
            # As high as two lines, so that the diagram below stays where it is.
            dmc.Box(
                [
                    dmc.Text(id="messages-heading", fw=650, span=True),
                    ": ",
                    dmc.Text(id="messages-sentence", span=True),
                ],
                mih=52,
                **{"aria-live": "polite"},
            ),
        ],
        gap="xs",
    )


def _diagram(case: Case) -> Any:
    return graph("messages", _drawn(case), _CODE.format(**case._asdict()))


def _drawn(case: Case) -> go.Figure:
    return space_time.draw_step(case.flow(), case.step)


# --- The counts ---------------------------------------------------------------------------------


@cache
def _counts(protocol: str, replicas: int, votes: AcceptTo) -> list[Any]:
    """Return how often each message is sent for the request, and what the formulas make of it."""
    flow = _flow(protocol, replicas, votes)
    crosses = [
        space_time.crosses_network(*ends)
        for ends in zip(flow["sender"], flow["receiver"], strict=True)
    ]
    sent = flow.assign(network=crosses).groupby("kind", sort=False)["network"]
    rows = [
        [kind, int(each.sum()) or theme.GAP, int((~each).sum()) or theme.GAP] for kind, each in sent
    ]
    total = ["all", sum(crosses), len(crosses) - sum(crosses)]
    return [
        dmc.Title("Messages of this request", order=3),
        table(
            ["message", "over the network", "within a host"],
            [*rows, [dmc.Text(str(each), fw=650, size="sm") for each in total]],
        ),
        *_beside_formula(protocol, replicas, votes),
    ]


def _beside_formula(protocol: str, replicas: int, votes: AcceptTo) -> list[Any]:
    counted_as = _FORMULA_OF.get(protocol, protocol)
    found = messages.count(counted_as, votes, replicas)
    formula = FORMULAS[counted_as, votes].text
    unsent = found.messages - found.network_messages
    note = (
        f"The formula for {theme.label(counted_as)}, {formula}, gives {found.formula}. Counted are "
        f"{found.messages}: {found.network_messages} over the network, and {unsent} that the "
        "formula has everybody send to itself, or that ride on another: nobody has to send those."
    )
    same = (
        f"Without batches {theme.label(protocol)} sends what {theme.label(counted_as)} does."
        if counted_as != protocol
        else ""
    )
    return [dmc.Text(f"{note} {same}", size="sm")]


@cache
def _all_counts() -> Any:
    rows = [
        [theme.label(protocol), votes, n, formula.text, found.formula,
         _checked(found.messages, found.formula), found.network_messages]
        for (protocol, votes), formula in FORMULAS.items()
        for n in REPLICAS
        for found in [messages.count(protocol, votes, n)]
    ]  # fmt: skip
    return table(_HEAD, rows)


def _checked(counted: int, formula: int) -> Any:
    colour, word = ("teal", "equal") if counted == formula else ("red", "differs")
    badge = dmc.Badge(word, color=colour, variant="light", size="xs")
    return dmc.Group([str(counted), badge], gap="xs")


def _choice(control: str, label: str, names: dict[str, str], value: str) -> Any:
    options = [{"value": each, "label": name} for each, name in names.items()]
    return dmc.Stack(
        [
            dmc.Text(label, size="sm"),
            dmc.SegmentedControl(id=control, data=options, value=value),
        ],
        gap=4,
    )
