"""Latency where nobody waits for another: the price of dissemination."""

import math

import pandas as pd
import plotly.graph_objects as go

from dashboards import bars, theme

TITLE = "Latency without load"
WHAT_TO_SEE = (
    "Requests so few that none waits for another, from clients at every host: what is left are "
    "message delays and the work of each step. In percent is how much longer a protocol takes than "
    "JPaxos, with the same number of replicas n and the same receivers of votes (phase 2b)."
)
_MEASURE = "latency_ms_mean"
_VOTES = {"all": "votes to all", "leader": "votes to the leader"}


def draw(points: pd.DataFrame) -> go.Figure:
    """Plot the mean latency by n and `accept_to`; one point a protocol and pair of these."""
    ordered = points.sort_values(["accept_to", "replicas", "protocol"])
    pairs = zip(ordered["replicas"], ordered["accept_to"], strict=True)
    drawn = bars.grouped(ordered, [f"n = {n}<br>{_VOTES[votes]}" for n, votes in pairs])
    numbers = [_number(*pair) for pair in zip(drawn[_MEASURE], over_jpaxos(drawn), strict=True)]
    figure = theme.figure(
        TITLE,
        xaxis=bars.groups_axis(drawn),
        yaxis=bars.measure_axis(drawn, _MEASURE, "Mean latency (ms)", theme.PLAIN_TICKS),
    )
    figure.update_layout(legend_title={"text": "Percent: over JPaxos", "font": {"size": 13}})
    return figure.add_traces(list(bars.draw(drawn, _MEASURE, numbers)))


def over_jpaxos(points: pd.DataFrame) -> "pd.Series[float]":
    """Return how much longer each point takes than JPaxos's alike, as a share.

    nan for JPaxos itself, and where it has none alike.
    """
    is_base = points["protocol"] == "jpaxos"
    alike = ["replicas", "accept_to"]
    base = points[is_base].set_index(alike)[_MEASURE]
    ratios = points[_MEASURE] / points[alike].join(base, on=alike)[_MEASURE]
    return (ratios - 1).mask(is_base)


def _number(latency_ms: float, more: float) -> str:
    percent = f"<br><b>{more:+.0%}</b>" if math.isfinite(more) else ""
    return theme.significant(latency_ms) + percent
