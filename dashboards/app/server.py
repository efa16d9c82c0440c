"""The application: pages in a frame, found by their address, and the server that serves them."""

import ipaddress
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple, NoReturn

import waitress  # type: ignore[import-untyped] # It publishes no type information.
from dash import Dash, Input, Output, State
from flask import Flask

from dashboards.app import (
    compared,
    explore,
    export,
    frame,
    live,
    messages,
    one_run,
    reports,
    reproduced,
    security,
)
from dashboards.app.library import Library
from dashboards.app.parts import problem
from experiments.errors import InputError, Terminated


class Page(NamedTuple):
    """A page: what it is called, and what shows it for the query of a link."""

    title: str
    layout: Callable[[Library, str], Any]
    is_in_head: bool = True


PAGES = {
    "/": Page("Explore", explore.layout),
    "/run": Page("Run", one_run.layout, is_in_head=False),
    "/live": Page("Live", live.layout),
    "/compare": Page("Compare", compared.layout),
    "/messages": Page("Messages", messages.layout),
    "/reproduction": Page("Reproduction", reproduced.layout),
    "/reports": Page("Reports", reports.layout),
}
"""By address."""

_log = logging.getLogger(__name__)

_THREADS = 8
"""Requests that are answered at once: a browser asks for six things at a time."""


def create(root: Path, hosts: Sequence[str] | None = security.LOOPBACK_NAMES) -> Dash:
    """Return the application over the result folders below `root`; it loads nothing from afar.

    It answers those who call it by one of the names `hosts`; with None, by any.
    """
    library = Library(root)
    app = Dash(
        "paxoscope",
        title="Paxoscope",
        update_title="",  # The window keeps its title while something is computed.
        assets_folder=str(Path(__file__).parent / "assets"),
        serve_locally=True,
        suppress_callback_exceptions=True,  # Pages come and go.
    )
    app.index_string = frame.dressed(app.index_string)
    app.layout = frame.layout(root)
    _route(app, library)
    frame.connect(app)
    export.connect(app)
    for page in (explore, one_run, live, compared, messages, reproduced, reports):
        page.connect(app, library)
    security.protect(app, hosts)
    return app


def _route(app: Dash, library: Library) -> None:
    in_head = [(path, page.title) for path, page in PAGES.items() if page.is_in_head]

    @app.callback(
        Output("page", "children"),
        Output("links", "children"),
        Output("title", "data"),
        Input("address", "pathname"),
        State("address", "search"),
    )
    def show(path: str | None, query: str | None) -> tuple[Any, Any, str]:
        address = "/" + (path or "").strip("/")
        page = PAGES.get(address, _NOT_FOUND)
        shown = _shown(page, library, (query or "").removeprefix("?"))
        return shown, frame.links(in_head, address), f"{page.title} - Paxoscope"


def _shown(page: Page, library: Library, query: str) -> Any:
    try:
        return page.layout(library, query)
    except Exception as error:  # Whatever it is, readers are to be told, not to look at nothing.
        _log.exception("the page %s cannot be shown", page.title)
        return problem("This page cannot be shown", f"{type(error).__name__}: {error}")


_NOT_FOUND = Page(
    "Not found", lambda _library, _query: problem("Not found", "There is no such page.")
)


# --- Serving ------------------------------------------------------------------------------------


def serve(root: Path, host: str, port: int) -> NoReturn:
    """Serve the application until a signal ends it; raises KeyboardInterrupt then.

    With port 0, at one that is free. Raises InputError where nothing can be served at that address.
    """
    ends = _signals_raise()
    with _listen(host, port) as listening:
        app = create(root, _answers_to(host))
        if not _is_loopback(host):
            _warn(host)
        name = f"[{host}]" if ":" in host else host
        print(f"dashboard: http://{name}:{listening.getsockname()[1]}/", flush=True)
        answer(app.server, listening)
    raise ends[-1]


def answer(app: Flask, listening: socket.socket) -> None:
    """Answer whoever calls at `listening`, until a signal raises."""
    # A browser asks for more at once than there are threads: no news for a terminal.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    server = waitress.create_server(app, sockets=[listening], threads=_THREADS)
    server.run()  # Swallows what a signal raises.


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise InputError(f"cannot serve at {host}, port {port}: {reason}") from error


def _answers_to(host: str) -> Sequence[str] | None:
    """Return what a server at an address is called by those who may ask it; None for anything."""
    # There are many loopback addresses: a page from afar has the name of none of them.
    return (*security.LOOPBACK_NAMES, host.lower()) if _is_loopback(host) else None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _warn(host: str) -> None:
    print(
        f"paxoscope: whoever can reach {host} can read all these results: there is no password",
        file=sys.stderr,
    )


def _signals_raise() -> list[KeyboardInterrupt]:
    """Have Ctrl-C and SIGTERM raise what ends a command; return where it is kept."""
    ends: list[KeyboardInterrupt] = []

    def end(number: int, _: FrameType | None) -> None:
        ends.append(Terminated() if number == signal.SIGTERM else KeyboardInterrupt())
        raise ends[-1]

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    return ends
