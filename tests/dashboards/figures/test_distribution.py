"""The latencies of one run: those of its window, and how far its rarest can be believed."""

import numpy as np
import pandas as pd
import pytest

from dashboards.figures import distribution
from experiments.summarise import PERCENTILES, in_window, percentiles
from tests.dashboards.result_set import disturbed

FOUND = disturbed("", protocols=("jpaxos",))
RUN = FOUND.runs.iloc[0]


def test_the_line_passes_through_the_percentiles_of_the_window() -> None:
    solid, dotted, _ = distribution.draw(RUN, FOUND.latency, FOUND.timeline).data
    window = in_window(FOUND.timeline, RUN["warmup_s"], RUN["duration_s"])
    exact = percentiles(window, FOUND.latency)
    x, y = (np.concatenate([solid[key], dotted[key]]) for key in ("x", "y"))
    for column, q in PERCENTILES.items():
        reached = y[np.searchsorted(x, 1 / (1 - q / 100) - 1e-6)]
        assert reached == pytest.approx(exact[column])


def test_where_fewer_than_10_requests_lie_beyond_the_line_is_dotted() -> None:
    rows = pd.DataFrame({"fleet": 0, "bin": 25, "bucket": [100, 200, 300, 400], "count": 1})
    rows["count"] = [900, 85, 10, 5]
    solid, dotted, _ = distribution.draw(RUN, rows, FOUND.timeline).data
    # Beyond the second bucket lie 15; beyond the third 5.
    assert (solid.line.dash, dotted.line.dash) == ("solid", "dot")
    assert solid.x == pytest.approx((1.0, 10.0, 1000 / 15, 200.0))
    assert dotted.x == pytest.approx((1000 / 15, 200.0, 1e5))


def test_the_histogram_counts_every_request_of_the_window() -> None:
    *_, histogram = distribution.draw(RUN, FOUND.latency, FOUND.timeline).data
    window = in_window(FOUND.timeline, RUN["warmup_s"], RUN["duration_s"])["bin"]
    assert sum(histogram.y) == FOUND.latency[FOUND.latency["bin"].isin(window)]["count"].sum()


def test_a_run_without_a_reply_can_be_drawn() -> None:
    figure = distribution.draw(RUN, FOUND.latency.head(0), FOUND.timeline)
    assert all(len(trace.x) == 0 for trace in figure.data)


def test_the_axis_of_shares_goes_to_four_nines_and_both_others_say_their_unit() -> None:
    figure = distribution.draw(RUN, FOUND.latency, FOUND.timeline)
    assert figure.layout.xaxis.ticktext == ("50", "90", "99", "99.9", "99.99")
    assert figure.layout.yaxis.title.text == figure.layout.xaxis2.title.text == "Latency (ms)"


def test_where_all_requests_took_as_long_there_is_a_line_and_a_mark() -> None:
    rows = pd.DataFrame({"fleet": 0, "bin": [25], "bucket": [100], "count": [900]})
    solid, _, histogram = distribution.draw(RUN, rows, FOUND.timeline).data
    assert solid.x == pytest.approx((1.0, 1e5))
    assert solid.y[0] == solid.y[1]
    assert histogram.mode == "markers"
