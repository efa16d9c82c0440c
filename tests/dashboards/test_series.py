from dashboards.series import hover_text, hover_texts, split
from experiments.summarise import summary
from tests.dashboards.result_set import disturbed, runs_of


def test_there_is_one_curve_a_protocol_named_by_the_protocol_alone() -> None:
    assert [series.name for series in split(summary(runs_of()))] == ["JPaxos", "S-Paxos"]


def test_a_swept_setting_makes_curves_of_its_own_and_names_them() -> None:
    curves = split(summary(runs_of(replicas=(3, 5))))
    names = [series.name for series in curves]
    assert names == ["JPaxos, n = 3", "JPaxos, n = 5", "S-Paxos, n = 3", "S-Paxos, n = 5"]
    assert [series.rank for series in curves] == [0, 1, 0, 1]


def test_the_name_of_a_case_speaks_for_itself() -> None:
    points = summary(runs_of(("jpaxos",), replicas=(3, 5)))
    points["case"] = ["few" if n == 3 else "many" for n in points["replicas"]]
    assert "few" in split(points)[0].name.split(", ")


def test_a_curve_runs_from_few_clients_to_many() -> None:
    shuffled = summary(runs_of(clients=(1_000, 1, 30)))
    for series in split(shuffled):
        assert list(series.rows["clients"]) == [1, 30, 1_000]


def test_what_a_setting_says_is_escaped() -> None:
    points = summary(runs_of(("jpaxos",), replicas=(3, 5)))
    points["service"] = ["<script>" if n == 3 else "kv" for n in points["replicas"]]
    assert split(points)[0].name == "JPaxos, n = 3, service = &lt;script&gt;"


def test_a_long_text_is_cut_short_and_still_tells_curves_apart() -> None:
    words = ["", *(f"2 kill host leader; +3 {verb} it" for verb in ("pause", "restart", "resume"))]
    points = summary(disturbed(*words, protocols=("jpaxos",)).runs)
    assert [series.settings for series in split(points)] == [
        "faults = none",
        "faults = 2 kill host leader; +3 paus\u2026",
        "faults = 2 kill host leader; +3 rest\u2026",
        "faults = 2 kill host leader; +3 resu\u2026",
    ]
    points["faults"] = points["faults"].str.replace("+3", "and much later +3")
    assert [series.settings for series in split(points)][1:] == [
        "faults = 2 kill host leader; and muc\u2026",
        "faults = 2 kill host leader; and muc\u2026 (2)",
        "faults = 2 kill host leader; and muc\u2026 (3)",
    ]


def test_a_hover_label_gives_every_number_of_its_point() -> None:
    point = summary(runs_of(("jpaxos",), clients=(4_000,)))
    point["throughput_rps"] = 1_234_567.0
    (text,) = hover_texts(split(point)[0])
    for fact in ("Clients: 4,000", "1.23 M requests/s", "Latency p99.9:", "Repeats: 3"):
        assert fact in text


def test_a_table_without_rows_has_no_curves() -> None:
    assert split(summary(runs_of()).iloc[:0]) == []


def test_curves_along_another_setting_are_told_apart_by_their_clients() -> None:
    curves = split(summary(runs_of(("jpaxos",), replicas=(5, 3), clients=(1, 10))), "replicas")
    assert [series.name for series in curves] == ["JPaxos, clients = 1", "JPaxos, clients = 10"]
    assert [list(series.rows["replicas"]) for series in curves] == [[3, 5], [3, 5]]


def test_a_hover_label_gives_the_limit_where_there_is_one() -> None:
    (point,) = summary(runs_of(("jpaxos",), clients=(10,))).to_dict("records")
    assert "limit" not in hover_text("JPaxos", point)
    limited = point | {"limit_rps": 70_400.0, "limit_by": "CPU of the leader"}
    assert "Computed limit: 70.4 k requests/s (CPU of the leader)" in hover_text("", limited)
