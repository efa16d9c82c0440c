"""The server: whom it answers, what its pages may do, how it starts and ends."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pandas as pd
import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Browser, expect

from dashboards.app import server
from experiments import progress, results
from tests.dashboards.app.browsing import TRACES, Site, visited
from tests.dashboards.app.test_reproduced import write
from tests.experiments.test_progress import PROGRESS

PATIENCE_S = 60
UNREACHABLE = "192.0.2.1"
"""Set aside for examples: no machine has it (RFC 5737)."""


# --- Whom it answers ----------------------------------------------------------------------------


@pytest.fixture
def client(root: Path) -> FlaskClient:
    return server.create(root).server.test_client()


@pytest.mark.parametrize("host", ["127.0.0.1:8050", "localhost", "localhost:1234", "[::1]:8050"])
def test_who_calls_it_by_a_name_of_this_machine_is_answered(client: FlaskClient, host: str) -> None:
    assert client.get("/", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("path", ["/", "/_dash-layout", "/report/before"])
@pytest.mark.parametrize("host", ["evil.example", "evil.example:8050", "127.0.0.1.evil.example"])
def test_a_name_that_was_made_to_lead_here_is_refused(
    client: FlaskClient, host: str, path: str
) -> None:
    assert client.get(path, headers={"Host": host}).status_code == 400


def test_where_others_are_let_in_any_name_is_answered(root: Path) -> None:
    client = server.create(root, None).server.test_client()
    assert client.get("/", headers={"Host": "lab.example"}).status_code == 200


# --- What pages may do --------------------------------------------------------------------------


def test_pages_run_their_own_scripts_and_nothing_else(client: FlaskClient) -> None:
    headers = client.get("/").headers
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["connect-src"] == "'self'"
    assert "unsafe" not in policy["script-src"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "Access-Control-Allow-Origin" not in headers


@pytest.mark.parametrize("path", server.PAGES)
def test_nothing_is_loaded_from_afar(site: Site, path: str) -> None:
    asked: list[str] = []
    site.page.on("request", lambda request: asked.append(request.url))
    page = site.open(path)
    expect(page.locator("#page > *").first).to_be_attached()
    page.wait_for_load_state("load")
    assert asked
    far = [url for url in asked if urlsplit(url).scheme in {"http", "https", "ws", "wss"}]
    assert {urlsplit(url).hostname for url in far} == {"127.0.0.1"}


IMAGE = "<img src=x onerror=alert(1)>"
LINK = '<a href="javascript:alert(1)">link</a>'


@pytest.fixture
def hostile(root: Path, tmp_path: Path) -> Path:
    """Make a result folder with markup wherever a text may stand; return its parent."""
    runs = results.runs(root / "before")
    runs["suite"] = IMAGE
    runs["case"] = [f"{IMAGE} {index % 2}" for index in range(len(runs))]
    runs["faults"] = LINK
    runs["profile"] = LINK
    runs["limit_by"] = LINK
    runs["os"] = IMAGE
    runs.loc[0, "outcome"] = IMAGE
    folder = tmp_path / "hostile"
    folder.mkdir()
    for table in results.TABLES:
        shutil.copytree(root / "before" / table, folder / table)
    runs.to_parquet(folder / "runs.parquet")
    return tmp_path


def _assert_harmless(site: Site) -> None:
    assert site.page.locator("img[src=x], [onerror], [href^='javascript:']").count() == 0


def test_markup_in_results_stays_text(browser: Browser, hostile: Path) -> None:
    said: list[str] = []
    with visited(browser, hostile) as site:
        site.page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
        for facet in ("", "case"):
            page = site.open("/", folders="hostile", facet=facet)
            expect(page.locator(TRACES).first).to_be_attached()
            _assert_harmless(site)
        for run in pd.read_parquet(hostile / "hostile" / "runs.parquet")["run_id"]:
            page = site.open("/run", folder="hostile", run=run)
            expect(page.get_by_role("button", name="Everything that was recorded")).to_be_visible()
            _assert_harmless(site)
    assert said == []


def test_what_nobody_foresaw_is_told_on_the_page(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_library: object, _query: str) -> None:
        raise ZeroDivisionError("of all things")

    monkeypatch.setitem(server.PAGES, "/failing", server.Page("Failing", fail))
    page = site.open("/failing")
    expect(page.get_by_text("ZeroDivisionError: of all things")).to_be_visible()
    expect(page.get_by_role("link", name="Explore")).to_be_visible()
    assert "the page Failing cannot be shown" in caplog.text


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/", "its name is not UTF-8"),
        ("/compare", "Nothing to compare yet"),
        ("/reports", "its name is not UTF-8"),
        ("/live", "results so far in good"),
        ("/reproduction", "The S-Paxos evaluation, reproduced"),
    ],
)
def test_a_name_that_is_not_utf_8_takes_no_page_down(
    browser: Browser, root: Path, tmp_path: Path, path: str, said: str
) -> None:
    for name in (b"good", b"bad\xff"):
        folder = tmp_path / os.fsdecode(name)
        shutil.copytree(root / "before", folder / "suite")
        (folder / "scorecard.json").write_text("[]")
        progress.write(folder, PROGRESS)
    with visited(browser, tmp_path) as site:
        expect(site.open(path).get_by_text(said)).to_be_visible()


# --- Reports ------------------------------------------------------------------------------------


def test_the_report_of_a_folder_is_a_file_to_be_kept(client: FlaskClient) -> None:
    answer = client.get("/report/before")
    assert answer.status_code == 200
    expected = "attachment; filename=paxoscope-before.html"
    assert answer.headers["Content-Disposition"] == expected
    assert answer.text.startswith("<!doctype html>")
    assert "S-Paxos against JPaxos" in answer.text


@pytest.mark.parametrize(
    "name", ["nothing", "broken", "../before", "..%2f..%2fetc%2fpasswd", "before/..", "a" * 300]
)
def test_no_report_of_what_is_no_result_folder(client: FlaskClient, name: str) -> None:
    answer = client.get(f"/report/{name}", follow_redirects=True)
    assert answer.status_code == 404
    assert "root:" not in answer.text


def test_the_page_of_reports_leads_to_them_and_tells_of_what_is_broken(site: Site) -> None:
    page = site.open("/reports")
    expect(page.get_by_text("not a result table")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("row", name="before").get_by_role("link", name="Report").click()
    assert download.value.suggested_filename == "paxoscope-before.html"


def test_a_root_that_holds_results_itself_has_a_report(browser: Browser, root: Path) -> None:
    with visited(browser, root / "before") as site:
        assert reported(site, "results") == "paxoscope.html"


def test_a_root_that_is_a_reproduction_has_a_report(browser: Browser, tmp_path: Path) -> None:
    with visited(browser, write(tmp_path)) as site:
        assert reported(site, "reproduction") == "paxoscope.html"


def reported(site: Site, what: str) -> str:
    """Return the name of the file that the report of what is there comes as."""
    page = site.open("/reports")
    with page.expect_download() as download:
        page.get_by_role("row", name=f". {what}").get_by_role("link", name="Report").click()
    return download.value.suggested_filename


# --- Start and end ------------------------------------------------------------------------------


class Command:
    """`paxoscope dashboard` with some arguments, in a process of its own."""

    def __init__(self, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "experiments", "dashboard", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def address(self) -> str:
        """Wait until it serves; return where."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.startswith("dashboard: http://"), self.ended()
        return line.split()[-1]

    def signal(self, number: int) -> None:
        os.killpg(self._process.pid, number)

    def ended(self) -> tuple[int, str]:
        """Wait for its end; return its exit code and what it complained of."""
        _, err = self._process.communicate(timeout=PATIENCE_S)
        return self._process.returncode, err

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


