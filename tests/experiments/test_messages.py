import json
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from actors.core.config import AcceptTo
from experiments import messages
from experiments.cli import app
from experiments.errors import RunFailed
from experiments.messages import DELAY_S, FORMULAS, Count, Formula
from experiments.runner import Measured


def invoke(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "80"}).invoke(app, ["messages", *arguments])


@pytest.fixture
def unloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the command show load from hardly any."""
    monkeypatch.setattr(messages, "CLIENTS", (1,))
    monkeypatch.setattr(messages, "LOADED", (("jpaxos", 0.0),))


# --- One request at a time ---


@pytest.mark.parametrize("replicas", [3, 5, 9])
@pytest.mark.parametrize(("protocol", "accept_to"), FORMULAS)
def test_a_request_takes_as_many_messages_as_its_formula_says(
    protocol: str, accept_to: AcceptTo, replicas: int
) -> None:
    row = messages.count(protocol, accept_to, replicas)
    assert row.messages == row.formula


@pytest.mark.parametrize(
    ("protocol", "accept_to", "formulas"),
    [
        # Of n = 3 and n = 5, by hand from the design page.
        ("multipaxos", "leader", [8, 12]),
        ("multipaxos", "all", [14, 32]),
        ("spaxos", "leader", [23, 47]),
        ("spaxos", "all", [26, 62]),
    ],
)
def test_the_formulas_are_those_of_the_literature(
    protocol: str, accept_to: AcceptTo, formulas: list[int]
) -> None:
    assert [FORMULAS[protocol, accept_to].value(n) for n in (3, 5)] == formulas


def test_what_crosses_the_network_is_less_by_self_deliveries_and_votes() -> None:
    """The numbers of the table in docs/protocols.md, at n = 5."""
    counts = [messages.count(protocol, accept_to, 5) for protocol, accept_to in FORMULAS]
    assert [row.network_messages for row in counts] == [10, 22, 38, 46]


@pytest.mark.parametrize("protocol", ["multipaxos", "jpaxos", "spaxos"])
def test_one_request_begins_and_ends_at_its_client(protocol: str) -> None:
    table = messages.one_request(protocol)
    first, last = table.iloc[0], table[table["receiver"] == "fleet-0"]
    assert (first["sent_s"], first["sender"], first["kind"]) == (0.0, "fleet-0", "Requests")
    assert last["kind"].tolist() == ["Replies"]
    assert table["sent_s"].is_monotonic_increasing


@pytest.mark.parametrize("leader", [0, 1, 2])
@pytest.mark.parametrize("accept_to", ["leader", "all"])
@pytest.mark.parametrize("protocol", ["multipaxos", "spaxos"])
def test_one_request_takes_the_same_whoever_leads(
    protocol: str, accept_to: AcceptTo, leader: int
) -> None:
    table = messages.one_request(protocol, accept_to, leader=leader)
    network = table[table["received_s"] > table["sent_s"]]
    assert len(network) == messages.count(protocol, accept_to, 3).network_messages
    assert set(table.loc[table["kind"] == "Propose", "sender"]) == {f"replica-{leader}"}


def test_messages_take_the_same_time_between_hosts_and_none_within() -> None:
    table = messages.one_request("spaxos")
    took_s = table["received_s"] - table["sent_s"]
    local = table[took_s == 0]
    assert took_s[took_s > 0].tolist() == pytest.approx([DELAY_S] * (len(table) - len(local)))
    assert sorted(local["kind"]) == ["Executed", "Held", "Payload"]
    assert set(local["sender"]) | set(local["receiver"]) == {"coordinator-0", "replica-0"}


def test_the_leader_proposes_once_it_knows_of_a_majority_of_holders() -> None:
    """With 5 replicas it takes an ack of another beside the origin's and the leader's own."""
    table = messages.one_request("spaxos", replicas=5)
    proposed_s = table.loc[table["kind"] == "Propose", "sent_s"].min()
    acks = table[(table["kind"] == "Ack") & (table["receiver"] == "replica-1")]
    assert (acks["received_s"] <= proposed_s).sum() >= 2


@pytest.mark.parametrize(("leader", "delays"), [(0, 6), (1, 4)])
def test_s_paxos_takes_two_delays_more_where_the_clients_host_leads(
    leader: int, delays: int
) -> None:
    """With 3 replicas the leader's own copy, beside that of another origin, is a majority."""
    table = messages.one_request("spaxos", leader=leader)
    replied_s = table.loc[table["kind"] == "Replies", "received_s"].item()
    assert replied_s == pytest.approx(delays * DELAY_S)


# --- Under load ---


