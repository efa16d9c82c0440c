"""The report's frame: one HTML page that loads nothing from anywhere."""

from string import Template

from dashboards import theme

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
pre { overflow-x: auto; padding: 12px 16px; background: #f5f7fa; font-size: 14px; }
code, pre { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
@media (max-width: 640px) { main { padding: 24px 16px 48px; } }
@media print {
  main { max-width: none; padding: 0; }
  section.figure, tr { break-inside: avoid; }
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


def page(title: str, body: str, plotly: str) -> str:
    """Return the page; `title` and `body` are HTML, `plotly` is the source of plotly.js."""
    style = Template(_STYLE).substitute(
        paper=theme.PAPER, ink=theme.INK, muted=theme.MUTED, grid=theme.GRID, font=theme.FONT
    )
    return Template(_PAGE).substitute(title=title, style=style, body=body, plotly=plotly)
