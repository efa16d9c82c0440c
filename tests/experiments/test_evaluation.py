import pytest

from actors.sim.cluster import SimulatedCluster
from experiments import summarise
from experiments.claims import CLAIMS
from experiments.evaluation import FIGURES, PARTS, suites_of
from experiments.measured import measured
from experiments.spec import load_suite
from experiments.sweep import expand


@pytest.mark.parametrize("name", PARTS)
def test_every_suite_of_the_evaluation_is_shipped_and_has_a_shorter_form(name: str) -> None:
    whole = load_suite(name)
    quick = load_suite(name, PARTS[name].quick)
    load_s = [sum(run.config.load_s for run in expand(suite)) for suite in (whole, quick)]
    assert load_s[1] < load_s[0]


@pytest.mark.parametrize("figure_id", FIGURES)
def test_every_figure_is_drawn_from_suites_of_the_evaluation(figure_id: str) -> None:
    figure = FIGURES[figure_id]
    assert figure.figure_id == figure_id
    assert set(figure.suites) <= PARTS.keys()
    assert figure.see.endswith(".")


def test_every_suite_is_there_for_a_figure_and_every_claim_for_a_suite() -> None:
    assert {part.suite for part in suites_of(list(FIGURES))} == PARTS.keys()
    assert {suite for claim in CLAIMS for suite in claim.suites} <= PARTS.keys()
    assert len({claim.claim_id for claim in CLAIMS}) == len(CLAIMS)


def test_a_suite_that_several_figures_share_is_run_once() -> None:
    parts = suites_of(["throughput-clients", "response-clients", "unloaded-latency"])
    assert [part.suite for part in parts] == ["srds12_clients", "srds12_unloaded"]


def test_jpaxos_peaks_where_the_profile_is_fitted_to() -> None:
    suite = load_suite("srds12_clients", ["protocol=jpaxos", "clients=1000", "duration_s=4"])
    (config,) = suite.points()
    found = measured(SimulatedCluster(config.load_config()).run(config.load_s))
    numbers = summarise.measure(config, **found.tables)
    assert found.safety == "ok"
    assert numbers["throughput_rps"] == pytest.approx(70_000, rel=0.02)
