"""CPU and network of each host: where the work lands, and how much of it on the leader's host."""

from collections.abc import Hashable, Iterator
from itertools import product
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from dashboards import settings, theme
from dashboards.bottleneck import capacities
from dashboards.series import Series, marks, split
from experiments.summarise import usage

TITLE = "CPU and network of each host"
WHAT_TO_SEE = (
    "Each protocol under its most clients: hatched bars are the leader's host, and the more equal "
    "the bars of a protocol, the better its work is spread."
)
PANELS = {
    "cpu_cores": "CPU (cores)",
    "network_mbit_s_in": "Network in (Mbit/s)",
    "network_mbit_s_out": "Network out (Mbit/s)",
}
NEAR_SHARE = 0.4
"""The share of what a host has from which on that is shown, too."""

_TINTS = {"replica": 1.0, "coordinator": 0.5}
_GAP_BETWEEN_CURVES = 0.7
_BAR_PIXELS = 30
_FRAME_PIXELS = 150


def busiest(runs: pd.DataFrame, counters: pd.DataFrame) -> pd.DataFrame:
    """Return what each host used under the most clients of each curve: medians over the repeats.

    One row a curve, host and role, in drawing order: `protocol`, `curve` (its name), `clients`,
    `host`, `role`, `leads` (whether the host led in most repeats), `run` (the name of the row of
    the first repeat), `place` (on the axis of hosts, in bars), and the keys of `PANELS`.
    """
    used = _usage_by_role(runs, counters).merge(runs.assign(run=runs.index), on="run_id")
    rows = pd.concat([_medians(series) for series in split(used)], ignore_index=True)
    bar = rows.groupby(["curve", "host"], sort=False).ngroup()
    rows["place"] = bar + _GAP_BETWEEN_CURVES * pd.factorize(rows["curve"])[0]
    return rows


def _usage_by_role(runs: pd.DataFrame, counters: pd.DataFrame) -> pd.DataFrame:
    leads = usage(runs, counters)[["run_id", "host", "leads"]]
    parts = [
        usage(runs, counters[counters["role"] == role]).assign(role=role).drop(columns="leads")
        for role in _TINTS
    ]
    return pd.concat(parts, ignore_index=True).merge(leads, on=["run_id", "host"])


def _medians(series: Series) -> pd.DataFrame:
    clients = series.rows["clients"].max()
    by_actor = series.rows[series.rows["clients"] == clients].groupby(["host", "role"])
    medians: pd.DataFrame = by_actor[list(PANELS)].median()
    medians["leads"] = by_actor["leads"].mean() > 0.5
    medians["run"] = by_actor["run"].first()
    medians[["protocol", "curve", "clients"]] = series.protocol, series.name, clients
    return medians.reset_index()


def draw(runs: pd.DataFrame, counters: pd.DataFrame) -> go.Figure:
    """Plot the CPU and network of every host under the most clients (see `busiest`)."""
    rows = busiest(runs, counters)
    rows = rows.set_axis(rows["run"].tolist())
    rows["said"] = [_hover_text(row, runs.loc[row["run"]]) for row in rows.to_dict("records")]
    figure = theme.panels(
        TITLE, rows=1, cols=len(PANELS), shared_yaxes="all", horizontal_spacing=0.03
    )
    for column, (measure, title) in enumerate(PANELS.items(), start=1):
        for bars in _bars(rows, measure):
            figure.add_trace(bars, row=1, col=column)
        figure.update_xaxes(theme.linear_axis(title, theme.PLAIN_TICKS), row=1, col=column)
        for most in _most(runs, rows, measure):
            _mark(figure, most, column)
        if rows[measure].isna().all():
            theme.say_instead(figure, theme.NOT_MODELLED, 1, column)
    theme.name_once(figure)
    hosts = rows.drop_duplicates("place")
    figure.update_yaxes(
        autorange="reversed",
        showgrid=False,
        ticks="",
        tickvals=hosts["place"],
        ticktext=[_host_label(row) for row in hosts.to_dict("records")],
    )
    height = _FRAME_PIXELS + _BAR_PIXELS * (float(rows["place"].max()) + 1)
    return figure.update_layout(barmode="stack", height=height)


def _most(runs: pd.DataFrame, rows: pd.DataFrame, measure: str) -> list[float]:
    """Return how much each host has, where that is the same in all runs and a host comes near."""
    most = {capacities(run)[measure] for run in runs.to_dict("records")}
    busiest_host = rows.groupby("place")[measure].sum().max()
    return [each for each in most if len(most) == 1 and busiest_host >= NEAR_SHARE * each]


def _mark(figure: go.Figure, most: float, column: int) -> None:
    figure.add_vline(most, line={"color": theme.MUTED, "dash": "dash", "width": 1}, col=column)
    figure.add_annotation(
        text=f"a host has {most:g}",
        font={"size": 11},
        x=most,
        xref=f"x{column if column > 1 else ''}",
        xanchor="right",
        y=1,
        yref="paper",
        yanchor="bottom",
        showarrow=False,
    )


def _bars(rows: pd.DataFrame, measure: str) -> Iterator[go.Bar]:
    # Replicas come first, at the foot of the stack, where they are compared best; leaders come
    # last, so that the legend shows the plain colour.
    for role, leads, protocol in product(_TINTS, (False, True), rows["protocol"].unique()):
        same = (rows["role"] == role) & (rows["leads"] == leads) & (rows["protocol"] == protocol)
        if same.any():
            yield _bar(rows[same], measure, protocol, role, leads)


def _bar(bars: pd.DataFrame, measure: str, protocol: str, role: str, leads: bool) -> go.Bar:
    name = f"{theme.label(protocol)} {role}"
    return go.Bar(
        x=bars[measure],
        y=bars["place"],
        orientation="h",
        width=0.8,
        name=name,
        legendgroup=name,
        marker={
            "color": theme.tint(protocol, _TINTS[role]),
            "pattern": theme.hatching([leads] * len(bars)),
        },
        **marks(bars, bars["said"].tolist()),
    )


def _host_label(row: dict[Hashable, Any]) -> str:
    text = f"{row['curve']}: host {row['host']}"
    return f"<b>{text} (leader)</b>" if row["leads"] else text


def _hover_text(row: dict[Hashable, Any], run: "pd.Series[Any]") -> str:
    facts = {"Clients": f"{row['clients']:,}", "Role": row["role"]}
    facts |= {title: theme.significant(row[measure]) for measure, title in PANELS.items()}
    return theme.hover(_host_label(row), {**facts, **settings.facts(run.to_dict())})
