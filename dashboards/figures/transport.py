"""The cost of the actor runtime: the same systems over TCP and by Ray calls, beside the least."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import pandas as pd
import plotly.graph_objects as go

from dashboards import theme
from experiments.results import CONFIGURATION_COLUMNS
from experiments.summarise import host_us_per_message, over_repeats

TITLE = "The cost of the actor runtime"
WHAT_TO_SEE = (
    "The same code and clients, with messages over TCP (solid) and as calls of Ray actors "
    "(dashed): the distance between two lines of a colour is what the calls cost. Grey is one host "
    "that executes and answers without replication; dotted is an actor that does nothing, which "
    "each client calls again when its call has returned. A message may carry many requests, and a "
    "call many messages. All axes are logarithmic; bars span the 95% confidence interval over the "
    "repeats, or their range if fewer than 3."
)
PANELS = {
    "throughput_rps": "Throughput (requests/s)",
    "latency_ms_p50": "Median latency (ms)",
    "host_us_per_message": "CPU of hosts (µs/message)",
}
_TICKS = {"throughput_rps": theme.SI_TICKS}
_NULL_ACTOR = "null actor"
_APART = ("backend", "transport", "case")
"""The settings that tell curves apart, beside the protocol and its replicas."""


class _Carrier(NamedTuple):
    """How something travels: what a legend says of it, and its line."""

    name: str
    dash: str
    rank: int


_CARRIERS = {
    ("live", "tcp"): _Carrier("TCP", "solid", 0),
    ("live", "ray"): _Carrier("Ray calls", "dash", 1),
    ("null_actor", "ray"): _Carrier(_NULL_ACTOR, "dot", 2),
}


def compares(runs: pd.DataFrame) -> bool:
    """Say whether the runs compare transports: some are by Ray calls, and else they are alike."""
    others = [key for key in CONFIGURATION_COLUMNS if key not in _APART]
    return bool((runs["transport"] == "ray").any() and (runs[others].nunique() == 1).all())


def costs(runs: pd.DataFrame, counters: pd.DataFrame) -> pd.DataFrame:
    """Return one row a curve and number of clients, of runs that are sound.

    `protocol`, `backend`, `transport`, `replicas`, `clients`, `curve` (its name), `repeats`; the
    median of each of `PANELS`, and beside it `<measure>_low` and `<measure>_high`.
    """
    per_message = host_us_per_message(runs, counters).rename("host_us_per_message")
    measured = runs[runs["backend"] != "sim"].join(per_message, on="run_id")
    keys = ["protocol", "backend", "transport", "replicas", "clients"]
    rows = [
        {
            **dict(zip(keys, values, strict=True)),
            "curve": _curve(*values[:3]),
            **over_repeats(repeats, PANELS),
        }
        for values, repeats in measured.groupby(keys)
    ]
    return pd.DataFrame(rows)


def _curve(protocol: Any, backend: Any, transport: Any) -> str:
    carrier = _CARRIERS[backend, transport].name
    if carrier == _NULL_ACTOR:
        return carrier.capitalize()
    return f"{theme.label(protocol)}, {carrier}"


def told(table: pd.DataFrame) -> Iterator[str]:
    """Yield in words, as HTML, what `costs` found: of each protocol, and of the null actor."""
    for protocol, rows in table[table["backend"] == "live"].groupby("protocol"):
        pairs = _pairs(rows)
        if len(pairs):
            yield _compared(str(protocol), pairs)
    null = table[table["backend"] == "null_actor"].sort_values("clients")
    if len(null):
        alone = null.iloc[0]
        yield (
            f"A call that does nothing takes {theme.significant(alone['latency_ms_p50'])} ms there "
            f"and back; {theme.si(null['throughput_rps'].max())} of them fit a second, however "
            "many are under way."
        )


def _pairs(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the numbers of both transports side by side, where both were measured."""
    keys = ["replicas", "clients"]
    tcp, ray = (rows[rows["transport"] == each] for each in ("tcp", "ray"))
    return tcp.merge(ray, on=keys, suffixes=("_tcp", "_ray")).sort_values(keys)


def _compared(protocol: str, pairs: pd.DataFrame) -> str:
    slower = _times(pairs["throughput_rps_tcp"] / pairs["throughput_rps_ray"])
    later = _times(pairs["latency_ms_p50_ray"] / pairs["latency_ms_p50_tcp"])
    dearer = _times(pairs["host_us_per_message_ray"] / pairs["host_us_per_message_tcp"])
    return (
        f"<b>{theme.label(protocol)}</b>: over TCP the throughput is {slower} that by Ray calls; "
        f"by Ray calls the median latency is {later} and the CPU of a message {dearer} that over "
        "TCP."
    )


def _times(ratios: "pd.Series[float]") -> str:
    """Say a ratio, or its range over the clients."""
    ends = dict.fromkeys(theme.significant(each) for each in (ratios.min(), ratios.max()))
    return f"{' to '.join(ends)} times"


def draw(table: pd.DataFrame) -> go.Figure:
    """Plot `costs` against the clients, a panel a measure, one line a curve."""
    figure = theme.panels(
        TITLE, rows=1, cols=len(PANELS), horizontal_spacing=0.09, subplot_titles=[*PANELS.values()]
    )
    for column, (measure, title) in enumerate(PANELS.items(), start=1):
        figure.add_traces(list(_lines(table, measure)), rows=1, cols=column)
        ticks = _TICKS.get(measure, theme.PLAIN_TICKS)
        figure.update_yaxes(theme.log_axis(title, table[measure], ticks), col=column)
    figure.update_xaxes(theme.log_axis("Closed-loop clients (count)", table["clients"]), dtick=1)
    figure.update_yaxes(title_text="", dtick=1)
    figure.update_traces(showlegend=True, col=1)
    return figure.update_layout(height=500, legend=_BELOW, margin_t=_TOP)


_TOP = 56 + theme.TITLE_PIXELS
"""Room for the buttons above the titles of the panels."""

_BELOW = {"orientation": "h", "x": 0, "xanchor": "left", "y": -0.2, "yanchor": "top"}


def _lines(table: pd.DataFrame, measure: str) -> Iterable[go.Scatter]:
    for _, rows in table.groupby(["protocol", "replicas", "backend", "transport"]):
        yield _line(rows.sort_values("clients"), measure)


def _line(rows: pd.DataFrame, measure: str) -> go.Scatter:
    protocol, backend, transport, name = rows[["protocol", "backend", "transport", "curve"]].iloc[0]
    carrier = _CARRIERS[backend, transport]
    return go.Scatter(
        x=rows["clients"],
        y=rows[measure],
        error_y=theme.interval(rows, measure),
        mode="lines+markers",
        cliponaxis=False,
        name=name,
        legendgroup=name,
        showlegend=False,
        line=theme.line(protocol, carrier.dash),
        marker=theme.marker(protocol, carrier.rank),
        hovertext=_hover_texts(rows),
        hoverinfo="text",
    )


def _hover_texts(rows: pd.DataFrame) -> Sequence[str]:
    return [
        theme.hover(
            row["curve"],
            {
                "Clients": f"{row['clients']:,}",
                **{title: theme.significant(row[measure]) for measure, title in PANELS.items()},
                "Repeats": f"{row['repeats']:g}",
            },
        )
        for row in rows.to_dict("records")
    ]
