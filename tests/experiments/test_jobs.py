"""Addresses that are no cluster, clusters that do not let us in, and how jobs end."""

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from ray._raylet import Config  # type: ignore[attr-defined] # Compiled; its stub lacks it.
from ray.dashboard.modules.job.pydantic_models import JobDetails
from ray.job_submission import JobStatus

from experiments import jobs as cluster_jobs
from experiments.errors import Unreachable
from experiments.jobs import Jobs, JobsError, exit_code


@pytest.fixture(autouse=True)
def _rays_settings() -> Iterator[None]:
    """Put back what reaching a cluster sets for the whole process."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("RAY_AUTH_MODE", "RAY_API_SERVER_ADDRESS", "RAY_AUTH_TOKEN"):
            patch.setenv(name, os.environ.get(name, ""))
            patch.delenv(name)
        yield
    Config.initialize("")


@contextmanager
def dashboard(answers: Mapping[str, object], token: str = "") -> Iterator[str]:
    """Serve what a head's dashboard would, to those who know its token."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_open = self.path == "/api/authentication_mode"
            allowed = is_open or self.headers.get("authorization", "") == token
            answer = answers.get(self.path, HTTPStatus.NOT_FOUND)
            code = answer if isinstance(answer, HTTPStatus) else HTTPStatus.OK
            self.send_response(code if allowed else HTTPStatus.UNAUTHORIZED)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def _answers(mode: str) -> dict[str, object]:
    return {
        "/api/authentication_mode": {"authentication_mode": mode},
        "/api/version": {"ray_version": "2.60.0", "version": "4"},
    }


def test_a_cluster_without_authentication_is_reached_whatever_rays_variables_say(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "192.0.2.1:6379")
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    with dashboard(_answers("disabled")) as address:
        jobs = Jobs(f"{address}/")
        assert jobs.ray_version() == "2.60.0"
        assert jobs.command("stop", "x") == (
            f"RAY_AUTH_MODE=disabled ray job stop x --address {address}"
        )


def _reach(address: str, token: str) -> "subprocess.CompletedProcess[str]":
    """Ask for the version of Ray in a process of its own: Ray keeps a token while one lives."""
    ask = "import sys; from experiments.jobs import Jobs; print(Jobs(sys.argv[1]).ray_version())"
    command = [sys.executable, "-c", ask, address]
    environment = os.environ | {"RAY_AUTH_TOKEN": token, "HOME": "/nowhere"}
    return subprocess.run(command, env=environment, check=False, capture_output=True, text=True)


def test_a_cluster_with_tokens_gets_ours() -> None:
    """RAY_AUTH_MODE need not be set: Ray would send none without it."""
    token = "0" * 64
    with dashboard(_answers("token"), token=f"Bearer {token}") as address:
        reached = _reach(address, token)
    assert reached.stdout == "2.60.0\n", reached.stderr


def test_a_cluster_that_wants_another_token_says_what_to_do() -> None:
    with dashboard(_answers("token"), token=f"Bearer {'1' * 64}") as address:
        reached = _reach(address, "0" * 64)
    assert "does not accept our token; set RAY_AUTH_TOKEN" in reached.stderr


def test_a_cluster_that_wants_a_token_says_so_to_who_has_none() -> None:
    with dashboard(_answers("token"), token="Bearer x") as address:
        reached = _reach(address, "")
    assert "wants a token; set RAY_AUTH_TOKEN" in reached.stderr


@pytest.mark.parametrize("address", ["auto", "HEAD:8265", "ray://HEAD:10001", ""])
def test_an_address_of_another_kind_is_refused(address: str) -> None:
    with pytest.raises(JobsError, match=r"must be that of a cluster's head, such as http://"):
        Jobs(address)


@pytest.mark.parametrize("address", ["http://127.0.0.1:1", "http://nobody.invalid:8265"])
def test_where_nobody_answers_it_says_where_jobs_go(address: str) -> None:
    with pytest.raises(Unreachable, match=r"nobody answers there: .*port 8265"):
        Jobs(address)


