"""Balance over hosts: how much each host does, as a share of what the busiest one does."""

import math
from collections.abc import Hashable
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from dashboards import settings, theme
from dashboards.figures.hosts import PANELS
from dashboards.series import Series, marks, split
from experiments.summarise import usage

TITLE = "Balance over hosts"
WHAT_TO_SEE = (
    "Each host under the most clients, as a share of the busiest host of its protocol: bars of "
    "equal height mean that the work is spread evenly. The hatched bar is the leader's host."
)
_VISIBLE = 0.005
"""The least share that is not 0%."""


def shares(runs: pd.DataFrame, counters: pd.DataFrame) -> pd.DataFrame:
    """Return what each host used under the most clients of each curve, as a share from 0 to 1.

    One row a curve and host: `protocol`, `curve` (its name), `clients`, `host`, `leads` (whether
    the host led in most repeats), `run` (the name of the row of the first repeat); the keys of
    `PANELS` (medians over the repeats, by that of the busiest host; nan where no host used any),
    and each `<key>_used` before that division.
    """
    used = usage(runs, counters).merge(runs.assign(run=runs.index), on="run_id")
    return pd.concat([_shares(series) for series in split(used)], ignore_index=True)


def _shares(series: Series) -> pd.DataFrame:
    clients = series.rows["clients"].max()
    by_host = series.rows[series.rows["clients"] == clients].groupby("host")
    medians: pd.DataFrame = by_host[list(PANELS)].median()
    table: pd.DataFrame = (medians / medians.max().replace(0.0, float("nan"))).join(
        medians.add_suffix("_used")
    )
    table["leads"] = by_host["leads"].mean() > 0.5
    table["run"] = by_host["run"].first()
    table[["protocol", "curve", "clients"]] = series.protocol, series.name, clients
    return table.reset_index()


def draw(runs: pd.DataFrame, counters: pd.DataFrame) -> go.Figure:
    """Plot the shares of every host (see `shares`), one panel a resource."""
    rows = shares(runs, counters)
    rows = rows.set_axis(rows["run"].tolist())
    rows["said"] = [_hover_text(row, runs.loc[row["run"]]) for row in rows.to_dict("records")]
    titles = [title.rpartition(" (")[0] for title in PANELS.values()]
    figure = theme.panels(
        TITLE,
        rows=1,
        cols=len(PANELS),
        shared_yaxes="all",
        horizontal_spacing=0.03,
        subplot_titles=titles,
    )
    for column, measure in enumerate(PANELS, start=1):
        for name, of_curve in rows.groupby("curve", sort=False):
            figure.add_trace(_bars(of_curve, str(name), measure), row=1, col=column)
    figure.update_traces(showlegend=True, col=1)
    figure.update_xaxes(title_text="Host (number)", dtick=1, ticks="", showgrid=False)
    figure.update_yaxes(range=[0, 1.12], tickformat=".0%", dtick=0.25)
    figure.update_yaxes(title_text="Share of the busiest host's (%)", col=1)
    return figure.update_layout(barmode="group", bargap=0.3, height=400)


def _bars(rows: pd.DataFrame, name: str, measure: str) -> go.Bar:
    protocol = rows["protocol"].iloc[0]
    return go.Bar(
        x=rows["host"],
        y=rows[measure],
        name=name,
        legendgroup=name,
        showlegend=False,
        text=[_percent(share) for share in rows[measure]],
        textposition="outside",
        textangle=0,
        textfont={"size": 11},
        cliponaxis=False,
        marker={"color": theme.colour(protocol), "pattern": theme.hatching(rows["leads"])},
        **marks(rows, rows["said"].tolist()),
    )


def _percent(share: float) -> str:
    if math.isnan(share):
        return theme.GAP
    return "<1%" if 0 < share < _VISIBLE else f"{share:.0%}"


def _hover_text(row: dict[Hashable, Any], run: "pd.Series[Any]") -> str:
    leader = " (leader)" if row["leads"] else ""
    facts = {"Clients": f"{row['clients']:,}"}
    for measure, title in PANELS.items():
        used, share = theme.significant(row[f"{measure}_used"]), _percent(row[measure])
        facts[title] = f"{used}, {share} of the busiest"
    title = f"{row['curve']}: host {row['host']}{leader}"
    return theme.hover(title, {**facts, **settings.facts(run.to_dict())})