def test_batching_brings_messages_and_bytes_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "CLIENTS", (1, 10))
    monkeypatch.setattr(messages, "LOADED", (("multipaxos", 0.0), ("jpaxos", 0.0), ("spaxos", 0.0)))
    table = messages.under_load().set_index(["protocol", "clients"])
    alone, crowded = table.xs(1, level="clients"), table.xs(10, level="clients")
    assert alone["messages"].to_dict() == pytest.approx(
        {"multipaxos": 8, "jpaxos": 8, "spaxos": 16}, rel=0.01
    )
    for protocol in ("jpaxos", "spaxos"):
        assert crowded["messages"][protocol] < alone["messages"][protocol] / 3
        assert crowded["host_bytes"][protocol] < alone["host_bytes"][protocol] / 1.8
    assert crowded["messages"]["multipaxos"] > 7  # One request an instance, however many there are.
    assert crowded["frames"]["multipaxos"] < 5  # But what is ready together shares a frame.


def test_s_paxos_takes_the_bytes_off_the_busiest_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "CLIENTS", (1000,))
    monkeypatch.setattr(messages, "LOADED", (("jpaxos", 0.0), ("spaxos", 0.0)))
    table = messages.under_load().set_index("protocol")
    assert table["bytes"]["spaxos"] == pytest.approx(table["bytes"]["jpaxos"], rel=0.05)
    assert table["host_bytes"]["spaxos"] < 0.6 * table["host_bytes"]["jpaxos"]


def test_an_unsafe_run_gives_no_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    unsafe = Measured.failed("")._replace(outcome="ok", safety="request 5 was executed twice")
    monkeypatch.setattr(messages, "measure_all", lambda configs: [unsafe for _ in configs])
    with pytest.raises(RunFailed, match="multipaxos with 1 clients: request 5 was executed twice"):
        messages.under_load()


# --- The command ---


@pytest.mark.usefixtures("unloaded")
def test_the_command_writes_a_row_for_each_case(tmp_path: Path) -> None:
    file = tmp_path / "messages.json"
    result = invoke("--replicas", "3", "--replicas", "5", "--replicas", "3", "--json", str(file))
    assert result.exit_code == 0
    rows = json.loads(file.read_text())
    assert [tuple(row) for row in rows] == [Count._fields] * 8
    assert {(row["protocol"], row["accept_to"], row["replicas"]) for row in rows} == {
        (*case, n) for case in FORMULAS for n in (3, 5)
    }
    assert rows[-1] == {
        "protocol": "spaxos",
        "replicas": 5,
        "accept_to": "all",
        "messages": 62,
        "formula": 62,
        "network_messages": 46,
    }


@pytest.mark.usefixtures("unloaded")
def test_without_sizes_there_are_four() -> None:
    lines = invoke().stdout.splitlines()
    assert [
        sum(line.startswith(f"{name} ") for line in lines) for name in ("multipaxos", "spaxos")
    ] == [8, 8]
    assert any(line.split()[-4:] == ["182", "182", "154", "ok"] for line in lines)


@pytest.mark.usefixtures("unloaded")
def test_a_count_that_differs_from_its_formula_fails_the_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(FORMULAS, ("spaxos", "all"), Formula("2n² + 2n + 1", lambda n: 25))
    result = invoke("--replicas", "3")
    assert result.exit_code == 1
    assert result.stdout.count("differs") == 1


@pytest.mark.parametrize("replicas", [-3, 0, 1, 4, 203])
def test_a_size_that_makes_no_sense_is_told_in_one_line(replicas: int) -> None:
    result = invoke("--replicas", "3", "--replicas", str(replicas))
    line = f"paxoscope: --replicas {replicas}: must be odd, from 3 to 201\n"
    assert (result.stderr, result.stdout, result.exit_code) == (line, "", 2)


def test_a_file_that_cannot_be_written_is_told_in_one_line(tmp_path: Path) -> None:
    result = invoke("--replicas", "3", "--json", str(tmp_path))
    line = f"paxoscope: {tmp_path}: cannot be written: Is a directory\n"
    assert (result.stderr, result.stdout, result.exit_code) == (line, "", 2)


def test_both_tables_fit_a_terminal_of_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = dict.fromkeys(("messages", "frames", "bytes", "host_messages", "host_bytes"), 226.4)
    point = {"protocol": "multipaxos", "ack_delay_ms": 0.0, "clients": 8000}
    loaded = pd.DataFrame([{**point, "throughput_rps": 430_248.0, **numbers}])
    monkeypatch.setattr(messages, "under_load", lambda: loaded)
    lines = invoke("--replicas", "9").stdout.splitlines()
    (row,) = [line for line in lines if "8,000" in line]
    assert row.split() == ["multipaxos", "0", "8,000", "430,248", *["226"] * 5]
