"""What several pages are put together from."""

from typing import Any

import dash_mantine_components as dmc

GRAPH = {
    "displaylogo": False,
    "responsive": True,
    "modeBarButtonsToRemove": ["select2d", "lasso2d"],
    "toImageButtonOptions": {"format": "svg"},
    # Plotly would offer to send the figure to its makers' server.
    "showSendToCloud": False,
    "plotlyServerURL": "",
}
"""How graphs behave: their camera makes an SVG."""


def problem(title: str, *lines: str) -> Any:
    """Return a notice that something cannot be shown, and why."""
    return dmc.Alert([dmc.Text(line, size="sm") for line in lines], title=title, color="orange")
