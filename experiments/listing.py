"""Shows what there is to run: suites, protocols and services."""

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from actors.core.registry import PROTOCOLS
from actors.services.registry import all_kinds
from experiments.estimate import duration, expected_s
from experiments.spec import load_suite, shipped_suites
from experiments.sweep import expand


def show(console: Console) -> None:
    """Print the name of each with a line that describes it."""
    _show(console, "Suites", {name: _describe_suite(name) for name in shipped_suites()})
    _show(console, "Protocols", {name: each.description for name, each in PROTOCOLS.items()})
    _show(console, "Services", {name: each.description for name, each in all_kinds().items()})


def _describe_suite(name: str) -> str:
    suite = load_suite(name)
    runs = expand(suite)
    return f"{suite.description} ({len(runs)} runs, about {duration(expected_s(runs))})"


def _show(console: Console, title: str, descriptions: Mapping[str, str]) -> None:
    table = Table(title=title, title_justify="left", show_header=False, box=None)
    table.add_column(no_wrap=True)
    table.add_column()
    for name, description in descriptions.items():
        table.add_row(name, description)
    console.print(table)
