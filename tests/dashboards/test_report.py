import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from dashboards import care, plotly_script, report
from dashboards.figures import throughput, transport
from experiments.results import TABLES, ResultsError, ResultsWriter
from experiments.spec import Suite
from tests.dashboards.result_set import counters_of, disturbed, failed, runs_of


class Page(HTMLParser):
    """Collects what a browser would see: tags with their attributes, text, headings."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.headings: list[str] = []
        self._open = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._open = tag

    def handle_data(self, data: str) -> None:
        if self._open in ("h1", "h2") and data.strip():
            self.headings.append(data.strip())

    def count(self, tag: str) -> int:
        return sum(each == tag for each, _ in self.tags)


def write_results(folder: Path, runs: pd.DataFrame, **tables: pd.DataFrame) -> None:
    """Write a result folder as a sweep does; what is not among `tables` is empty."""
    empty = {name: pd.DataFrame(columns=["run_id", *TABLES[name]]) for name in TABLES}
    tables = empty | {"counters": counters_of(runs)} | tables
    with ResultsWriter(folder, Suite(name="synthetic")) as writer:
        for row in runs.to_dict("records"):
            of_run = {name: of(row["run_id"], name, table) for name, table in tables.items()}
            writer.record(row, of_run)


def of(run_id: str, name: str, table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a run, without its run_id and with the columns in their order."""
    first = list(TABLES[name])
    rest = [key for key in table.columns if key not in {*first, "run_id"}]
    return table[table["run_id"] == run_id][[*first, *rest]]


def render(runs: pd.DataFrame, counters: pd.DataFrame | None = None) -> str:
    """Return the page without plotly.js, whose source would drown what a test looks for."""
    counters = counters_of(runs) if counters is None else counters
    return report.render(runs, counters, NOTHING_OVER_TIME).replace(plotly_script.text(), "")


NOTHING_OVER_TIME = report.OverTime(*[pd.DataFrame()] * 3)

FIGURE_TITLES = [
    "Throughput against clients",
    "Latency percentiles against clients",
    "Latency against throughput",
    "CPU and network of each host",
]
RECORDS = ["All runs", "Settings that all runs shared", "Environment", "Run it again"]


def test_a_result_folder_gets_one_file_beside_its_tables(tmp_path: Path) -> None:
    write_results(tmp_path, runs_of(clients=(1, 100), repeats=1))
    path = report.write(tmp_path)
    assert path == tmp_path / "report.html"
    html = path.read_text(encoding="utf-8")
    assert html.count(plotly_script.text()) == 1
    assert Page(html.replace(plotly_script.text(), "")).headings == [
        "Paxoscope: synthetic",
        care.HEADING,
        *FIGURE_TITLES,
        *RECORDS,
    ]


def test_runs_with_faults_come_with_a_figure_and_a_sentence_each(tmp_path: Path) -> None:
    runs, *over_time = disturbed("", "2 kill host leader")
    names = ("timeline", "latency", "events")
    write_results(tmp_path, runs, **dict(zip(names, over_time, strict=True)))
    html = report.write(tmp_path).read_text(encoding="utf-8").replace(plotly_script.text(), "")
    assert Page(html).headings == [
        "Paxoscope: synthetic",
        care.HEADING,
        "Through the faults",
        *FIGURE_TITLES,
        *RECORDS,
    ]
    assert html.count("host 0 (leader) killed at 2.0 s; no replies for <strong>0.6 s") == 2


@pytest.mark.parametrize(
    ("table", "lost"),
    [("counters", FIGURE_TITLES[-1:]), ("timeline", ["Through the faults"]), ("events", [])],
)
def test_a_table_that_is_broken_is_left_out_and_told(
    tmp_path: Path, table: str, lost: list[str]
) -> None:
    runs, *over_time = disturbed("2 kill host leader")
    names = ("timeline", "latency", "events")
    write_results(tmp_path, runs, **dict(zip(names, over_time, strict=True)))
    broken = tmp_path / table / f"{runs['run_id'].iloc[0]}.parquet"
    broken.write_bytes(b"half a fi")
    html = report.write(tmp_path).read_text(encoding="utf-8").replace(plotly_script.text(), "")
    first = ["Not everything could be read", "Runs to read with care", "Through the faults"]
    expected = [*first, *FIGURE_TITLES, *RECORDS]
    assert Page(html).headings[1:] == [each for each in expected if each not in lost]
    assert f"{broken}: not a result table" in html


def test_the_report_goes_where_it_is_asked_to(tmp_path: Path) -> None:
    write_results(tmp_path / "results", runs_of(clients=(1,), repeats=1))
    assert report.write(tmp_path / "results", tmp_path / "page.html") == tmp_path / "page.html"
    assert (tmp_path / "page.html").is_file()


