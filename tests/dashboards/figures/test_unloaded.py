import pandas as pd
import pytest

from dashboards.figures import unloaded
from experiments.summarise import summary
from tests.dashboards.result_set import runs_of


@pytest.fixture
def points() -> pd.DataFrame:
    """JPaxos takes n ms, S-Paxos 1 ms more; the same with votes to the leader."""
    tables = [
        runs_of(replicas=(5, 3), clients=(1,)).assign(accept_to=accept_to)
        for accept_to in ("leader", "all")
    ]
    points = summary(pd.concat(tables, ignore_index=True))
    return points.assign(
        latency_ms_mean=points["replicas"] + 1.0 * (points["protocol"] == "spaxos")
    )


def test_bars_stand_by_receivers_of_votes_then_by_n(points: pd.DataFrame) -> None:
    assert list(unloaded.draw(points).layout.xaxis.ticktext) == [
        "n = 3<br>votes to all",
        "n = 5<br>votes to all",
        "n = 3<br>votes to the leader",
        "n = 5<br>votes to the leader",
    ]


def test_what_is_longer_than_jpaxos_is_written_in_percent(points: pd.DataFrame) -> None:
    _, jpaxos, _, spaxos = unloaded.draw(points).data
    assert list(jpaxos.text) == ["3.00", "5.00"] * 2
    assert list(spaxos.text) == ["4.00<br><b>+33%</b>", "6.00<br><b>+20%</b>"] * 2


def test_the_extra_is_over_jpaxos_with_the_same_settings(points: pd.DataFrame) -> None:
    is_halved = (points["protocol"] == "jpaxos") & (points["accept_to"] == "all")
    halves = points["latency_ms_mean"].where(~is_halved, points["latency_ms_mean"] / 2)
    faster = points.assign(latency_ms_mean=halves)
    faster["more"] = unloaded.over_jpaxos(faster)
    more = faster.set_index(["protocol", "accept_to", "replicas"])["more"]
    assert more["spaxos", "all", 3] == pytest.approx(4 / 1.5 - 1)
    assert more["spaxos", "leader", 3] == pytest.approx(4 / 3 - 1)
    assert more["jpaxos"].isna().all()


def test_without_jpaxos_there_is_nothing_to_compare_with(points: pd.DataFrame) -> None:
    figure = unloaded.draw(points[points["protocol"] == "spaxos"])
    assert list(figure.data[1].text) == ["4.00", "6.00"] * 2


def test_the_axis_of_latency_has_its_unit(points: pd.DataFrame) -> None:
    assert unloaded.draw(points).layout.yaxis.title.text == "Mean latency (ms)"
