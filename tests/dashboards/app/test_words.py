"""Words of the report become components; what a file holds stays text."""

import dash_mantine_components as dmc
from dash import html

from dashboards.app.words import components


def test_emphasis_is_kept() -> None:
    found = components("up to <strong>2 times</strong>, <em>so</em>: <code>run</code>")
    assert [type(each) for each in found] == [str, html.Strong, str, html.Em, str, dmc.Code]
    assert found[1].children == "2 times"


def test_what_was_escaped_and_all_other_markup_is_text() -> None:
    said = components("&lt;script&gt;1&lt;/script&gt; <a href='x'>a link</a>")
    assert "".join(map(str, said)) == "<script>1</script> a link"
    assert {type(each) for each in said} == {str}
