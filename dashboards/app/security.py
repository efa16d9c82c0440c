"""What browsers are told about the pages, and whom the server answers."""

from collections.abc import Sequence
from urllib.parse import urlsplit

from dash import Dash
from flask import Response, abort, request

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "::1")
"""What the server is called by those who are on its own machine."""


def protect(app: Dash, hosts: Sequence[str] | None) -> None:
    """Have answers say what their pages may do; comes after the last callback.

    Requests that name another host than `hosts`, if given, are refused: a page from afar whose name
    was made to lead here (DNS rebinding) would otherwise be let in.
    """
    headers = {
        "Content-Security-Policy": _policy(app.csp_hashes()),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
    }

    def refuse_other_hosts() -> None:
        # Flask's own TRUSTED_HOSTS knows no addresses of IPv6.
        if hosts is not None and urlsplit(f"//{request.host}").hostname not in hosts:
            abort(400)

    def add_headers(response: Response) -> Response:
        response.headers.update(headers)
        return response

    app.server.before_request(refuse_other_hosts)
    app.server.after_request(add_headers)


def _policy(inline_scripts: Sequence[str]) -> str:
    """Return the policy: own scripts, and nothing from or to anywhere else."""
    allowed = {
        "default-src": ["'none'"],
        "script-src": ["'self'", *inline_scripts],
        # Plotly and Mantine write styles.
        "style-src": ["'self'", "'unsafe-inline'"],
        # Plotly makes images of figures.
        "img-src": ["'self'", "data:", "blob:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "base-uri": ["'none'"],
        "form-action": ["'none'"],
        "frame-ancestors": ["'none'"],
    }
    return "; ".join(" ".join([what, *sources]) for what, sources in allowed.items())
