"""Plotly's script is ready sooner, and draws all that figures here are made of."""

import re
from pathlib import Path

from plotly.offline import get_plotlyjs

import dashboards
from dashboards import plotly_script

FIGURES = Path(dashboards.__file__).parent / "figures"
NO_TRACES = {"figure", "layout"}


def test_the_version_that_is_pinned_is_made_leaner() -> None:
    whole, lean = get_plotlyjs(), plotly_script.text()
    assert len(whole) - 400 < len(lean) < len(whole)
    (taken_up,) = re.findall(r"\.register\(\[((?:[\w$]+\(\),?)+)\]\)", lean)
    assert len(taken_up.split(",")) == len(plotly_script.TRACES)


def test_it_keeps_every_kind_of_trace_that_figures_are_drawn_with() -> None:
    sources = [path.read_text(encoding="utf-8") for path in FIGURES.parent.rglob("*.py")]
    drawn = {name.lower() for source in sources for name in re.findall(r"\bgo\.(\w+)\(", source)}
    assert {"bar", "scatter"} < drawn
    assert drawn - NO_TRACES <= plotly_script.TRACES | {"scatter"}


def test_a_script_of_another_make_is_left_as_it_is() -> None:
    assert plotly_script.lean("window.Plotly = {};") == "window.Plotly = {};"
    whole = get_plotlyjs()
    for part in ('"bar"', '"use strict";var Plotly', "return Plotly;", ".register(["):
        other = whole.replace(part, part.replace("r", "_"))
        assert plotly_script.lean(other) == other
