"""`paxoscope submit`, `attach` and `fetch`: a suite as a job on a Ray cluster, and its results.

A job runs `python3 -m experiments run` on the cluster's head, in a folder there that is named after
the job and stays when the job ends. Short jobs before and after it tell by their logs which
versions are there and what the results are, and while it is followed another its progress
(`experiments.relayed`).
"""

import itertools
import secrets
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

from ray.job_submission import JobStatus

from experiments import about, errand, pack, parcel, versions
from experiments.commands import write_report
from experiments.errors import EXIT_FAILED, InputError, Unreachable
from experiments.jobs import Jobs, JobsError, exit_code
from experiments.relayed import Relayed
from experiments.results import ResultsWriter, runs_path
from experiments.runner import missing
from experiments.spec import Suite, load_suite
from experiments.unpack import UnpackError, unpack, whole_lines

Dependencies = Literal["auto", "pinned", "cluster"]

_SUITE, _FOLDER = "paxoscope_suite", "paxoscope_folder"
"""What a job's metadata say, for those who come back to it later."""


def submit(
    path_or_name: str,
    overrides: Sequence[str],
    *,
    address: str,
    out: Path | None,
    follows: bool,
    dependencies: Dependencies,
    kept_in: str,
    parallel: int | None = None,
) -> int:
    """Send what is missing of a suite to a cluster; follow it there, or say how to.

    Returns the exit code. Raises InputError where the suite, a folder or the cluster cannot be
    used, and Unreachable where nobody answers.
    """
    if not kept_in.startswith(("/", "~/")):  # Ray removes what a job leaves where it runs.
        raise InputError(f"--kept-in {kept_in}: must begin with / or ~/")
    suite = load_suite(path_or_name, overrides)
    jobs = Jobs(address)
    _check_ray(jobs)
    home = out or _home(suite)
    with ResultsWriter(home, suite) as results:
        runs = missing(suite, results)
    if not runs:
        print(f"{suite.name}: every run is there already")
        return 0
    job_id = f"{about.NAME}-{secrets.token_hex(6)}"
    folder = f"{kept_in.rstrip('/')}/{job_id}"
    pins = _to_install(jobs, dependencies)
    print(f"{suite.name}: {len(runs)} runs, submitted as {job_id}", flush=True)
    advice = _how_to_go_on(jobs, job_id, home)
    with (
        _advised("the job may have begun", advice),
        tempfile.TemporaryDirectory(prefix=f"{about.NAME}-") as code,
    ):
        parcel.fill(Path(code), suite.to_toml(), runs_path(home))
        metadata = {_SUITE: suite.to_toml(), _FOLDER: folder}
        jobs.start(job_id, _entrypoint(folder, parallel), _runtime(code, pins), metadata)
    print(advice)
    return attach(job_id, jobs, home) if follows else 0


def attach(job_id: str, jobs: Jobs, out: Path | None) -> int:
    """Show what a job writes until it ends, and fetch its results; return the job's exit code.

    Meanwhile its progress is where its results will be. A job that succeeded without results has
    failed. Raises, with advice, KeyboardInterrupt where the user broke off and Unreachable where
    the cluster is lost: the job goes on.
    """
    suite, folder = _suite(jobs, job_id), _metadata(jobs, job_id, _FOLDER)
    home = out or _home(suite)
    with ResultsWriter(home, suite):
        pass  # Where they cannot be kept there is no use in following.
    advice = _how_to_go_on(jobs, job_id, home)
    with _advised("the job goes on", advice):
        with Relayed(jobs, job_id, folder, home):
            for piece in jobs.log(job_id):
                print(piece, end="", flush=True)
        ended = jobs.wait(job_id)
    code = exit_code(ended)
    print(f"{job_id}: {ended.status.value.lower()}, exit code {code}")
    if ended.driver_exit_code is None and code:
        print(ended.message, file=sys.stderr)  # It never got as far as a log.
    with _advised("the job has ended", advice):
        came = fetch(job_id, jobs, home)
    if not came and not code:
        print(f"{job_id}: its results are not in {folder} on the head", file=sys.stderr)
        return EXIT_FAILED
    return code


def fetch(job_id: str, jobs: Jobs, out: Path | None) -> bool:
    """Bring home the runs that a job has finished, and report on all that is there then.

    Returns whether there were any. Raises InputError where they do not come, or cannot be kept at
    home, and Unreachable where nobody answers.
    """
    home = out or _home(_suite(jobs, job_id))
    with tempfile.TemporaryDirectory(prefix=f"{about.NAME}-") as name:
        fetched = Path(name)
        size = _receive(jobs, _metadata(jobs, job_id, _FOLDER), fetched)
        if not runs_path(fetched).is_file():
            print(f"{job_id}: no run has finished")
            return False
        with ResultsWriter(home, load_suite(str(fetched / "suite.toml"))) as results:
            count = results.adopt(fetched)
            is_empty = not results.rows()
    print(f"results: {home} ({count} runs fetched, {size / 1e6:.1f} MB)")
    if not is_empty:
        write_report(home)
    return True


