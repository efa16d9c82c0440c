"""Throughput at an equal bound on latency: how much may be offered before some wait too long."""

import math
from collections.abc import Hashable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import pandas as pd
import plotly.graph_objects as go

from dashboards import settings, theme
from dashboards.offered import open_loop
from dashboards.series import LATENCIES, marks

TITLE = "Throughput at an equal bound on latency"
WHAT_TO_SEE = (
    "The offered load at which a percentile of the latency, from arrival, reaches a bound: "
    "interpolated along straight lines between the loads that were tried, which errs on the low "
    "side where the curve bends upwards. A hatched bar with ≥ is the last load that the system "
    "kept up with, the bound not reached there."
)
BOUNDS_MS = (2.0, 5.0, 10.0, 50.0)


class Carried(NamedTuple):
    """How much load a system carries within a bound."""

    rate_rps: float
    """nan where even the least load that was tried breaks the bound."""
    is_least: bool
    """Whether it may be more: the bound was not reached while the system kept up. It is then what
    was offered at the last point that did; else it lies between two."""


class Point(NamedTuple):
    """An offered load, and what is bounded of its latency."""

    rate_rps: float
    latency_ms: float
    kept_up: bool


def carried(points: Sequence[Point], bound_ms: float) -> Carried:
    """Return how much may be offered until the latency first exceeds `bound_ms`.

    `points` in order of their rates. Between two of them the latency is taken to grow along a
    straight line; nothing is taken from the first that did not keep up, or from any beyond it.
    """
    number = next((i for i, each in enumerate(points) if not each.kept_up), len(points))
    steady = points[:number]
    if not steady or steady[0].latency_ms > bound_ms:
        return Carried(math.nan, is_least=False)
    for below, above in pairwise(steady):
        if above.latency_ms > bound_ms:
            part = (bound_ms - below.latency_ms) / (above.latency_ms - below.latency_ms)
            rate_rps = below.rate_rps + part * (above.rate_rps - below.rate_rps)
            return Carried(rate_rps, is_least=False)
    return Carried(steady[-1].rate_rps, is_least=True)


def table(points: pd.DataFrame, percentile: str = "p99") -> pd.DataFrame:
    """Return what each protocol carries within each bound: protocol, bound_ms and `Carried`.

    `percentile` is what is bounded: one of `dashboards.series.LATENCIES`. `point` is the name of
    the row of the point that carries it; None where it lies between two, or there is none.
    """
    rows, names = [], []
    for protocol, offered in open_loop(points).groupby("protocol"):
        curve = [
            Point(*row)
            for row in offered[["arrival_rate_rps", LATENCIES[percentile], "kept_up"]].itertuples(
                index=False
            )
        ]
        for bound_ms in BOUNDS_MS:
            found = carried(curve, bound_ms)
            is_point = offered["arrival_rate_rps"] == found.rate_rps
            names.append(offered.index[is_point][0] if found.is_least else None)
            rows.append({"protocol": str(protocol), "bound_ms": bound_ms, **found._asdict()})
    carried_by = pd.DataFrame(rows, columns=["protocol", "bound_ms", *Carried._fields])
    return carried_by.assign(point=pd.Series(names, dtype=object))


def draw(points: pd.DataFrame, percentile: str = "p99") -> go.Figure:
    """Plot what each protocol carries within each of `BOUNDS_MS`, side by side (see `table`)."""
    rows = table(points, percentile)
    rows["said"] = [_hover_text(row, points, percentile) for row in rows.to_dict("records")]
    figure = theme.figure(
        TITLE,
        xaxis={"title": {"text": f"Bound on {percentile} (ms)"}, "type": "category"},
        yaxis=theme.linear_axis("Offered load carried (requests/s)"),
        barmode="group",
        bargap=0.35,
    )
    figure.add_traces([_bars(of, str(protocol)) for protocol, of in rows.groupby("protocol")])
    return figure.update_xaxes(ticks="", showgrid=False)


def _bars(rows: pd.DataFrame, protocol: str) -> go.Bar:
    return go.Bar(
        x=[f"{bound_ms:g}" for bound_ms in rows["bound_ms"]],
        y=rows["rate_rps"].fillna(0.0),
        name=theme.label(protocol),
        text=[_text(row) for row in rows.to_dict("records")],
        textposition="outside",
        cliponaxis=False,
        marker={"color": theme.colour(protocol), "pattern": theme.hatching(rows["is_least"])},
        **marks(rows.set_index("point"), rows["said"].tolist()),
    )


def _text(row: dict[Hashable, Any]) -> str:
    if math.isnan(row["rate_rps"]):
        return "none"
    return f"{'≥ ' if row['is_least'] else ''}{theme.si(row['rate_rps'])}"


def _hover_text(row: dict[Hashable, Any], points: pd.DataFrame, percentile: str) -> str:
    limit = "kept up with no more" if row["is_least"] else "the bound is reached there"
    if math.isnan(row["rate_rps"]):
        limit = "even the least load tried takes longer"
    facts = {
        f"Bound on {percentile}": f"{row['bound_ms']:g} ms",
        "Carried": f"{_text(row)} requests/s, {limit}",
    }
    if row["is_least"]:
        facts |= settings.facts(points.loc[row["point"]].to_dict())
    return theme.hover(theme.label(row["protocol"]), facts)
