"""How a reproduction came about: what was fitted, what failed, how long it took, how to repeat."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from dashboards import theme
from dashboards.page import paragraph, table
from experiments import summarise
from experiments.evaluation import COMMANDS, Figure

BACKENDS = {"sim": "virtual time", "live": "live, on Ray", "null_actor": "a null actor on Ray"}

_ONE_SUITE = (
    "A single suite, from the folder of this report; its <code>suite.toml</code> is the suite as "
    "it was run:"
)
_SETTINGS = {
    "egress_mbit_s": "a host can send (Mbit/s)",
    "ingress_mbit_s": "a host can receive (Mbit/s)",
    "network_delay_ms": "one way over the network (ms)",
    "cpu_us_per_client_request": "CPU to take a request in and reply (µs)",
    "cpu_us_per_executed_request": "CPU to execute a request (µs)",
    "cpu_us_per_message": "CPU to send or receive a message (µs)",
    "cpu_ns_per_byte": "CPU of a byte sent or received (ns)",
    "modelled_cores": "cores of a host",
}
_FITTED = ("cpu_us_per_client_request", "cpu_us_per_executed_request")
_FITTED_PROFILE = "srds12"


def calibration(runs: pd.DataFrame) -> str:
    """Say what was fitted and what was assumed, with the limits that the runs had."""
    profiles = [str(each) for each in runs["profile"].unique()]
    return "".join(
        [
            *(_fit(runs) if _FITTED_PROFILE in profiles else []),
            paragraph("The limits of each profile, as the runs had them:"),
            table(
                ["limit", *(f"<code>{escape(each)}</code>" for each in profiles)],
                [
                    [text, *(_setting(runs[runs["profile"] == each], key) for each in profiles)]
                    for key, text in _SETTINGS.items()
                ],
            ),
        ]
    )


def _fit(runs: pd.DataFrame) -> Iterator[str]:
    of_profile = runs[runs["profile"] == _FITTED_PROFILE]
    fitted = of_profile[list(_FITTED)].sum(axis="columns").round(3).mode().iloc[0]
    client, executed = (_usual(of_profile[key]) for key in _FITTED)
    yield paragraph(
        f"<strong>Fitted:</strong> one number, the CPU that a request takes of JPaxos's leader, "
        f"{fitted:.3g} µs, so that JPaxos peaks at 70,000 requests/s with 3 replicas. That peak is "
        "therefore no evidence; everything else is a prediction."
    )
    yield paragraph(
        f"<strong>Assumed:</strong> how that splits into serving the client ({client:.3g} µs) and "
        f"executing ({executed:.3g} µs). JPaxos does not depend on it, S-Paxos does, since its "
        "hosts share the clients and each executes everything. Assumed, too, are the network and "
        "the CPU of messages and bytes. Clients' machines have no limits."
    )


def _usual(column: "pd.Series[float]") -> float:
    return float(column.mode().iloc[0])


def _setting(runs: pd.DataFrame, key: str) -> str:
    """Return the usual value of a setting and, where a suite has swept it, from where to where."""
    usual, low, high = _usual(runs[key]), runs[key].min(), runs[key].max()
    swept = "" if low == high else f" (swept: {low:g} to {high:g})"
    return (f"{usual:,g}" if usual else theme.GAP) + swept


def unsound(runs: pd.DataFrame, figures: Sequence[Figure]) -> str:
    """List the runs that failed, were found unsafe, or are invalid; they stand in no figure."""
    lost = runs[~summarise.is_sound(runs)]
    if lost.empty:
        return paragraph(f"None: all {len(runs)} runs finished, kept up, and passed every check.")
    rows = [[*_named(run, figures), _reason(run)] for run in lost.to_dict("records")]
    said = f"{len(lost)} of {len(runs)} runs; they stand in no figure, no median and no verdict."
    return paragraph(said) + table(["figures", "suite", "run", "reason"], rows)


def _named(run: Mapping[Any, Any], figures: Sequence[Figure]) -> list[str]:
    links = [
        f'<a href="#{each.figure_id}">{each.title}</a>'
        for each in figures
        if run["suite"] in each.suites
    ]
    case = f", case {escape(run['case'])}" if run["case"] else ""
    name = (
        f"{theme.label(run['protocol'])}, n = {run['replicas']}, {run['clients']:,} clients{case}, "
        f"{_backend(run['backend'])}, repeat {run['repeat']}"
    )
    return ["<br>".join(links), f"<code>{escape(run['suite'])}</code>", name]


def _backend(name: str) -> str:
    return BACKENDS.get(name, escape(name))


def _reason(run: Mapping[Any, Any]) -> str:
    return escape(str(run["outcome"] if run["outcome"] != "ok" else run["safety"]))


def durations(runs: pd.DataFrame) -> str:
    """Return a table of how long the runs of each suite took."""
    groups = runs.groupby("suite", sort=False)
    rows = [
        [
            f"<code>{escape(str(suite))}</code>",
            " and ".join(map(_backend, sorted(of_suite["backend"].unique()))),
            str(len(of_suite)),
            _minutes(of_suite["wall_s"].sum()),
        ]
        for suite, of_suite in groups
    ]
    total = ["<strong>all</strong>", "", str(len(runs)), _minutes(runs["wall_s"].sum())]
    said = "Summed over runs; those in virtual time use a core each and may overlap."
    heads = ["suite", "backend", "runs", "time (min:s)"]
    return paragraph(said, "see") + table(heads, [*rows, total], numeric=heads[2:])


def _minutes(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}"


def commands(folder: Path, suites: Sequence[str]) -> str:
    """Return the commands that do it again: all of it, and a suite at a time."""
    path = folder / COMMANDS
    typed = path.read_text(encoding="utf-8") if path.is_file() else "paxoscope reproduce"
    parts = [f"paxoscope run {suite}/suite.toml --out again/{suite}" for suite in suites]
    return "".join(
        [
            paragraph("With the commit above checked out. All of it, as it was asked for:"),
            f"<pre>{escape(typed.rstrip())}</pre>",
            *(
                [paragraph(_ONE_SUITE), f"<pre>{escape(chr(10).join(parts))}</pre>"]
                if parts
                else []
            ),
            paragraph("All of it, raw tables included, as one archive:"),
            "<pre>paxoscope bundle .</pre>",
        ]
    )