@pytest.fixture
def started() -> Iterator[list[Command]]:
    commands: list[Command] = []
    yield commands
    for command in commands:
        command.kill()


@pytest.mark.parametrize(
    ("number", "code", "word"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
)
def test_it_serves_once_it_says_so_and_ends_cleanly(
    started: list[Command], root: Path, number: int, code: int, word: str
) -> None:
    started.append(command := Command(str(root), "--port", "0"))
    address = command.address()
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", address)
    with urllib.request.urlopen(address, timeout=PATIENCE_S) as answer:  # noqa: S310 - our own.
        assert answer.status == 200
    command.signal(number)
    assert command.ended() == (code, f"paxoscope: {word}\n")


@pytest.mark.parametrize("host", ["127.0.0.2", "::1"])
def test_it_answers_at_the_address_that_it_tells(
    started: list[Command], root: Path, host: str
) -> None:
    started.append(command := Command(str(root), "--host", host, "--port", "0"))
    with urllib.request.urlopen(command.address(), timeout=PATIENCE_S) as answer:  # noqa: S310 - our own.
        assert answer.status == 200


def test_it_warns_where_others_can_reach_it(started: list[Command], root: Path) -> None:
    started.append(command := Command(str(root), "--host", "0.0.0.0", "--port", "0"))  # noqa: S104
    assert command.address().startswith("http://0.0.0.0:")
    command.signal(signal.SIGTERM)
    warning, _ = command.ended()[1].splitlines()
    assert "there is no password" in warning


def test_what_cannot_be_served_is_told_in_one_line(started: list[Command], root: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        started.extend(
            [
                Command(str(root), "--port", port),
                Command(str(root), "--host", UNREACHABLE, "--port", "0"),
                Command(str(root / "nowhere")),
            ]
        )
        ended = [command.ended() for command in started]
    assert [code for code, _ in ended] == [2, 2, 2]
    assert [err.count("\n") for _, err in ended] == [1, 1, 1]
    assert f"127.0.0.1, port {port}: Address already in use" in ended[0][1]
    assert f"cannot serve at {UNREACHABLE}" in ended[1][1]
    assert "nowhere: no such folder" in ended[2][1]
