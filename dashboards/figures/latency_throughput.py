"""Latency against throughput: what each protocol's clients pay for the same work done."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboards import theme
from dashboards.series import LATENCIES, PERCENTILES, Series, hover_texts, marks, split

TITLE = "Latency against throughput"
WHAT_TO_SEE = (
    "The honest comparison, since both axes are results: lower and further right is better, and "
    "each line runs from few clients to many (solid: median, dashed: the tail). A ring "
    "marks the knee of the median, beyond which latency grows faster than throughput: there "
    "throughput divided by latency is greatest."
)
_OF_KNEE = "p50"


def draw(points: pd.DataFrame, percentile: str = "p99") -> go.Figure:
    """Plot latency against throughput, points joined from few clients to many.

    Beside the median stands `percentile`, one of `dashboards.series.LATENCIES`.
    """
    shown = list(dict.fromkeys([_OF_KNEE, percentile]))
    latencies = points[[LATENCIES[each] for each in shown]]
    figure = theme.figure(
        TITLE,
        xaxis=theme.linear_axis("Throughput (requests/s)"),
        yaxis=theme.log_axis("Latency (ms)", latencies, theme.PLAIN_TICKS),
    )
    curves = split(points)
    lines = [_line(series, each) for series in curves for each in shown]
    rings = [_ring(series, at) for series in curves if (at := _knee(series)) is not None]
    return figure.add_traces([*lines, *rings, *([_legend()] if rings else [])])


def knee(throughput_rps: Sequence[float], latency_ms: Sequence[float]) -> int | None:
    """Return the index of a line's knee: the greatest throughput divided by latency.

    Kleinrock's power (ICC 1979): from there on latency grows faster than throughput, in percent
    for percent. The line runs from light load to heavy; None where the greatest lies at an end of
    it, since it may be greater still beyond. Points without a latency (nan) do not count.
    """
    power = np.asarray(throughput_rps, np.float64) / np.asarray(latency_ms, np.float64)
    known = np.flatnonzero(np.isfinite(power))
    if len(known) == 0:
        return None
    best = int(known[power[known].argmax()])
    return None if best in (known[0], known[-1]) else best


def _knee(series: Series) -> int | None:
    return knee(*(series.rows[key].tolist() for key in ("throughput_rps", PERCENTILES[_OF_KNEE])))


def _line(series: Series, percentile: str) -> go.Scatter:
    rows = series.rows
    texts = hover_texts(series)
    at_knee = _knee(series)
    if at_knee is not None:
        texts[at_knee] += f"<br><b>Knee of the {_OF_KNEE} line</b>"
    return go.Scatter(
        x=rows["throughput_rps"],
        y=rows[LATENCIES[percentile]],
        mode="lines+markers",
        cliponaxis=False,
        name=f"{series.name}, {percentile}",
        legendgroup=series.name,
        line=theme.line(series.protocol, "solid" if percentile == _OF_KNEE else "dash"),
        marker=theme.marker(series.protocol, series.rank),
        **marks(rows, texts),
    )


def _ring(series: Series, at_knee: int) -> go.Scatter:
    """Return what marks the knee of a curve; the hover label of its point says so, too."""
    point = series.rows.iloc[[at_knee]]
    return go.Scatter(
        x=point["throughput_rps"],
        y=point[PERCENTILES[_OF_KNEE]],
        mode="markers",
        cliponaxis=False,
        name=f"{series.name}, knee",
        legendgroup=series.name,
        showlegend=False,
        marker=_circle(theme.colour(series.protocol)),
        hoverinfo="skip",
    )


def _legend() -> go.Scatter:
    """Return the one entry of the legend that stands for every knee."""
    return go.Scatter(x=[None], y=[None], mode="markers", name="knee", marker=_circle(theme.MUTED))


def _circle(colour: str) -> dict[str, Any]:
    return {"color": colour, "symbol": "circle-open", "size": 18, "line": {"width": 2}}
