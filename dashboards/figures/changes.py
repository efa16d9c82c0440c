"""What changed from one result set to another: a dot and an interval each point, worst first."""

from html import escape
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboards import theme
from experiments.compare import JUDGED, VERDICTS

TITLE = "What changed"
WHAT_TO_SEE = (
    "Each line is a point, the worst at the top: how much it changed, and the 95% confidence "
    "interval of that. The grey is the threshold; a change counts where it lies beyond and its "
    "interval leaves out 0. The direction for the worse is told below each panel."
)
SHOWN_MAX = 60
"""Points that are drawn: nobody reads more, and those left out are the best."""

_PANELS = {
    "throughput_rps": "Throughput (% change; less is worse)",
    "latency_ms_p99": "99th percentile (% change; more is worse)",
}
_LOOKS = {
    "worse": ("#C92A2A", "x"),
    "unclear": ("#A6761D", "diamond-open"),
    "within": (theme.MUTED, "circle"),
    "better": ("#0B7A4B", "star"),
}
"""Colour and symbol of a verdict."""

_LINE_PIXELS = 26
_FRAME_PIXELS = 170
_NAME_MAX = 44


def draw(points: pd.DataFrame, threshold: float) -> go.Figure:
    """Plot the relative changes of points that both sets have measured.

    `points` and `threshold` as `experiments.compare.compare` returns and takes them.
    """
    rows = measured(points).head(SHOWN_MAX)
    figure = theme.panels(
        TITLE, rows=1, cols=len(JUDGED), shared_yaxes="all", horizontal_spacing=0.04
    )
    for column, measure in enumerate(JUDGED, start=1):
        for verdict in VERDICTS:
            same = rows[rows[f"{measure}_verdict"] == verdict]
            if len(same):
                figure.add_trace(_dots(same, measure, verdict), row=1, col=column)
        ends = (-100 * threshold, 100 * threshold)
        ground = {"fillcolor": theme.SHADE, "line_width": 0, "layer": "below"}
        figure.add_vrect(*ends, row=1, col=column, **ground)
        figure.add_vline(0, line={"color": theme.MUTED, "width": 1}, row=1, col=column)
        figure.update_xaxes(title_text=_PANELS[measure], ticksuffix="%", row=1, col=column)
    theme.name_once(figure)
    names = [_name(each) for each in rows["point"]]
    figure.update_yaxes(
        tickvals=list(range(len(rows))),
        ticktext=names,
        range=[len(rows) - 0.5, -0.5],
        tickfont={"size": 11},
    )
    return figure.update_layout(height=_FRAME_PIXELS + _LINE_PIXELS * len(rows))


def measured(points: pd.DataFrame) -> pd.DataFrame:
    """Return the points of which both sides have a number, numbered from 0 in their order."""
    changes = points[[f"{measure}_change" for measure in JUDGED]]
    is_measured = np.isfinite(changes.to_numpy(np.float64)).all(axis=1)
    found: pd.DataFrame = points[is_measured].reset_index(drop=True)
    return found


def _dots(rows: pd.DataFrame, measure: str, verdict: str) -> go.Scatter:
    colour, symbol = _LOOKS[verdict]
    change = 100 * rows[f"{measure}_change"]
    low, high = (100 * rows[f"{measure}_change_{end}"] for end in ("low", "high"))
    return go.Scatter(
        x=change,
        y=rows.index,
        mode="markers",
        name=verdict,
        legendgroup=verdict,
        marker={"color": colour, "symbol": symbol, "size": 9},
        error_x={
            "array": high - change,
            "arrayminus": change - low,
            "symmetric": False,
            "color": colour,
            "thickness": 1.2,
            "width": 4,
        },
        hovertext=[_hover_text(row, measure) for row in rows.to_dict("records")],
        hoverinfo="text",
    )


def _name(point: str) -> str:
    short = point.replace("protocol=", "")
    return escape(short if len(short) <= _NAME_MAX else f"{short[: _NAME_MAX - 1]}\u2026")


def _hover_text(row: dict[Any, Any], measure: str) -> str:
    low, high = (row[f"{measure}_change_{end}"] for end in ("low", "high"))
    interval = f"{low:+.1%} to {high:+.1%}" if np.isfinite(low) else "none: too few repeats"
    before, after = (theme.si(row[f"{measure}_{side}"]) for side in ("a", "b"))
    return theme.hover(
        escape(row["point"]),
        {
            "Before and after": f"{before}, {after}",
            "Change": f"{row[f'{measure}_change']:+.1%}",
            "95% interval": interval,
            "Repeats": f"{row['repeats_a']}, {row['repeats_b']}",
        },
    )
