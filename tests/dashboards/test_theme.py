import json
import math
from itertools import product

import numpy as np
import pandas as pd
import pytest

from dashboards import theme


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.0123, "0.0123"),
        (0.54, "0.540"),
        (12, "12.0"),
        (909.4, "909"),
        (12_345, "12,345"),
        (-1.5, "-1.50"),
        (-1e300, "-1.00e+300"),
        (1e-300, "1.00e-300"),
        (math.nan, theme.GAP),
        (math.inf, theme.GAP),
    ],
)
def test_numbers_have_three_significant_digits_and_are_short(value: float, text: str) -> None:
    assert theme.significant(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (999, "999 requests/s"),
        (1_000, "1.00 k requests/s"),
        (1_234_567, "1.23 M requests/s"),
        (2.5e9, "2.50 G requests/s"),
    ],
)
def test_si_numbers_have_a_prefix_and_a_unit(value: float, text: str) -> None:
    assert theme.si(value, "requests/s") == text


def test_each_protocol_has_a_colour_of_its_own() -> None:
    protocols = ("jpaxos", "spaxos", "multipaxos", "one-of-the-readers-own")
    assert len({theme.colour(protocol) for protocol in protocols}) == len(protocols)


def test_a_protocol_without_a_name_here_is_shown_by_its_own_escaped() -> None:
    assert theme.label("<raft>") == "&lt;raft&gt;"


def test_a_tint_runs_from_nothing_to_the_pure_colour() -> None:
    assert theme.tint("spaxos", 0) == "rgba(213, 94, 0, 0)"
    assert theme.tint("spaxos", 0.25) == "rgba(213, 94, 0, 0.25)"
    assert theme.tint("spaxos", 1) == theme.colour("spaxos")


def test_no_two_hosts_of_a_large_run_look_alike() -> None:
    looks = {json.dumps(theme.host_line(host)) for host in range(31)}
    assert len(looks) == 31
    assert len({theme.host_line(host)["color"] for host in range(7)}) == 7


def _luminance(colour: str) -> float:
    """Return the relative luminance of a colour such as `#0072B2`, as WCAG 2 defines it."""
    shares = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in shares]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


def _contrast(one: str, other: str) -> float:
    """Return the contrast ratio of WCAG 2, from 1 to 21."""
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", theme.SCHEMES.values(), ids=theme.SCHEMES)
def test_lines_and_letters_have_the_contrast_that_wcag_asks_for(scheme: theme.Scheme) -> None:
    """3:1 for graphical objects (1.4.11), 4.5:1 for text (1.4.3)."""
    for colour in (*theme.COLOURS, *theme.HOST_COLOURS, theme.MUTED):
        assert _contrast(colour, scheme.paper) >= 3, colour
    for ink in (scheme.ink, scheme.muted):
        assert _contrast(ink, scheme.paper) >= 4.5, ink


def _over(colour: str, paper: str, strength: float) -> str:
    """Return what is seen of a colour that lets so much of the paper through."""
    pairs = [
        (int(colour[start : start + 2], 16), int(paper[start : start + 2], 16))
        for start in (1, 3, 5)
    ]
    return "#" + "".join(f"{round(strength * a + (1 - strength) * b):02x}" for a, b in pairs)


@pytest.mark.parametrize("scheme", theme.SCHEMES, ids=theme.SCHEMES)
def test_hatching_stands_out_from_every_colour_and_tint_on_either_paper(scheme: str) -> None:
    template = theme.TEMPLATES[scheme]
    stripes = template.data.bar[0].marker.pattern.fgcolor
    assert theme.hatching([True])["fgopacity"] == 1
    for colour, strength in product(theme.COLOURS, (0.5, 1.0)):
        ground = _over(colour, template.layout.paper_bgcolor, strength)
        assert _contrast(stripes, ground) >= 3, (colour, strength)


def test_the_templates_of_both_schemes_differ_in_colours_alone() -> None:
    light, dark = (
        json.dumps(each.to_plotly_json(), default=list) for each in theme.TEMPLATES.values()
    )
    assert light != dark
    for of_light, of_dark in zip(*theme.SCHEMES.values(), strict=True):
        dark = dark.replace(of_dark, of_light)
    assert light == dark


def test_plotly_knows_the_templates_by_name() -> None:
    figure = theme.figure("").update_layout(template="paxoscope-dark")
    assert figure.layout.template.layout.paper_bgcolor == theme.SCHEMES["dark"].paper


@pytest.mark.parametrize(
    ("values", "dtick"),
    [([1, 1_000], "D2"), ([1, 100_000], 1), ([1, math.nan, 9], "D2"), ([math.nan], "D2")],
)
def test_a_long_logarithmic_axis_has_fewer_labels(values: list[float], dtick: str | int) -> None:
    assert theme.log_axis("Clients (count)", values)["dtick"] == dtick


def test_error_bars_span_the_interval_of_a_measure() -> None:
    rows = pd.DataFrame({"x_low": [1.0, 5.0], "x": [2.0, 5.0], "x_high": [4.0, 5.0]})
    bars = theme.interval(rows, "x")
    assert (list(bars["arrayminus"]), list(bars["array"])) == ([1, 0], [2, 0])
    assert bars["visible"]


def test_a_single_repeat_has_no_error_bars() -> None:
    rows = pd.DataFrame({"x_low": [5.0], "x": [5.0], "x_high": [5.0]})
    assert not theme.interval(rows, "x")["visible"]
