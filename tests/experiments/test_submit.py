"""`paxoscope submit`, `attach` and `fetch` on a real cluster of one node."""

import itertools
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from experiments import environment, progress, results
from experiments.progress import CurrentRun
from experiments.spec import load_suite
from experiments.sweep import expand
from tests.actors.on_ray import PATIENCE_S
from tests.experiments import ray_head
from tests.experiments.ray_head import BIN, Head
from tests.experiments.test_live import Command

pytestmark = pytest.mark.ray

ROOT = Path(__file__).parents[2]

SUITE = """
[base]
warmup_s = 0.1
duration_s = 0.3
cooldown_s = 0.0
clients = 8
replicas = 1
protocol = "unreplicated"
"""


class Lab:
    """A folder with a suite, from which jobs are sent to a cluster."""

    def __init__(self, head: Head, folder: Path) -> None:
        self.head = head
        self.folder = folder
        self.home = folder / "home"
        self.suite = folder / "tiny.toml"
        self.suite.write_text(SUITE)

    def submit(self, *options: str) -> Command:
        kept_in = f"--kept-in={self.folder}/head"
        return self.command("submit", str(self.suite), kept_in, "--dependencies=cluster", *options)

    def command(self, *arguments: str) -> Command:
        where = f"--address={self.head.address}", f"--out={self.home}"
        return Command(*arguments, *where, folder=ROOT)

    def ray_job(self, *arguments: str) -> str:
        verb, *others = arguments
        done = subprocess.run(
            [str(BIN / "ray"), "job", verb, "--address", self.head.address, *others],
            env=ray_head.environment(),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=3 * PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def lab(head: Head, tmp_path: Path) -> Lab:
    return Lab(head, tmp_path)


def _job_id(output: str) -> str:
    found = re.search(r"submitted as (paxoscope-[0-9a-f]{12})$", output, re.MULTILINE)
    assert found, output
    return found[1]


def test_suites_run_on_the_cluster_and_their_results_come_home(lab: Lab, tmp_path: Path) -> None:
    """Two at a time, each into its own folder."""
    (tmp_path / "second").mkdir()
    labs = {4: lab, 8: Lab(lab.head, tmp_path / "second")}
    jobs = {
        clients: each.submit("--follow", f"--set=clients={clients}")
        for clients, each in labs.items()
    }
    for clients, job in jobs.items():
        done, home = job.ended(), labs[clients].home
        assert done.code == 0, done
        assert "[1/1] " in done.out
        assert f"results: {home} (1 runs fetched" in done.out
        assert (home / "report.html").is_file()
        runs = results.runs(home)
        assert list(runs["clients"]) == [clients]
        assert list(runs["outcome"]) == ["ok"]
        assert list(runs["commit"]) == [environment.commit()]
        assert results.timeline(home)["completed"].sum() > 0
    assert lab.head.logs_bytes("paxoscope-fetch-") == 0  # What brought them home is gone.
    again = lab.submit("--set=clients=4").ended()
    assert (again.code, again.out) == (0, "tiny: every run is there already\n")


def test_a_sweep_in_virtual_time_measures_as_a_job_what_it_measures_here(
    lab: Lab, tmp_path: Path
) -> None:
    """And what is there already is not installed, unless one says so."""
    settings = ("--set=backend=sim", "--set=clients=[4, 8]", "--set=profile=ethernet-100mbit")
    done = lab.submit("--follow", "--parallel=2", "--dependencies=auto", *settings).ended()
    assert done.code == 0, done
    assert "installed for this job" not in done.out
    here = tmp_path / "here"
    run = ("run", str(lab.suite), f"--out={here}", "--no-report", *settings)
    assert Command(*run, folder=ROOT).ended().code == 0
    told = [results.runs(folder).set_index("run_id").sort_index() for folder in (here, lab.home)]
    assert len(told[0]) == 2
    measures = ["throughput_rps", "completed", "latency_ms_p50", "latency_ms_p99"]
    pd.testing.assert_frame_equal(told[0][measures], told[1][measures])


def test_a_job_that_is_stopped_leaves_no_actor_and_what_it_had_finished(lab: Lab) -> None:
    """Ctrl-C ends the following only; Ray's own command the job."""
    short_first = next(
        seed
        for seed in itertools.count()
        if expand(load_suite(str(lab.suite), _short_and_long(seed)))[0].config.duration_s < 1
    )
    settings = [f"--set={each}" for each in _short_and_long(short_first)]
    following = lab.submit("--follow", *settings)
    following.read_until("[1/2] ")
    following.press_ctrl_c()
    left = following.ended()
    assert left.code == 130
    job_id = _job_id(left.out)
    assert f"ray job stop {job_id}" in left.err
    assert f"paxoscope attach {job_id} --address {lab.head.address}" in left.err

    assert "was stopped" in lab.ray_job("stop", job_id)
    attached = lab.command("attach", job_id).ended()
    assert attached.code == 143, attached
    assert f"{job_id}: stopped, exit code 143" in attached.out
    assert list(results.runs(lab.home)["duration_s"]) == [0.3]
    lab.head.wait_until_nobody_is_alive()


def _short_and_long(seed: int) -> list[str]:
    return ["duration_s=[0.3, 600]", f"seed={seed}"]


def test_a_job_can_be_watched_at_home_while_it_is_followed(lab: Lab) -> None:
    """From its beginning or from the middle of a run, again and again; nothing is left of it."""
    following = lab.submit("--follow", "--set=duration_s=600")
    try:
        first = _watched(lab)
        following.press_ctrl_c()
        job_id = _job_id(following.ended().out)
        assert _is_over(lab)
    finally:
        following.kill()
    following = lab.command("attach", job_id)
    try:
        again = _watched(lab)
        assert again.moments[: len(first.moments)] == first.moments
        lab.ray_job("stop", job_id)
        assert following.ended().code == 143
        assert _is_over(lab)
    finally:
        following.kill()
    relays = f"{job_id}-progress-"
    assert len(_status_of(lab, relays)) == 2
    _eventually(lambda: {"SUCCEEDED", "STOPPED"} >= set(_status_of(lab, relays)))
    assert lab.head.logs_bytes(relays) == 0


def test_of_a_follower_that_was_killed_nothing_outlives_the_sweep(lab: Lab) -> None:
    following = lab.submit("--follow", "--set=duration_s=600")
    following.read_until("tiny: 1 runs, submitted")
    try:
        _watched(lab)
    finally:
        following.kill()
    job_id = _job_id(following.ended().out)
    relays = f"{job_id}-progress-"
    assert _status_of(lab, relays) == ["RUNNING"]
    lab.ray_job("stop", job_id)
    _eventually(lambda: _status_of(lab, relays) == ["SUCCEEDED"])
    assert lab.head.logs_bytes(relays) == 0


@pytest.mark.parametrize("loss", [signal.SIGKILL, signal.SIGSTOP])
def test_a_head_that_is_lost_while_a_job_is_followed_is_told_with_how_to_come_back(
    loss: signal.Signals, tmp_path: Path
) -> None:
    """Killed, or silent as behind a broken network."""
    with ray_head.head() as own:
        lab = Lab(own, tmp_path)
        following = lab.submit("--follow", "--set=duration_s=600")
        try:
            _watched(lab)
            own.signal(loss)
            ended = following.ended()
        finally:
            following.kill()
            if own.process.is_running():
                own.signal(signal.SIGKILL)
    assert ended.code == 1
    assert f"{own.address}: does not answer: " in ended.err
    assert f"paxoscope attach {_job_id(ended.out)} --address {own.address}" in ended.err
    assert "Traceback" not in ended.err
    assert _is_over(lab)


def _watched(lab: Lab) -> CurrentRun:
    """Wait until some of the current run is known at home; return what is known."""
    known: list[CurrentRun] = []

    def is_known() -> bool:
        told = progress.read(lab.home)
        if told and told.run and len(told.run.moments) > 2:
            assert told.suite == "tiny"
            known.append(told.run)
        return bool(known)

    _eventually(is_known)
    return known[0]


def _is_over(lab: Lab) -> bool:
    return not list(lab.home.glob("progress*"))


def _status_of(lab: Lab, jobs: str) -> list[str]:
    """Return the status of each job whose name begins so."""
    return [status for job_id, status in lab.head.jobs().items() if job_id.startswith(jobs)]


def _eventually(holds: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 3 * PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline_s
        time.sleep(0.1)


def test_a_job_that_fails_says_so_by_its_exit_code(lab: Lab) -> None:
    (lab.folder / "head").write_text("a file, where a folder is needed")
    done = lab.submit("--follow").ended()
    assert done.code not in (0, 2)
    assert "no run has finished" in done.out


def test_a_job_that_never_was_cannot_be_fetched(lab: Lab) -> None:
    done = lab.command("fetch", "nobody").ended()
    assert (done.code, done.out) == (2, "")
    assert done.err.count("\n") == 1
    assert "Job nobody does not exist" in done.err


def test_rays_own_command_runs_a_checkout_without_what_git_ignores(lab: Lab) -> None:
    run = f"python3 -m experiments run {lab.suite} --address auto --out {lab.home} --no-report"
    shown = lab.ray_job("submit", "--working-dir", ".", "--", "sh", "-c", f"ls -a && {run}")
    listed = shown.splitlines()
    assert "experiments" in listed
    assert not {".venv", ".git", ".mypy_cache"} & {*listed}
    assert list(results.runs(lab.home)["outcome"]) == ["ok"]
