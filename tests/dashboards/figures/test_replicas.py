import pandas as pd

from dashboards.figures import replicas
from experiments.summarise import summary
from tests.dashboards.result_set import runs_of


def test_there_is_a_line_a_protocol_over_the_numbers_of_replicas_that_were_run() -> None:
    figure = replicas.draw(summary(runs_of(replicas=(11, 3, 7), clients=(4_000,))))
    assert [trace.name for trace in figure.data] == ["JPaxos", "S-Paxos"]
    assert [list(trace.x) for trace in figure.data] == [[3, 7, 11]] * 2
    assert list(figure.layout.xaxis.tickvals) == [3, 7, 11]


def test_other_numbers_of_clients_make_lines_of_their_own() -> None:
    points: pd.DataFrame = summary(runs_of(("jpaxos",), replicas=(3, 5), clients=(1, 4_000)))
    names = [trace.name for trace in replicas.draw(points).data]
    assert names == ["JPaxos, clients = 1", "JPaxos, clients = 4,000"]
