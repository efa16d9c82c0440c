"""What reports are put together from: an HTML page that loads nothing, and pieces to fill it."""

from collections.abc import Iterable, Sequence
from html import escape
from string import Template

import plotly.graph_objects as go
import plotly.io

from dashboards import plotly_script, theme

_PLOTLY_CONFIG = {
    "responsive": True,
    "displaylogo": False,
    "modeBarButtonsToRemove": ["select2d", "lasso2d"],
    # Plotly would offer to send the figure to its makers' server.
    "showSendToCloud": False,
    "plotlyServerURL": "",
}

_STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0; background: $paper; color: $ink; font: 16px/1.55 $font; }
main { max-width: 1200px; margin: 0 auto; padding: 40px 32px 72px; }
h1 { margin: 0 0 4px; font-size: 30px; line-height: 1.2; letter-spacing: -0.01em; }
h2 { margin: 48px 0 4px; font-size: 21px; line-height: 1.3; }
p { margin: 0 0 12px; }
header p, p.see, footer { color: $muted; }
p { max-width: 96ch; }
dl.words { margin: 24px 0 0; padding: 20px 24px; border-left: 4px solid $ink; background: #f5f7fa;
  max-width: none; }
dl.words dt { font-weight: 650; }
dl.words dd { margin: 0 0 12px; max-width: 100ch; }
dl.words dd:last-child { margin-bottom: 0; }
dl.words ul { margin: 0; padding-left: 20px; }
dl.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(330px, 100%), 1fr));
  gap: 0 32px; margin: 12px 0 0; font-size: 14px; }
dl.facts div { display: flex; justify-content: space-between; gap: 16px; padding: 4px 0;
  border-bottom: 1px solid $grid; }
dl.facts dt { color: $muted; }
dl.facts dd { margin: 0; text-align: right; overflow-wrap: anywhere;
  font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; margin-top: 12px; }
table { border-collapse: collapse; width: 100%; font-size: 13px; line-height: 1.35;
  font-variant-numeric: tabular-nums; }
th, td { padding: 5px 10px 5px 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid $grid; }
th { color: $muted; font-weight: 600; vertical-align: bottom; border-bottom-color: $muted; }
th.number, td.number { text-align: right; }
td.number { white-space: nowrap; }
tr.bad td { background: #fdf0e9; }
h3 { margin: 28px 0 0; font-size: 17px; }
p.source { color: $muted; font-size: 14px; }
a { color: #0b5cad; text-decoration: none; }
a:hover { text-decoration: underline; }
ol.contents { columns: 3 280px; margin: 28px 0 0; padding-left: 24px; font-size: 15px; }
.verdict, .severity { padding: 1px 8px; border-radius: 9px; font-weight: 600; white-space: nowrap; }
.verdict.holds { background: #dcf1e7; color: #04543a; }
.verdict.partly, .severity.warning { background: #fdf0c8; color: #6b4a00; }
.verdict.untold { background: $grid; color: $ink; }
.verdict.fails, .severity.error { background: #fbdcd3; color: #8a2800; }
.severity.note { background: #e6ebf2; color: #33415c; }
ul.care { margin: 12px 0 0; padding: 0; list-style: none; }
ul.care li { margin: 0 0 10px; max-width: 100ch; }
abbr.care { padding: 0 5px; border-radius: 7px; background: #fdf0c8; color: #6b4a00;
  font-weight: 700; text-decoration: none; cursor: help; }
pre { overflow-x: auto; padding: 12px 16px; background: #f5f7fa; font-size: 14px; }
code, pre { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
@media (max-width: 640px) { main { padding: 24px 16px 48px; } }
@media print {
  main { max-width: none; padding: 0; }
  div.figure, tr { break-inside: avoid; }
  h2 { break-after: avoid; }
  .modebar { display: none; }
}
"""

# The policy lets the page run its own scripts and load nothing: neither a figure nor a value that
# slipped through can make a request.
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none';\
 script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:">
<title>$title</title>
<style>$style</style>
<script>$plotly</script>
</head>
<body>
<main>
$body
</main>
</body>
</html>
"""


def page(title: str, body: str) -> str:
    """Return the page, with plotly.js inside; `title` and `body` are HTML."""
    colours = theme.SCHEMES["light"]._asdict()
    style = Template(_STYLE).substitute(colours, font=theme.FONT)
    return Template(_PAGE).substitute(
        title=title, style=style, body=body, plotly=plotly_script.text()
    )


def section(heading: str, content: str, anchor: str = "") -> str:
    """Return a section of the page, all HTML; an anchor is what links to it name."""
    named = f' id="{escape(anchor)}"' if anchor else ""
    return f"<section{named}><h2>{heading}</h2>{content}</section>"


def drawing(figure: go.Figure) -> str:
    """Return a figure as HTML, without its title: on a page a heading says that."""
    top = figure.layout.margin.t or figure.layout.template.layout.margin.t
    untitled = go.Figure(figure).update_layout(title=None, margin_t=top - theme.TITLE_PIXELS)
    untitled.update_traces(customdata=None)  # The names of rows lead nowhere without the tables.
    html: str = plotly.io.to_html(
        untitled, full_html=False, include_plotlyjs=False, config=_PLOTLY_CONFIG
    )
    return f'<div class="figure">{html}</div>'


def paragraph(text: str, style: str = "") -> str:
    """Return a paragraph of HTML."""
    return f'<p class="{style}">{text}</p>' if style else f"<p>{text}</p>"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], numeric: Sequence[str] = ()) -> str:
    """Return a table of HTML cells; the columns whose heads are `numeric` are set to the right."""
    styles = ["number" if head in numeric else "" for head in heads]
    head = "".join(map(_head, heads, styles))
    body = "".join(f"<tr>{''.join(map(_cell, row, styles))}</tr>" for row in rows)
    return (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _head(content: str, style: str) -> str:
    return f'<th class="{style}">{content}</th>' if style else f"<th>{content}</th>"


def _cell(content: str, style: str) -> str:
    return f'<td class="{style}">{content}</td>' if style else f"<td>{content}</td>"


def facts(facts: Iterable[tuple[str, str]]) -> str:
    """Return a list of facts: a name, which is escaped, and its value as HTML."""
    items = "".join(f"<div><dt>{escape(key)}</dt><dd>{value}</dd></div>" for key, value in facts)
    return f'<dl class="facts">{items}</dl>'


def words(findings: Iterable[tuple[str, str, Sequence[str]]]) -> str:
    """Return what a page says first: a heading, text and a list each, all HTML."""
    return f'<dl class="words">{"".join(_words(*each) for each in findings)}</dl>'


def _words(heading: str, text: str, items: Sequence[str]) -> str:
    listed = "".join(f"<li>{item}</li>" for item in items)
    return f"<dt>{heading}</dt><dd>{text}{f'<ul>{listed}</ul>' if items else ''}</dd>"
