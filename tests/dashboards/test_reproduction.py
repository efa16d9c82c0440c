import json
import re
from pathlib import Path

import pandas as pd
import pytest

from dashboards import care, plotly_script, reproduction
from experiments import messages
from experiments.evaluation import FIGURES
from experiments.results import TABLES, ResultsError, ResultsWriter
from experiments.spec import Suite
from tests.dashboards.result_set import counters_of, disturbed, failed, runs_of
from tests.dashboards.test_report import Page, of

SCORES = [
    {
        "id": f"claim-{number}",
        "claim": f"Claim {number} <b>",
        "paper": "70 & more",
        "ours": f"{number} kreq/s",
        "verdict": verdict,
        "reason": "because",
    }
    for number, verdict in enumerate(["reproduced", "trend", "not reproduced", "reproduced"])
]
PROVENANCE = [
    *("What is fitted, what is assumed", "Runs that do not count", care.HEADING),
    *("How long it took", "Environment", "Run it again"),
]


def write_suite(folder: Path, name: str, runs: pd.DataFrame, **tables: pd.DataFrame) -> None:
    """Write the results of a suite as a reproduction does; what is not among `tables` is empty."""
    empty = {each: pd.DataFrame(columns=["run_id", *TABLES[each]]) for each in TABLES}
    counters = counters_of(runs)
    tables = empty | ({"counters": counters} if len(counters) else {}) | tables
    with ResultsWriter(folder / name, Suite(name=name)) as writer:
        for row in runs.assign(suite=name).to_dict("records"):
            of_run = {each: of(row["run_id"], each, table) for each, table in tables.items()}
            writer.record(row, of_run)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "scorecard.json").write_text(json.dumps(SCORES))
    (tmp_path / "commands.txt").write_text("paxoscope reproduce --quick\n")
    return tmp_path


def rendered(folder: Path, *figure_ids: str) -> str:
    """Return the page without plotly.js, whose source would drown what a test looks for."""
    html = reproduction.render(folder, [FIGURES[each] for each in figure_ids])
    return html.replace(plotly_script.text(), "")


def words_of(html: str) -> str:
    return re.sub(r"<[^>]+>", "", re.sub(r"<script.*?</script>", "", html, flags=re.DOTALL))


def test_the_page_has_the_scorecard_the_figures_in_order_and_how_it_came_about(
    folder: Path,
) -> None:
    write_suite(folder, "srds12_clients", runs_of(repeats=1))
    path = reproduction.write(folder, ["balance", "throughput-clients", "host-load"])
    assert path == folder / "report.html"
    html = path.read_text(encoding="utf-8")
    assert html.count(plotly_script.text()) == 1
    assert Page(html.replace(plotly_script.text(), "")).headings == [
        reproduction.TITLE,
        "Scorecard",
        *(FIGURES[each].title for each in ("throughput-clients", "host-load", "balance")),
        *PROVENANCE,
    ]


def test_the_headline_says_what_holds_and_what_does_not(folder: Path) -> None:
    write_suite(folder, "srds12_clients", runs_of(repeats=1))
    html = rendered(folder, "throughput-clients")
    headline = html[html.index('<dl class="words">') : html.index("<nav>")]
    headings = re.findall("<dt>(.*?)</dt>", headline)
    assert headings[1:] == [
        *("Holds: 2 of 4 claims", "Holds as a trend: 1 of 4 claims"),
        "Does not hold: 1 of 4 claims",
    ]
    assert "Claim 2 &lt;b&gt;: <strong>2 kreq/s</strong> (claimed: 70 &amp; more)" in headline


def test_the_scorecard_has_a_row_a_claim_with_the_colour_of_its_verdict(folder: Path) -> None:
    write_suite(folder, "srds12_clients", runs_of(repeats=1))
    html = rendered(folder, "throughput-clients")
    assert re.findall(r'class="verdict (\w+)">([\w ]+)<', html) == [
        *(("holds", "reproduced"), ("partly", "trend"), ("fails", "not reproduced")),
        ("holds", "reproduced"),
    ]


def test_every_link_leads_somewhere_on_the_page_and_nothing_is_loaded(folder: Path) -> None:
    runs = failed(runs_of(repeats=1), 0, outcome="2.0 ms late")
    write_suite(folder, "srds12_clients", runs)
    page = Page(rendered(folder, "throughput-clients", "response-clients"))
    anchors = {attrs["id"] for tag, attrs in page.tags if tag == "section"}
    links = {attrs["href"] for tag, attrs in page.tags if tag == "a"}
    assert links == {f"#{anchor}" for anchor in anchors}
    assert not [attrs for _, attrs in page.tags if {"src", "data", "action"} & attrs.keys()]
    assert not {"link", "img", "iframe", "object", "embed"} & {tag for tag, _ in page.tags}


def test_what_the_linter_finds_names_its_suites_and_compares_no_two(folder: Path) -> None:
    write_suite(folder, "srds12_clients", runs_of(repeats=1))
    settled = runs_of(clients=(16_000,)).assign(duration_s=5.0, requests_per_frame_max=1)
    write_suite(folder, "srds12_replicas", failed(settled, 0, outcome="late"))
    html = rendered(folder, "throughput-clients", "throughput-replicas")
    said = words_of(html[html.index('<ul class="care">') :])
    assert re.search(
        "few-repeats 14 runs, for instance: 1 sound .* Found in srds12_clients, srds12_replicas",
        said,
    )
    assert "late" not in said[: said.index("How long it took")]
    assert "mixed-frames" not in said


