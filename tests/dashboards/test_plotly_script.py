"""Plotly's script is ready sooner, and draws all that figures here are made of."""

import re
from pathlib import Path

import plotly.graph_objects as go
from plotly.basedatatypes import BaseTraceType
from plotly.offline import get_plotlyjs

import dashboards
from dashboards import plotly_script

SOURCES = Path(dashboards.__file__).parent
KINDS = {
    name.lower()
    for name in dir(go)
    if isinstance(each := getattr(go, name), type) and issubclass(each, BaseTraceType)
}


def test_the_version_that_is_pinned_is_made_leaner() -> None:
    whole, lean = get_plotlyjs(), plotly_script.text()
    assert len(whole) - 400 < len(lean) < len(whole)
    (taken_up,) = re.findall(r"\.register\(\[((?:[\w$]+\(\),?)+)\]\)", lean)
    assert len(taken_up.split(",")) == len(plotly_script.TRACES)


def test_it_keeps_every_kind_of_trace_that_figures_are_drawn_with() -> None:
    sources = [path.read_text(encoding="utf-8") for path in SOURCES.rglob("*.py")]
    named = re.findall(r"\bgo\.(\w+)\(|[\"']type[\"']: [\"'](\w+)[\"']", "\n".join(sources))
    drawn = {(made or told).lower() for made, told in named} & KINDS
    assert {"bar", "scatter"} < drawn
    assert drawn <= plotly_script.TRACES | {"scatter"}


def test_a_script_of_another_make_is_left_as_it_is() -> None:
    assert plotly_script.lean("window.Plotly = {};") == "window.Plotly = {};"
    whole = get_plotlyjs()
    for part in ('"bar"', '"use strict";var Plotly', "return Plotly;", ".register(["):
        other = whole.replace(part, part.replace("r", "_"))
        assert plotly_script.lean(other) == other
