"""Reports: every result set as one file that can be read offline and sent to others."""

from io import BytesIO
from pathlib import Path
from typing import Any

import dash_mantine_components as dmc
from dash import Dash
from flask import Response, send_file

from dashboards import report, reproduction
from dashboards.app.library import Library
from dashboards.app.parts import no_results, report_link, table
from experiments.results import ResultsError


def layout(library: Library, _query: str) -> Any:
    """Return the page."""
    rows = [
        *([name, "reproduction", report_link(name)] for name in library.reproductions()),
        *(
            [folder.name, "results", folder.problem or report_link(folder.name)]
            for folder in library.folders()
        ),
    ]
    if not rows:
        return no_results("Nothing to report yet", library.root)
    return dmc.Stack(
        [
            dmc.Title("Reports", order=2),
            dmc.Text(
                "A report is one HTML file with everything in it: what was found, figures, every "
                "run, settings, environment. It loads nothing, so that it can be kept and sent.",
                c="dimmed",
                maw="90ch",
            ),
            table(["folder", "holds", "report"], rows),
        ]
    )


def connect(app: Dash, library: Library) -> None:
    """Have the links lead to the files."""

    def send_report(name: str) -> Response:
        try:
            page = _report(library, name)
        except ResultsError as error:
            return Response(f"{error}\n", status=404, mimetype="text/plain")
        file_name = "-".join(["paxoscope", *Path(name).parts])
        return send_file(
            BytesIO(page.encode()),
            mimetype="text/html",
            as_attachment=True,
            download_name=f"{file_name}.html",
        )

    app.server.add_url_rule("/report/<path:name>", view_func=send_report)
    app.server.add_url_rule("/report/", defaults={"name": "."}, view_func=send_report)


def _report(library: Library, name: str) -> str:
    """Return the report of a folder that the library knows; raises ResultsError."""
    if name in library.reproductions():
        folder = library.reproduction(name)
        return reproduction.render(folder, reproduction.drawable(folder))
    return report.of(library.path(name))
