"""Lines of throughput along a setting: what was measured and, thin, what could be at most."""

from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from dashboards import theme
from dashboards.series import Series, hover_text, marks, split

LIMIT = "computed limit"

Facts = Callable[[Mapping[Hashable, Any]], Mapping[str, str]]
"""What a hover label adds to what each says, from the row of its point."""


def throughput(
    points: pd.DataFrame, along: str, facts: Facts = lambda _: {}
) -> Iterator[go.Scatter]:
    """Yield the lines of every curve: median throughput with its interval, and its limit if any.

    `points` are those of `experiments.summarise.summary`; `along` is the column of the x axis.
    """
    curves = split(points, along)
    for series in curves:
        yield _measured(series, along, facts)
    limited = [series for series in curves if series.rows["limit_rps"].notna().any()]
    for series in limited:
        yield _limit(series, along)
    if limited:
        yield _legend()


def _measured(series: Series, along: str, facts: Facts) -> go.Scatter:
    rows = series.rows
    return go.Scatter(
        x=rows[along],
        y=rows["throughput_rps"],
        error_y=theme.interval(rows, "throughput_rps"),
        mode="lines+markers",
        cliponaxis=False,
        name=series.name,
        legendgroup=series.name,
        line=theme.line(series.protocol, theme.dash(series.rank)),
        marker=theme.marker(series.protocol, series.rank),
        **marks(
            rows, [hover_text(series.name, row, facts(row)) for row in rows.to_dict("records")]
        ),
    )


def _limit(series: Series, along: str) -> go.Scatter:
    """Return a limit: it comes and goes with its curve, whose hover labels say what it is."""
    return go.Scatter(
        x=series.rows[along],
        y=series.rows["limit_rps"],
        mode="lines",
        name=f"{series.name}, {LIMIT}",
        legendgroup=series.name,
        showlegend=False,
        line=_thin(theme.colour(series.protocol)),
        hoverinfo="skip",
    )


def _legend() -> go.Scatter:
    """Return the one entry of the legend that stands for every limit."""
    return go.Scatter(x=[None], y=[None], mode="lines", name=LIMIT, line=_thin(theme.MUTED))


def _thin(colour: str) -> dict[str, Any]:
    return {"color": colour, "dash": "dot", "width": 1.2}
