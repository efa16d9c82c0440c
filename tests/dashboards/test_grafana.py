"""The dashboard for Grafana asks for what is exported, in a form that Grafana imports."""

import json
import re
from importlib.resources import files
from itertools import combinations
from typing import Any

import pytest

from experiments.exporter import METRICS, RUN_LABELS

DASHBOARD: dict[str, Any] = json.loads(
    (files("dashboards") / "grafana" / "paxoscope.json").read_text()
)
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
VARIABLES: dict[str, dict[str, Any]] = {
    each["name"]: each for each in DASHBOARD["templating"]["list"]
}
DATA_SOURCE = {"type": "prometheus", "uid": "${datasource}"}

EXPRESSIONS = [target["expr"] for panel in PANELS for target in panel["targets"]]
QUERIES = [
    *EXPRESSIONS,
    *(each["query"]["query"] for each in VARIABLES.values() if "definition" in each),
]

SELECTOR = re.compile(r"\b(ray_\w+)(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)=~?"([^"]*)"')
BUILT_IN = {"__rate_interval"}
GRID_COLUMNS = 24


def exported(name: str) -> set[str]:
    """Return the labels of a metric as Ray names it."""
    metric = METRICS[name.removeprefix("ray_")]
    return {*RUN_LABELS, *metric.labels}


def test_it_can_be_imported() -> None:
    assert DASHBOARD["uid"] == "paxoscope"
    assert DASHBOARD["title"]
    assert DASHBOARD["id"] is None, "the number in a database of Grafana's"
    assert DASHBOARD["schemaVersion"] >= 36, "older ones have other panels"
    assert {"time", "refresh", "version"} <= DASHBOARD.keys()


def test_the_data_source_is_chosen_in_grafana() -> None:
    """So that no import has to ask for it, and a folder that Grafana reads will do."""
    assert VARIABLES["datasource"]["type"] == "datasource"
    assert VARIABLES["datasource"]["query"] == "prometheus"
    assert "__inputs" not in DASHBOARD
    asked = [*PANELS, *(target for panel in PANELS for target in panel["targets"])]
    asked += [each for each in VARIABLES.values() if each["type"] == "query"]
    assert all(each["datasource"] == DATA_SOURCE for each in asked)


def test_every_panel_has_a_number_of_its_own_a_title_a_description_and_a_unit() -> None:
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    for panel in PANELS:
        assert panel["title"]
        assert panel["description"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        references = [target["refId"] for target in panel["targets"]]
        assert references
        assert len(set(references)) == len(references)
        assert all(target["legendFormat"] for target in panel["targets"])


def test_what_the_types_of_grafana_insist_on_is_there() -> None:
    """What else there is was compared with them: see docs/observe.md."""
    assert all(
        {"text", "value"} <= each.get("current", {"text": "", "value": ""}).keys()
        for each in VARIABLES.values()
    )
    needed = {
        "timeseries": {"legend": {"calcs", "displayMode", "placement", "showLegend"}},
        "heatmap": {
            "color": {"exponent", "fill", "reverse", "scheme", "steps"},
            "exemplars": {"color"},
            "showValue": set(),
        },
    }
    for panel in PANELS:
        for option, keys in needed[panel["type"]].items():
            assert keys <= set(panel["options"][option])


def test_panels_lie_beside_each_other() -> None:
    places = [panel["gridPos"] for panel in PANELS]
    assert all(at["x"] >= 0 and at["x"] + at["w"] <= GRID_COLUMNS for at in places)
    for one, other in combinations(places, 2):
        apart = (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )
        assert apart, (one, other)


@pytest.mark.parametrize("query", QUERIES)
def test_what_is_asked_for_is_exported(query: str) -> None:
    selectors = SELECTOR.findall(query)
    assert selectors
    for name, matchers in selectors:
        labels = {label for label, _ in MATCHER.findall(matchers)}
        assert labels <= exported(name), name
        assert matchers.count("=") == len(labels)


@pytest.mark.parametrize("query", EXPRESSIONS)
def test_what_is_grouped_by_is_a_label_of_all_that_is_asked_for(query: str) -> None:
    labels = set.intersection(*(exported(name) for name, _ in SELECTOR.findall(query)))
    grouped = re.findall(r"\bby \(([^)]*)\)", query)
    assert grouped, "Ray adds labels of its own"
    for names in grouped:
        assert set(names.split(", ")) <= labels


def test_legends_name_labels_that_are_left() -> None:
    for panel in PANELS:
        for target in panel["targets"]:
            named = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            assert named <= set(
                re.findall(r"\w+", " ".join(re.findall(r"by \(([^)]*)\)", target["expr"])))
            )


def test_every_metric_is_shown() -> None:
    shown = {name for query in EXPRESSIONS for name, _ in SELECTOR.findall(query)}
    assert shown == {f"ray_{name}" for name in METRICS}


def test_only_variables_are_used_that_are_there_and_each_one_is() -> None:
    text = json.dumps([QUERIES, [panel["datasource"] for panel in PANELS]])
    used = set(re.findall(r"\$\{?(\w+)", text))
    assert used - BUILT_IN == VARIABLES.keys()


@pytest.mark.parametrize("query", EXPRESSIONS)
def test_parentheses_and_braces_are_closed(query: str) -> None:
    for opening, closing in ("()", "{}", "[]"):
        assert query.count(opening) == query.count(closing)
