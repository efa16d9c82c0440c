import pandas as pd

from dashboards.offered import open_loop


def points(*rows: tuple[float, float], duration_s: float = 100.0) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["arrival_rate_rps", "throughput_rps"])
    return table.assign(duration_s=duration_s)


def test_points_go_from_the_least_offered_load_to_the_most() -> None:
    offered = open_loop(points((3e4, 3e4), (1e4, 1e4), (2e4, 2e4)))
    assert offered["arrival_rate_rps"].tolist() == [1e4, 2e4, 3e4]


def test_a_point_keeps_up_that_answers_nearly_all_that_arrives() -> None:
    offered = open_loop(points((1_000.0, 1_010.0), (10_000.0, 9_700.0), (100_000.0, 96_800.0)))
    assert offered["kept_up"].tolist() == [True, True, False]


def test_a_short_run_in_which_few_arrive_by_chance_keeps_up() -> None:
    """Of 2,500 requests 50 more or fewer are nothing special."""
    offered = open_loop(points((5_000.0, 4_800.0), (5_000.0, 4_400.0), duration_s=0.5))
    assert offered["kept_up"].tolist() == [True, False]


def test_closed_loop_points_are_left_out() -> None:
    assert open_loop(points((0.0, 5e4), (1e4, 1e4)))["throughput_rps"].tolist() == [1e4]
