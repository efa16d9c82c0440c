"""One run over time: throughput, latency, requests in flight and CPU, warm-up included."""

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from dashboards import theme
from dashboards.series import PERCENTILES
from experiments.spec import BIN_S
from experiments.summarise import over_time

TITLE = "Over time"
WHAT_TO_SEE = (
    "Bins of 100 ms, from when the clients began. What counts lies in the white: the grey is "
    "warm-up and cool-down. A run that is still changing there is too short."
)
_DASHES = {"p50": "solid", "p99": "dash"}
_ROW_PIXELS = 170


def draw(
    run: "pd.Series[Any]",
    timeline: pd.DataFrame,
    latency: pd.DataFrame,
    counters: pd.DataFrame,
) -> go.Figure:
    """Plot one run, a row of the table of runs; the other tables hold that run alone."""
    figure = theme.panels(TITLE, rows=4, cols=1, shared_xaxes="all", vertical_spacing=0.05)
    protocol = run["protocol"]
    bins = over_time(timeline, latency, 0.0, float(timeline["time_s"].max()))
    figure.add_trace(_line(bins["time_s"], bins["throughput_rps"], protocol, "throughput"), 1, 1)
    for name, dash in _DASHES.items():
        line = _line(bins["time_s"], bins[PERCENTILES[name]], protocol, name, dash)
        figure.add_trace(line, 2, 1)
    waiting = timeline.groupby("time_s")[["outstanding", "waiting"]].sum().sum(axis=1)
    figure.add_trace(_line(waiting.index, waiting, protocol, "in flight"), 3, 1)
    for rank, (host, cpu) in enumerate(_cpu(counters).items()):
        dash = theme.dash(rank)
        figure.add_trace(_line(cpu.index, cpu, protocol, f"host {host}", dash), 4, 1)
    titles = (
        "Throughput<br>(requests/s)",
        "Latency<br>(ms)",
        "In flight<br>(count)",
        "CPU<br>(cores)",
    )
    for row, title in enumerate(titles, 1):
        ticks = theme.SI_TICKS if row in {1, 3} else theme.PLAIN_TICKS
        figure.update_yaxes(theme.linear_axis(title, ticks), row=row)
    figure.update_xaxes(title_text="Time since the clients began (s)", row=4)
    for start_s, stop_s in _outside(run, float(timeline["time_s"].max())):
        figure.add_vrect(x0=start_s, x1=stop_s, fillcolor=theme.SHADE, line_width=0, layer="below")
    return figure.update_layout(height=4 * _ROW_PIXELS + 90)


def _outside(run: "pd.Series[Any]", end_s: float) -> list[tuple[float, float]]:
    return [(0.0, run["warmup_s"]), (run["warmup_s"] + run["duration_s"], end_s)]


def _cpu(counters: pd.DataFrame) -> dict[str, "pd.Series[float]"]:
    """Return the CPU of each host in each bin, in cores; the modelled one where there is one."""
    of_hosts = counters[counters["role"].isin(["replica", "coordinator"])]
    column = "cpu_s"
    if "modelled_cpu_s" in of_hosts and of_hosts["modelled_cpu_s"].fillna(0.0).any():
        column = "modelled_cpu_s"
    bins = (of_hosts["time_s"] / BIN_S).round()
    used = of_hosts[column].groupby([of_hosts["host"], bins]).sum() / BIN_S
    return {
        str(host): rows.droplevel(0).rename(lambda each: each * BIN_S).sort_index()
        for host, rows in used.groupby(level=0)
    }


def _line(x: Any, y: Any, protocol: str, name: str, dash: str = "solid") -> go.Scatter:
    return go.Scatter(x=x, y=y, mode="lines", name=name, line=theme.line(protocol, dash))
