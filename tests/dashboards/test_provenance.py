from pathlib import Path

import pandas as pd
import pytest

from dashboards import provenance, theme
from experiments.evaluation import FIGURES
from tests.dashboards.result_set import failed, runs_of

SRDS12 = {
    "profile": "srds12",
    "backend": "sim",
    "egress_mbit_s": 1000.0,
    "ingress_mbit_s": 1000.0,
    "cpu_us_per_client_request": 12.7,
    "cpu_us_per_executed_request": 1.4,
}
SUITE = "srds12_clients"


def runs(suite: str = SUITE, **settings: object) -> pd.DataFrame:
    made = runs_of(clients=(1, 100), repeats=1).assign(**(SRDS12 | settings))
    return made.assign(suite=suite)


def cells(html: str, name: str) -> list[str]:
    """Return what stands in the row of a table that begins with a name."""
    row = html.partition(f"<td>{name}</td>")[2].partition("</tr>")[0]
    return [cell.partition("</td>")[0] for cell in row.split("<td>")[1:]]


def test_the_fitted_number_and_its_split_are_those_of_the_runs() -> None:
    html = provenance.calibration(runs())
    assert "14.1 µs" in html
    assert "serving the client (12.7 µs)" in html
    assert "executing (1.4 µs)" in html


def test_the_limits_of_every_profile_are_listed() -> None:
    ethernet = runs(profile="ethernet-100mbit", egress_mbit_s=100.0, cpu_us_per_client_request=0.0)
    html = provenance.calibration(pd.concat([runs(), ethernet], ignore_index=True))
    assert cells(html, "a host can send (Mbit/s)") == ["1,000", "100"]
    assert cells(html, "CPU to take a request in and reply (µs)") == ["12.7", theme.GAP]


def test_a_limit_that_a_suite_has_swept_is_told_with_its_span() -> None:
    swept = runs("srds12_split", cpu_us_per_client_request=8.46, cpu_us_per_executed_request=5.64)
    table = pd.concat([runs(), swept.iloc[:2]], ignore_index=True)
    html = provenance.calibration(table)
    assert cells(html, "CPU to execute a request (µs)") == ["1.4 (swept: 1.4 to 5.64)"]
    assert "14.1 µs" in html


def test_without_the_fitted_profile_nothing_is_said_to_be_fitted() -> None:
    assert "Fitted" not in provenance.calibration(runs(profile="none"))


def test_runs_that_do_not_count_are_listed_with_their_reason_and_their_figures() -> None:
    table = failed(failed(runs(), 0, outcome="1.4 ms <late>"), 1, safety="a request was lost")
    html = provenance.unsound(table, [FIGURES["throughput-clients"], FIGURES["request-size"]])
    assert "2 of 4 runs" in html
    assert html.count('<a href="#throughput-clients">') == 2
    assert "request-size" not in html
    assert "JPaxos, n = 3, 1 clients, virtual time, repeat 0" in html
    assert "1.4 ms &lt;late&gt;" in html
    assert "a request was lost" in html


def test_where_every_run_counts_that_is_said() -> None:
    html = provenance.unsound(runs(), [FIGURES["throughput-clients"]])
    assert html == "<p>None: all 4 runs finished, kept up, and passed every check.</p>"


def test_durations_are_summed_by_suite_and_in_all() -> None:
    table = pd.concat([runs(), runs("srds12_split")], ignore_index=True).assign(wall_s=20.0)
    html = provenance.durations(table)
    assert html.count('<td class="number">1:20</td>') == 2
    assert html.count('<td class="number">2:40</td>') == 1


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0:00"), (59.6, "1:00"), (61.0, "1:01"), (3600.0, "60:00")]
)
def test_durations_are_in_minutes_and_seconds(seconds: float, text: str) -> None:
    table = runs().iloc[:1].assign(wall_s=seconds)
    assert f">{text}<" in provenance.durations(table)


def test_the_commands_are_those_that_were_given(tmp_path: Path) -> None:
    (tmp_path / "commands.txt").write_text("paxoscope reproduce --out 'a & b'\n")
    html = provenance.commands(tmp_path, [SUITE])
    assert "<pre>paxoscope reproduce --out &#x27;a &amp; b&#x27;</pre>" in html
    assert f"paxoscope run {SUITE}/suite.toml --out again/{SUITE}" in html
    assert "paxoscope bundle" in html
