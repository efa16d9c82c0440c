"""A short job on the head of a cluster: one of our files, which needs nothing but Python."""

import shlex
import shutil
import tempfile
from pathlib import Path
from types import ModuleType

from experiments import about
from experiments.jobs import Jobs


def start(jobs: Jobs, job_id: str, program: ModuleType, *paths: str) -> None:
    """Start `program` as a job of that name, on `paths` of the head; raises what `jobs` does."""
    assert program.__file__ is not None, program
    source = Path(program.__file__)
    with tempfile.TemporaryDirectory(prefix=f"{about.NAME}-") as folder:
        shutil.copy(source, folder)
        command = " ".join(["exec python3", source.name, *map(quoted, paths)])
        jobs.start(job_id, command, {"working_dir": folder}, {})


def quoted(path: str) -> str:
    """Return a path as a shell reads it, where a ~ in front is the home of whoever runs the job."""
    return f"~/{shlex.quote(path[2:])}" if path.startswith("~/") else shlex.quote(path)