def _check_ray(jobs: Jobs) -> None:
    version = jobs.ray_version()
    if not parcel.ray_allowed(version):
        needed = next(each for each in about.requirements() if each.startswith("ray"))
        raise JobsError(f"{jobs.address}: runs Ray {version}; this needs {needed}")


def _home(suite: Suite) -> Path:
    return Path("results") / suite.name


def _to_install(jobs: Jobs, dependencies: Dependencies) -> list[str]:
    """Return what pip is to install for a job."""
    if dependencies == "cluster":
        return []
    pins = parcel.pins()
    if dependencies == "pinned":
        return pins
    others = sorted({*pins} - _versions_there(jobs))
    if others:
        print(f"installed for this job, as the head has no {', '.join(others)}")
    return pins if others else []


def _versions_there(jobs: Jobs) -> set[str]:
    """Return what is installed on the head, as `name==version`; nothing where it cannot say."""
    job_id = f"{about.NAME}-versions-{secrets.token_hex(6)}"
    errand.start(jobs, job_id, versions)
    return {*itertools.takewhile(lambda line: line != versions.END, whole_lines(jobs.log(job_id)))}


def _runtime(code: str, pins: list[str]) -> dict[str, Any]:
    """Return Ray's runtime environment of a job, with the code in the folder `code`."""
    return {"working_dir": code, **({"pip": pins} if pins else {})}


def _entrypoint(folder: str, parallel: int | None) -> str:
    """Return the shell command of a job; it begins with what is known about the suite at home."""
    there = errand.quoted(folder)
    columns = shutil.get_terminal_size().columns
    at_once = f" --parallel {parallel}" if parallel else ""
    return (
        f"mkdir -p {there} && cp {parcel.HELD}/* {there} && COLUMNS={columns} "
        f"exec python3 -m experiments run {there}/suite.toml "
        f"--address auto --out {there} --no-report{at_once}"
    )


def _receive(jobs: Jobs, folder: str, fetched: Path) -> int:
    """Unpack what a folder on the head holds into `fetched`; return the bytes that came."""
    job_id = f"{about.NAME}-fetch-{secrets.token_hex(6)}"
    try:
        errand.start(jobs, job_id, pack, folder)
        return unpack(jobs.log(job_id), fetched)
    except UnpackError as error:
        details = jobs.details(job_id)
        if details.status == JobStatus.FAILED:
            raise JobsError(f"{job_id}: {' '.join((details.message or '').split())}") from error
        raise
    finally:
        with suppress(JobsError, Unreachable):  # Whatever went wrong before is what to tell.
            jobs.stop(job_id)  # It waits for that, to empty its log.
            jobs.wait(job_id)


def _suite(jobs: Jobs, job_id: str) -> Suite:
    """Return the suite of a job."""
    with tempfile.TemporaryDirectory(prefix=f"{about.NAME}-") as folder:
        path = Path(folder) / "suite.toml"
        path.write_text(_metadata(jobs, job_id, _SUITE), encoding="utf-8")
        return load_suite(str(path))


def _metadata(jobs: Jobs, job_id: str, key: str) -> str:
    """Return what was written down when a job was submitted."""
    metadata = jobs.details(job_id).metadata or {}
    if key not in metadata:
        raise InputError(f"{job_id}: not a job of `{about.NAME} submit`")
    return str(metadata[key])


@contextmanager
def _advised(state: str, advice: str) -> Iterator[None]:
    """Have Ctrl-C say in which `state` the job is, and both that and a loss how to go on."""
    try:
        yield
    except KeyboardInterrupt as end:
        raise type(end)(f"{state}\n{advice}") from end
    except Unreachable as loss:
        raise Unreachable(f"{loss}\n{advice}") from loss


def _how_to_go_on(jobs: Jobs, job_id: str, home: Path) -> str:
    ours = shlex.join([job_id, "--address", jobs.address, "--out", str(home)])
    return "\n".join(
        [
            f"  follow it, and fetch the results:  {about.NAME} attach {ours}",
            f"  fetch what has finished:           {about.NAME} fetch {ours}",
            f"  stop it:                           {jobs.command('stop', job_id)}",
        ]
    )
