import pandas as pd

from dashboards.offered import open_loop


def points(*rows: tuple[float, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["arrival_rate_rps", "throughput_rps"])


def test_points_go_from_the_least_offered_load_to_the_most() -> None:
    offered = open_loop(points((3e4, 3e4), (1e4, 1e4), (2e4, 2e4)))
    assert offered["arrival_rate_rps"].tolist() == [1e4, 2e4, 3e4]


def test_a_point_keeps_up_that_answers_nearly_all_that_arrives() -> None:
    offered = open_loop(points((1_000.0, 1_010.0), (10_000.0, 9_700.0), (100_000.0, 96_900.0)))
    assert offered["kept_up"].tolist() == [True, True, False]


def test_closed_loop_points_are_left_out() -> None:
    assert open_loop(points((0.0, 5e4), (1e4, 1e4)))["throughput_rps"].tolist() == [1e4]
