"""`paxoscope submit`, `attach` and `fetch`: a suite as a job on a Ray cluster, and its results.

A job runs `python3 -m experiments run` on the cluster's head, in a folder there that is named after
the job and stays when the job ends. Results come home in the log of a second, short job.
"""

import secrets
import shlex
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from experiments import about, pack, parcel
from experiments.commands import write_report
from experiments.errors import InputError
from experiments.jobs import Jobs, JobsError, exit_code
from experiments.results import ResultsWriter, runs_path
from experiments.runner import missing
from experiments.spec import load_suite
from experiments.unpack import unpack

Dependencies = Literal["pinned", "cluster"]

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
) -> int:
    """Send what is missing of a suite to a cluster; follow it there, or say how to.

    Returns the exit code. Raises InputError where the suite, the folder or the cluster cannot be
    used.
    """
    suite = load_suite(path_or_name, overrides)
    jobs = Jobs(address)
    _check_ray(jobs)
    home = out or _home(suite.name)
    with ResultsWriter(home, suite) as results:
        runs = missing(suite, results)
    if not runs:
        print(f"{suite.name}: every run is there already")
        return 0
    job_id = f"{about.NAME}-{secrets.token_hex(6)}"
    folder = f"{kept_in.rstrip('/')}/{job_id}"
    with tempfile.TemporaryDirectory(prefix=f"{about.NAME}-") as code:
        parcel.fill(Path(code), suite.to_toml(), runs_path(home))
        metadata = {_SUITE: suite.name, _FOLDER: folder}
        jobs.start(job_id, _entrypoint(folder), _runtime(code, dependencies), metadata)
    print(f"{suite.name}: {len(runs)} runs submitted as {job_id}")
    print(_how_to_go_on(jobs, job_id, home))
    return attach(job_id, jobs, home) if follows else 0


def attach(job_id: str, jobs: Jobs, out: Path | None) -> int:
    """Show what a job writes until it ends, and fetch its results; return the job's exit code.

    Raises KeyboardInterrupt, with advice, where the user broke off: the job goes on.
    """
    home = out or _home(_metadata(jobs, job_id, _SUITE))
    try:
        for piece in jobs.log(job_id):
            print(piece, end="", flush=True)
        ended = jobs.wait(job_id)
    except KeyboardInterrupt as end:
        advice = f"the job goes on\n{_how_to_go_on(jobs, job_id, home)}"
        raise KeyboardInterrupt(advice) from end
    code = exit_code(ended)
    print(f"{job_id}: {ended.status.value.lower()}, exit code {code}")
    if ended.driver_exit_code is None and code:
        print(ended.message, file=sys.stderr)  # It never got as far as a log.
    fetch(job_id, jobs, home)
    return code


def fetch(job_id: str, jobs: Jobs, out: Path | None) -> None:
    """Bring home the runs that a job has finished, and report on all that is there then.

    Raises InputError where they do not come, or cannot be kept at home.
    """
    home = out or _home(_metadata(jobs, job_id, _SUITE))
    with tempfile.TemporaryDirectory(prefix=f"{about.NAME}-") as name:
        fetched = Path(name)
        size = _receive(jobs, _metadata(jobs, job_id, _FOLDER), fetched)
        if not runs_path(fetched).is_file():
            print(f"{job_id}: no run has finished")
            return
        with ResultsWriter(home, load_suite(str(fetched / "suite.toml"))) as results:
            count = results.adopt(fetched)
            is_empty = not results.rows()
    print(f"results: {home} ({count} runs fetched, {size / 1e6:.1f} MB)")
    if not is_empty:
        write_report(home)


def _check_ray(jobs: Jobs) -> None:
    version = jobs.ray_version()
    if not parcel.ray_allowed(version):
        needed = next(each for each in about.requirements() if each.startswith("ray"))
        raise JobsError(f"{jobs.address}: runs Ray {version}; this needs {needed}")


def _home(suite: str) -> Path:
    return Path("results") / suite


def _runtime(code: str, dependencies: Dependencies) -> dict[str, Any]:
    """Return Ray's runtime environment of a job, with the code in the folder `code`."""
    installed = {"pip": parcel.pins()} if dependencies == "pinned" else {}
    return {"working_dir": code, **installed}


def _entrypoint(folder: str) -> str:
    """Return the shell command of a job; it begins with what is known about the suite at home."""
    there = _quoted(folder)
    columns = shutil.get_terminal_size().columns
    return (
        f"mkdir -p {there} && cp {parcel.HELD}/* {there} && COLUMNS={columns} "
        f"exec python3 -m experiments run {there}/suite.toml "
        f"--address auto --out {there} --no-report"
    )


def _quoted(folder: str) -> str:
    """Return a path as a shell reads it, where a ~ in front is the home of whoever runs the job."""
    return f"~/{shlex.quote(folder[2:])}" if folder.startswith("~/") else shlex.quote(folder)


def _receive(jobs: Jobs, folder: str, fetched: Path) -> int:
    """Unpack what a folder on the head holds into `fetched`; return the bytes that came."""
    job_id = f"{about.NAME}-fetch-{secrets.token_hex(6)}"
    with tempfile.TemporaryDirectory(prefix=f"{about.NAME}-") as program:
        shutil.copy(pack.__file__, program)
        command = f"exec python3 {Path(pack.__file__).name} {_quoted(folder)}"
        jobs.start(job_id, command, {"working_dir": program}, {})
    size = unpack(jobs.log(job_id), fetched)
    jobs.stop(job_id)  # It waits for that, to empty its log.
    jobs.wait(job_id)
    return size


def _metadata(jobs: Jobs, job_id: str, key: str) -> str:
    """Return what was written down when a job was submitted."""
    metadata = jobs.details(job_id).metadata or {}
    if key not in metadata:
        raise InputError(f"{job_id}: not a job of `{about.NAME} submit`")
    return str(metadata[key])


def _how_to_go_on(jobs: Jobs, job_id: str, home: Path) -> str:
    ours = shlex.join([job_id, "--address", jobs.address, "--out", str(home)])
    return "\n".join(
        [
            f"  follow it, and fetch the results:  {about.NAME} attach {ours}",
            f"  fetch what has finished:           {about.NAME} fetch {ours}",
            f"  stop it:                           {jobs.command('stop', job_id)}",
        ]
    )
