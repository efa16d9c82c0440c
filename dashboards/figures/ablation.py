"""What batching, pipelining and piggybacking bring: throughput and latency of each case."""

from html import escape

import pandas as pd
import plotly.graph_objects as go

from dashboards import bars, theme

TITLE = "What batching, pipelining and piggybacking bring"
WHAT_TO_SEE = (
    "From left to right more is switched on. The tallest step up at the top is what a protocol "
    "lives on; below is how long the same clients wait for it."
)
_SWITCHES = ["batch_bytes_max", "window", "ack_delay_ms"]
"""What cases switch on; by these they are ordered, from nothing to everything."""


def draw(points: pd.DataFrame) -> go.Figure:
    """Plot throughput and median latency of each case; one point a protocol and case."""
    ordered = points.sort_values(_SWITCHES, kind="stable")
    drawn = bars.grouped(ordered, [escape(case) for case in ordered["case"]])
    figure = theme.panels(TITLE, rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.06)
    throughputs = [theme.si(rate) for rate in drawn["throughput_rps"]]
    latencies = [theme.significant(ms) for ms in drawn["latency_ms_p50"]]
    figure.add_traces(list(bars.draw(drawn, "throughput_rps", throughputs)), rows=1, cols=1)
    figure.add_traces(list(bars.draw(drawn, "latency_ms_p50", latencies)), rows=2, cols=1)
    figure.update_yaxes(
        bars.measure_axis(drawn, "throughput_rps", "Throughput (requests/s)"), row=1
    )
    figure.update_yaxes(
        bars.measure_axis(drawn, "latency_ms_p50", "Median latency (ms)", theme.PLAIN_TICKS), row=2
    )
    figure.update_traces(showlegend=False, row=2)
    return figure.update_xaxes(bars.groups_axis(drawn)).update_layout(height=640)