def test_a_figure_comes_with_what_to_see_and_what_it_stands_on(folder: Path) -> None:
    runs = failed(runs_of(repeats=1).assign(profile="srds12", backend="sim"), 0, outcome="late")
    write_suite(folder, "srds12_clients", runs)
    text = words_of(rendered(folder, "throughput-clients"))
    assert FIGURES["throughput-clients"].see in text
    stands_on = "From srds12_clients: 12 runs (1 of each point); virtual time; host profile srds12"
    assert f"{stands_on}; 1 of them do not count." in text


def test_a_figure_without_a_sound_run_says_so_instead(folder: Path) -> None:
    runs = runs_of(clients=(1,), repeats=1)
    for row in range(len(runs)):
        runs = failed(runs, row, outcome="no leader")
    write_suite(folder, "srds12_clients", runs)
    html = rendered(folder, "throughput-clients", "balance")
    assert html.count("No run of this figure counts") == 2
    assert "plotly-graph-div" not in html
    assert html.count("no leader") == 2


@pytest.mark.parametrize("figure_id", ["leader-crash", "follower-crash", "false-suspicion"])
def test_faults_are_shown_over_time(folder: Path, figure_id: str) -> None:
    runs, *over_time = disturbed("2 kill host leader")
    tables = dict(zip(("timeline", "latency", "events"), over_time, strict=True))
    write_suite(folder, FIGURES[figure_id].suites[0], runs, **tables)
    html = rendered(folder, figure_id)
    assert html.count("plotly-graph-div") == 1
    assert "host 0 (leader) killed" in html


def test_a_figure_of_two_suites_is_drawn_from_both(folder: Path) -> None:
    for protocol in ("jpaxos", "spaxos"):
        name = f"srds12_batch_window_{protocol}"
        write_suite(folder, name, runs_of((protocol,), clients=(1_000,), repeats=1))
    html = rendered(folder, "batch-window")
    assert (
        "<code>srds12_batch_window_jpaxos</code>, <code>srds12_batch_window_spaxos</code>" in html
    )
    assert html.count("plotly-graph-div") == 1


def test_messages_are_a_table_beside_the_formulas_and_a_diagram_a_protocol(folder: Path) -> None:
    messages.write(folder / "messages")
    html = rendered(folder, "messages")
    assert '<td class="number">n² + n + 2</td>' in html
    assert html.count('<span class="verdict holds">equal</span>') == 16
    assert html.count("plotly-graph-div") == 2
    assert Page(html).headings == [
        *(reproduction.TITLE, "Scorecard", FIGURES["messages"].title, "Run it again")
    ]


def test_a_count_that_differs_from_its_formula_is_marked(folder: Path) -> None:
    messages.write(folder / "messages")
    path = folder / "messages" / "counts.parquet"
    counts = pd.read_parquet(path)
    counts.loc[0, "messages"] += 1
    counts.to_parquet(path)
    assert rendered(folder, "messages").count('<span class="verdict fails">differs</span>') == 1


def test_every_figure_of_the_evaluation_can_be_drawn() -> None:
    from_suites = {each.figure_id for each in FIGURES.values() if each.suites}
    assert from_suites == set(reproduction.DRAWN)


def test_text_from_the_data_cannot_become_markup(folder: Path) -> None:
    attack = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"
    write_suite(folder, "srds12_clients", runs_of(repeats=1))
    innocent = Page(rendered(folder, "throughput-clients")).count("script")
    scores = [{**SCORES[0], **dict.fromkeys(("id", "claim", "paper", "ours", "reason"), attack)}]
    (folder / "scorecard.json").write_text(json.dumps(scores))
    (folder / "commands.txt").write_text(attack)
    runs = failed(runs_of(repeats=1).assign(case=attack, profile=attack), 0, outcome=attack)
    write_suite(folder, "srds12_clients", runs.assign(commit=attack, os=attack))
    page = Page(rendered(folder, "throughput-clients"))
    assert page.count("script") == innocent
    assert page.count("img") == 0


@pytest.mark.parametrize("content", [None, "{", '{"id": 1}', '[{"id": "x"}]'])
def test_a_scorecard_that_is_none_is_told_in_one_line(folder: Path, content: str | None) -> None:
    (folder / "scorecard.json").unlink()
    if content is not None:
        (folder / "scorecard.json").write_text(content)
    with pytest.raises(ResultsError, match=r"scorecard\.json: ") as raised:
        reproduction.write(folder, ["throughput-clients"])
    assert "\n" not in str(raised.value)


def test_a_suite_without_results_is_told_in_one_line(folder: Path) -> None:
    with pytest.raises(ResultsError, match="no results here"):
        reproduction.write(folder, ["throughput-clients"])


def test_counts_that_are_not_there_are_told_in_one_line(folder: Path) -> None:
    with pytest.raises(ResultsError, match=r"counts\.parquet: cannot be read") as raised:
        reproduction.write(folder, ["messages"])
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("", ""),
        ("[]", ""),
        ('{"quick": false, "backend": null}', ""),
        ('{"quick": true, "backend": "sim"}', "--quick --backend sim "),
    ],
)
def test_what_is_lacking_is_made_as_the_rest_was(tmp_path: Path, kind: str, options: str) -> None:
    if kind:
        (tmp_path / "kind.json").write_text(kind)
    command = f"paxoscope reproduce {options}--out {tmp_path}"
    assert reproduction.command(tmp_path) == command


def test_a_suite_of_which_no_run_has_ended_makes_no_figure(tmp_path: Path) -> None:
    (tmp_path / "srds12_clients").mkdir()
    assert reproduction.drawable(tmp_path) == []
