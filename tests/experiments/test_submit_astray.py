"""`paxoscope submit`, `attach` and `fetch` where something goes wrong, on a made-up cluster."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ray.dashboard.modules.job.pydantic_models import JobDetails
from ray.job_submission import JobStatus
from typer.testing import CliRunner, Result

from experiments import jobs as cluster_jobs
from experiments import pack, parcel, submit, versions
from experiments.cli import app
from experiments.errors import InputError, Unreachable
from experiments.jobs import Jobs, JobsError
from experiments.results import ResultsError
from experiments.unpack import UnpackError

ADDRESS = "http://head:8265"
JOB = "paxoscope-0123456789ab"
SUITE = 'name = "tiny"\n[base]\nreplicas = 1\nprotocol = "unreplicated"\n'


class Cluster(Jobs):
    """A cluster with one job that has succeeded, and errands whose logs a test writes."""

    def __init__(self) -> None:
        self.address, self.authentication = ADDRESS, "disabled"
        self.metadata = {"paxoscope_suite": SUITE, "paxoscope_folder": "/there"}
        self.status, self.status_of_errands = JobStatus.SUCCEEDED, JobStatus.STOPPED
        self.started: dict[str, dict[str, Any]] = {}
        self.stopped: list[str] = []
        self.says: dict[str, Callable[[], str]] = {}
        """What the log of a job says whose name holds that; or what reading it raises."""
        self.read: list[str] = []

    def ray_version(self) -> str:
        return "2.60.0"

    def start(self, job_id: str, _: str, runtime_env: dict[str, Any], __: dict[str, str]) -> None:
        self.started[job_id] = runtime_env

    def details(self, job_id: str) -> JobDetails:
        status = self.status_of_errands if job_id in self.started else self.status
        return JobDetails(
            type="SUBMISSION",
            status=status,
            entrypoint="",
            message="No space left",
            metadata=self.metadata,
        )

    def log(self, job_id: str) -> Iterator[str]:
        self.read.append(job_id)
        yield from (says() for name, says in self.says.items() if name in job_id)

    def stop(self, job_id: str) -> None:
        self.stopped.append(job_id)

    def errands(self, name: str) -> list[str]:
        return [each for each in self.started if name in each]


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cluster:
    """Return the cluster that the commands find; none of its jobs can be watched."""
    monkeypatch.chdir(tmp_path)
    found = Cluster()
    found.says["-fetch-"] = _nothing_packed
    monkeypatch.setattr(cluster_jobs, "Jobs", lambda _: found)
    monkeypatch.setattr(submit, "Jobs", lambda _: found)
    return found


def _nothing_packed() -> str:
    archive = io.BytesIO()
    pack.pack(Path("/nowhere"), archive)
    return "".join(f"{line}\n" for line in pack.lines(archive))


def _raise(error: BaseException) -> str:
    raise error


def _invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--address", ADDRESS])


def _submit(folder: Path, *options: str) -> Result:
    (folder / "tiny.toml").write_text(SUITE)
    return _invoke("submit", str(folder / "tiny.toml"), *options)


@pytest.mark.parametrize("kept_in", ["", "here", "./here", "~user/x", "~"])
def test_a_folder_that_ray_would_remove_is_refused(
    cluster: Cluster, tmp_path: Path, kept_in: str
) -> None:
    result = _submit(tmp_path, "--kept-in", kept_in)
    assert (result.exit_code, cluster.started) == (2, {})
    assert result.stderr == f"paxoscope: --kept-in {kept_in}: must begin with / or ~/\n"


@pytest.mark.parametrize(("other", "installed"), [({}, False), ({"msgspec": "0.1"}, True)])
def test_dependencies_are_installed_only_where_the_head_has_others(
    cluster: Cluster, tmp_path: Path, other: dict[str, str], installed: bool
) -> None:
    there = dict(each.split("==") for each in parcel.pins()) | {"ray": "2.60.0"} | other
    told = [*(f"{name}=={version}" for name, version in there.items()), versions.END, "more"]
    cluster.says["-versions-"] = lambda: "\n".join([*told, ""])
    result = _submit(tmp_path)
    assert result.exit_code == 0, result.output
    *_, runtime_env = cluster.started.values()
    assert runtime_env.get("pip") == (parcel.pins() if installed else None)
    assert ("the head has no msgspec==" in result.stdout) == installed


@pytest.mark.parametrize(("dependencies", "pins"), [("pinned", parcel.pins()), ("cluster", None)])
def test_who_says_what_is_installed_asks_nobody(
    cluster: Cluster, tmp_path: Path, dependencies: str, pins: list[str] | None
) -> None:
    assert _submit(tmp_path, "--dependencies", dependencies).exit_code == 0
    assert [each.get("pip") for each in cluster.started.values()] == [pins]


def test_a_job_is_named_before_it_may_begin(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "start", lambda *_: _raise(KeyboardInterrupt()))
    result = _submit(tmp_path, "--dependencies=cluster")
    assert result.exit_code == 130
    job_id = result.stdout.split()[-1]
    assert result.stderr.startswith("paxoscope: interrupted; the job may have begun\n")
    assert f"paxoscope attach {job_id} --address {ADDRESS}" in result.stderr


def test_a_job_that_succeeded_without_results_has_failed(cluster: Cluster) -> None:
    result = _invoke("attach", JOB)
    assert result.exit_code == 1
    assert result.stderr == f"{JOB}: its results are not in /there on the head\n"


def test_a_folder_that_cannot_hold_the_results_is_refused_before_a_job_is_followed(
    cluster: Cluster, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other/mine.txt").touch()
    with pytest.raises(ResultsError):
        submit.attach(JOB, cluster, tmp_path / "other")
    assert cluster.read == []


@pytest.mark.parametrize("name", ["../x", "/x", "..", "."])
def test_a_job_does_not_choose_where_its_results_go(cluster: Cluster, name: str) -> None:
    cluster.metadata["paxoscope_suite"] = SUITE.replace("tiny", name)
    for ask in (submit.attach, submit.fetch):
        with pytest.raises(InputError, match="must be one line of text without a slash"):
            ask(JOB, cluster, None)


def test_a_cluster_that_is_lost_while_a_job_is_followed_is_told_with_how_to_come_back(
    cluster: Cluster,
) -> None:
    cluster.says[JOB] = lambda: _raise(Unreachable(f"{ADDRESS}: does not answer: it is off"))
    result = _invoke("attach", JOB)
    assert result.exit_code == 1
    first, follow, *_ = result.stderr.splitlines()
    assert first == f"paxoscope: {ADDRESS}: does not answer: it is off"
    assert follow.endswith(f"paxoscope attach {JOB} --address {ADDRESS} --out results/tiny")


@pytest.mark.parametrize(
    ("job", "state"), [(JOB, "the job goes on"), ("-fetch-", "the job has ended")]
)
def test_ctrl_c_says_how_to_come_back_at_any_time(cluster: Cluster, job: str, state: str) -> None:
    cluster.says[job] = lambda: _raise(KeyboardInterrupt())
    result = _invoke("attach", JOB)
    assert result.exit_code == 130
    assert result.stderr.startswith(f"paxoscope: interrupted; {state}\n")
    assert f"paxoscope fetch {JOB} --address {ADDRESS} --out results/tiny" in result.stderr


@pytest.mark.parametrize("how", [KeyboardInterrupt(), UnpackError("too large")])
def test_what_packs_results_ends_however_fetching_does(
    cluster: Cluster, how: BaseException
) -> None:
    cluster.says["-fetch-"] = lambda: _raise(how)
    with pytest.raises(type(how)):
        submit.fetch(JOB, cluster, None)
    assert cluster.stopped == cluster.errands("-fetch-")


def test_where_results_cannot_be_packed_it_says_why(cluster: Cluster) -> None:
    cluster.says["-fetch-"] = lambda: "OSError\n"
    cluster.status_of_errands = JobStatus.FAILED
    with pytest.raises(JobsError, match="No space left"):
        submit.fetch(JOB, cluster, None)


def test_a_cluster_that_is_lost_while_results_come_is_told_as_that(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    loss = Unreachable(f"{ADDRESS}: does not answer")
    monkeypatch.setattr(cluster, "stop", lambda _: _raise(loss))
    cluster.says["-fetch-"] = lambda: _raise(loss)
    with pytest.raises(Unreachable):
        submit.fetch(JOB, cluster, None)


def test_resume_may_be_said(cluster: Cluster, tmp_path: Path) -> None:
    """What is there is never run again, whether one says so or not."""
    assert _submit(tmp_path, "--resume", "--dependencies=cluster").exit_code == 0
