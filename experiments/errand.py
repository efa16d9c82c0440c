"""A short job on the head of a cluster: one of our files, which needs nothing but Python."""

import inspect
import shlex
from types import ModuleType

from experiments.jobs import Jobs


def start(jobs: Jobs, job_id: str, program: ModuleType, *paths: str) -> None:
    """Start `program` as a job of that name, on `paths` of the head; raises what `jobs` does.

    It goes along as text: a folder with a file would have to be brought there first, in a second.
    """
    text = shlex.quote(inspect.getsource(program))
    # Not from the folder that Ray was started in: whatever lies there would be imported first.
    jobs.start(job_id, " ".join(["exec python3 -P -c", text, *map(quoted, paths)]), {}, {})


def quoted(path: str) -> str:
    """Return a path as a shell reads it, where a ~ in front is the home of whoever runs the job."""
    return f"~/{shlex.quote(path[2:])}" if path.startswith("~/") else shlex.quote(path)