def test_the_page_loads_nothing() -> None:
    html = render(runs_of())
    page = Page(html)
    assert not [tag for tag, attrs in page.tags if {"src", "href", "data", "action"} & attrs.keys()]
    assert not {"link", "img", "iframe", "object", "embed"} & {tag for tag, _ in page.tags}
    assert "@import" not in html
    assert html.count('"showSendToCloud": false') == len(FIGURE_TITLES)
    assert "url(" not in html
    policy = next(attrs for _, attrs in page.tags if "http-equiv" in attrs)["content"]
    assert policy is not None
    assert policy.startswith("default-src 'none'")


def test_the_words_hold_the_numbers_of_the_data() -> None:
    runs = runs_of(clients=(10, 100), repeats=1)
    runs["throughput_rps"] = [1e5, 2e6, 1e5, 5e5]
    html = render(runs)
    assert "<strong>2.00 M requests/s</strong> with 100 clients" in html
    assert "<strong>500 k requests/s</strong> with 100 clients" in html
    assert "<strong>0.250 times</strong>" in html
    assert "Every finished run passed every safety check: 4 runs." in html


def test_text_from_the_data_cannot_become_markup() -> None:
    attack = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"
    runs = runs_of(replicas=(3, 5))
    innocent = Page(render(runs))
    counters = counters_of(runs)
    runs = failed(failed(runs, 0, outcome=attack), 1, safety=attack)
    runs["suite"] = runs["commit"] = runs["cpu_model"] = runs["os"] = attack
    runs["started_at"] = "<script>"
    runs["service"] = [attack if n == 3 else "kv" for n in runs["replicas"]]
    runs["protocol"] = runs["protocol"].replace("spaxos", attack)
    page = Page(render(runs, counters))
    assert page.count("script") == innocent.count("script")
    assert page.count("img") == 0
    assert page.headings[0] == f"Paxoscope: {attack}"


def test_what_the_linter_finds_comes_before_the_figures() -> None:
    runs = failed(runs_of(clients=(16_000,)), 0, outcome="<b>", safety="")
    html = render(runs.assign(duration_s=5.0, warmup_s=0.0, service="kv"))
    listed = html[html.index(care.HEADING) : html.index("<h2>All runs")]
    assert listed.index("failed: &lt;b&gt;") < listed.index("5 runs")
    assert "Set warmup_s to a second or more." in listed


def test_where_the_linter_finds_nothing_there_is_no_section_on_it() -> None:
    assert care.HEADING not in render(runs_of(clients=(16_000,)).assign(duration_s=5.0))


def test_failed_runs_alone_make_a_page_without_figures() -> None:
    runs = runs_of(clients=(1,), repeats=1)
    for row in range(len(runs)):
        runs = failed(runs, row, outcome="no leader", safety="")
    html = render(runs)
    assert Page(html).headings == ["Paxoscope: synthetic", care.HEADING, *RECORDS]
    assert "Failed or invalid runs</dt><dd>2 of 2;" in html


@pytest.mark.parametrize(
    "runs",
    [
        runs_of(("jpaxos",)),
        runs_of(clients=(100,), repeats=1),
        runs_of(("jpaxos",), replicas=(1,), clients=(1,), repeats=1),
    ],
    ids=["one protocol", "one number of clients", "one run of one replica"],
)
def test_a_small_result_set_makes_a_whole_page(runs: pd.DataFrame) -> None:
    html = render(runs)
    assert [each for each in Page(html).headings if each != care.HEADING][1:5] == FIGURE_TITLES
    words = re.sub(r"<script.*?</script>", "", html, flags=re.DOTALL)
    assert not re.search(r"\b(nan|None|inf)\b", words)


def test_a_folder_without_runs_is_refused_in_one_line(tmp_path: Path) -> None:
    with ResultsWriter(tmp_path, Suite(name="synthetic")):
        pass
    with pytest.raises(ResultsError) as raised:
        report.write(tmp_path)
    assert isinstance(raised.value, ValueError)
    assert "\n" not in str(raised.value)


def test_a_table_of_no_runs_is_refused_in_one_line(tmp_path: Path) -> None:
    runs_of(clients=(1,)).iloc[:0].to_parquet(tmp_path / "runs.parquet")
    with pytest.raises(ResultsError, match="no results here yet"):
        report.write(tmp_path)


def test_what_calls_cost_comes_before_the_figures_where_transports_are_compared() -> None:
    tcp = runs_of(clients=(1, 10))
    runs = pd.concat(
        [tcp, tcp.assign(transport="ray", run_id=tcp["run_id"] + "-ray")], ignore_index=True
    )
    headings = Page(render(runs)).headings
    assert headings.index(transport.TITLE) < headings.index(throughput.TITLE)
    assert transport.TITLE not in Page(render(tcp)).headings
