from itertools import product

import numpy as np
import pandas as pd
import pytest

from dashboards import theme
from dashboards.figures import batch_window
from experiments.summarise import summary
from tests.dashboards.result_set import runs_of

BATCHES = (512, 65_507)
WINDOWS = (1, 4, 16)


@pytest.fixture
def points() -> pd.DataFrame:
    """Each protocol's own batch size and window swept; throughput is their product."""
    tables = []
    for protocol, batch, window in product(("spaxos", "jpaxos"), BATCHES, WINDOWS):
        prefix = "dissemination_" if protocol == "spaxos" else ""
        swept = {f"{prefix}batch_bytes_max": batch, f"{prefix}window": window}
        tables.append(runs_of((protocol,), clients=(1_000,)).assign(**swept))
    points = summary(pd.concat(tables, ignore_index=True))
    is_jpaxos = points["protocol"] == "jpaxos"
    own = points["batch_bytes_max"] * points["window"]
    disseminated = points["dissemination_batch_bytes_max"] * points["dissemination_window"]
    points["throughput_rps"] = own.where(is_jpaxos, disseminated).astype(float)
    return points


def test_each_protocol_has_a_map_of_the_settings_that_govern_it(points: pd.DataFrame) -> None:
    figure = batch_window.draw(points)
    assert [note.text for note in figure.layout.annotations] == ["JPaxos", "S-Paxos"]
    for cells in figure.data:
        assert list(cells.x) == ["1", "4", "16"]
        assert list(cells.y) == ["512", "65,507"]
        np.testing.assert_array_equal(cells.z, np.outer(BATCHES, WINDOWS))
    titles = [axis.title.text for axis in (*figure.select_xaxes(), *figure.select_yaxes())]
    assert len(set(titles)) == 4
    assert all(title.endswith(")") for title in titles)


def test_numbers_are_written_in_the_cells(points: pd.DataFrame) -> None:
    cells = batch_window.draw(points).data[0]
    assert cells.text[0][1] == theme.si(2_048)
    assert cells.texttemplate == "%{text}"


def test_each_scale_is_of_its_protocols_colour_and_from_zero_to_its_best(
    points: pd.DataFrame,
) -> None:
    slower = points.assign(
        throughput_rps=points["throughput_rps"].mask(points["protocol"] == "jpaxos", 7.0)
    )
    jpaxos, spaxos = batch_window.draw(slower).data
    assert [(cells.zmin, cells.zmax) for cells in (jpaxos, spaxos)] == [(0, 7), (0, 16 * 65_507)]
    for cells, protocol in ((jpaxos, "jpaxos"), (spaxos, "spaxos")):
        strengths = [theme.tint(protocol, share / 100) for share in range(101)]
        assert cells.colorscale[-1][1] in strengths
    assert jpaxos.colorbar.x < spaxos.colorbar.x


def test_hover_labels_say_which_cell_it_is(points: pd.DataFrame) -> None:
    text = batch_window.draw(points).data[1].hovertext[1][2]
    assert text.startswith("<b>S-Paxos</b>")
    assert "(open batches a host): 16" in text
    assert "Disseminated batch size (bytes): 65,507" in text


def test_a_cell_that_was_not_run_stays_empty(points: pd.DataFrame) -> None:
    missing = (points["protocol"] == "jpaxos") & (points["throughput_rps"] == 512)
    z = np.array(batch_window.draw(points[~missing]).data[0].z, float)
    assert np.isnan(z[0, 0])
    assert np.isfinite(z).sum() == z.size - 1


def test_one_protocol_alone_has_one_map(points: pd.DataFrame) -> None:
    figure = batch_window.draw(points[points["protocol"] == "spaxos"])
    assert len(figure.data) == 1
    assert figure.layout.annotations[0].text == "S-Paxos"


def test_a_cell_knows_the_row_of_its_point(points: pd.DataFrame) -> None:
    for cells in batch_window.draw(points).data:
        for names, numbers in zip(cells.customdata, cells.z, strict=True):
            assert points.loc[list(names), "throughput_rps"].tolist() == list(numbers)