@pytest.mark.parametrize("answers", [{}, {"/api/authentication_mode": "what?"}])
def test_another_server_is_told_from_ray(answers: dict[str, object]) -> None:
    with (
        dashboard(answers) as address,
        pytest.raises(JobsError, match="what answers there is not Ray's dashboard"),
    ):
        Jobs(address)


@pytest.fixture
def jobs() -> Iterator[Jobs]:
    """Return the jobs of a head of which one, `failing`, cannot be told."""
    answers = _answers("disabled") | {"/api/jobs/failing": HTTPStatus.INTERNAL_SERVER_ERROR}
    with dashboard(answers) as address:
        yield Jobs(address)


@pytest.mark.parametrize("job_id", ["", ".", "..", "a/b", "a?b", "a b"])
def test_what_is_no_id_is_not_asked_for(jobs: Jobs, job_id: str) -> None:
    with pytest.raises(JobsError, match=f"^{re.escape(repr(job_id))}: no ID of a job"):
        jobs.details(job_id)


def test_a_head_that_fails_is_told_from_a_job_that_is_not_there(jobs: Jobs) -> None:
    with pytest.raises(JobsError):
        jobs.details("nobody")
    with pytest.raises(Unreachable):
        jobs.details("failing")


def _tail(jobs: Jobs, monkeypatch: pytest.MonkeyPatch, pieces: AsyncIterator[str]) -> None:
    monkeypatch.setattr(jobs._client, "tail_job_logs", lambda _: pieces)


async def _broken() -> AsyncIterator[str]:
    yield "begun\n"
    raise RuntimeError("closed unexpectedly with close code 1006")


def test_a_log_that_breaks_off_is_a_cluster_that_is_lost(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    _tail(jobs, monkeypatch, _broken())
    log = jobs.log("x")
    assert next(log) == "begun\n"
    with pytest.raises(Unreachable, match="close code 1006"):
        next(log)


async def _silent(until: asyncio.Event) -> AsyncIterator[str]:
    await until.wait()
    yield "at last\n"


def test_a_silent_log_is_waited_for_as_long_as_the_head_is_there(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The piece comes only after the head was asked."""
    asked = asyncio.Event()
    check = jobs._check_there

    async def checked() -> None:
        await check()
        asked.set()

    monkeypatch.setattr(cluster_jobs, "SILENCE_S", 0.01)
    monkeypatch.setattr(jobs, "_check_there", checked)
    _tail(jobs, monkeypatch, _silent(asked))
    assert list(jobs.log("x")) == ["at last\n"]


def test_a_head_that_falls_silent_is_told(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """It still takes connections, as a process does that was stopped."""
    monkeypatch.setattr(cluster_jobs, "SILENCE_S", 0.01)
    monkeypatch.setattr(cluster_jobs, "ANSWER_TIMEOUT_S", 0.2)
    _tail(jobs, monkeypatch, _silent(asyncio.Event()))
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        jobs.address = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        with pytest.raises(Unreachable, match=r"nothing was heard for 0\.2 s"):
            list(jobs.log("x"))


@pytest.mark.timeout(30)
def test_no_answer_is_waited_for_for_ever(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_jobs, "ANSWER_TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        jobs._client._address = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        with pytest.raises(Unreachable, match=r"does not answer: timed out$"):
            jobs.details("x")


def test_that_nobody_answers_any_more_is_told_in_few_words(jobs: Jobs) -> None:
    jobs._client._address = "http://127.0.0.1:1"
    with pytest.raises(Unreachable, match=r"does not answer: \[Errno 111\] Connection refused$"):
        jobs.details("x")


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (JobStatus.SUCCEEDED, 0, 0),
        (JobStatus.FAILED, 1, 1),
        (JobStatus.FAILED, 2, 2),
        (JobStatus.FAILED, -9, 137),
        (JobStatus.FAILED, None, 1),
        (JobStatus.STOPPED, None, 143),
    ],
)
def test_a_job_ends_as_its_command_does(status: JobStatus, code: int | None, expected: int) -> None:
    details = JobDetails(type="SUBMISSION", status=status, entrypoint="", driver_exit_code=code)
    assert exit_code(details) == expected
