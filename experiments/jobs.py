"""The jobs of a Ray cluster, over HTTP: the one port that the cluster's head has to open."""

import asyncio
import http.client
import json
import logging
import os
import time
import urllib.error
import urllib.request
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import aiohttp
from ray._raylet import Config  # type: ignore[attr-defined] # Compiled; its stub lacks it.
from ray.dashboard.modules.job.pydantic_models import JobDetails
from ray.exceptions import AuthenticationError, RayError
from ray.job_submission import JobStatus, JobSubmissionClient

from experiments.errors import EXIT_FAILED, EXIT_TERMINATED, InputError

CONNECT_TIMEOUT_S = 5.0
POLL_S = 0.2

_DISABLED, _TOKEN = "disabled", "token"
_MODE, _ADDRESS = "RAY_AUTH_MODE", "RAY_API_SERVER_ADDRESS"

_TALKATIVE = (
    "ray.dashboard.modules.dashboard_sdk",
    "ray.dashboard.modules.job.sdk",
    "ray._private.runtime_env.packaging",
)
"""Ray's modules that say at length what they upload."""


class JobsError(InputError):
    """A cluster does not do what it was asked; the message says why in one line."""


class Jobs:
    """What can be done with jobs at `address`, such as http://HEAD:8265.

    Raises JobsError where nobody answers there, not Ray, or not to us; so do its methods.
    """

    def __init__(self, address: str) -> None:
        self.authentication = _authentication_mode(address)
        self.address = address.rstrip("/")
        # Ray believes its variables, which may name any cluster, more than what it is told.
        os.environ[_ADDRESS] = self.address
        # The cluster knows best. Left unset, Ray sends no token, and hears that it is unauthorized.
        os.environ[_MODE] = self.authentication
        Config.initialize("")  # Ray has read it when it was imported.
        for module in _TALKATIVE:
            logging.getLogger(module).setLevel(logging.ERROR)
        with self._errors():
            self._client = JobSubmissionClient(self.address)

    def ray_version(self) -> str:
        """Return the version of Ray that the cluster runs."""
        return str(_ask(f"{self.address}/api/version", self._client._headers)["ray_version"])

    def start(
        self, job_id: str, entrypoint: str, runtime_env: dict[str, Any], metadata: dict[str, str]
    ) -> None:
        """Start a job of that name; its files go along."""
        with self._errors():
            self._client.submit_job(
                entrypoint=entrypoint,
                submission_id=job_id,
                runtime_env=runtime_env,
                metadata=metadata,
            )

    def details(self, job_id: str) -> JobDetails:
        """Return what the cluster knows about a job."""
        with self._errors():
            return self._client.get_job_info(job_id)

    def log(self, job_id: str) -> Iterator[str]:
        """Yield what a job has written and, piece by piece, what it writes until its end."""
        with self._errors(), asyncio.Runner() as runner:
            pieces = self._client.tail_job_logs(job_id)
            assert isinstance(pieces, AsyncGenerator), pieces
            while (piece := runner.run(_next(pieces))) is not None:
                yield piece

    def wait(self, job_id: str) -> JobDetails:
        """Return what is known about a job once it has ended."""
        while not (details := self.details(job_id)).status.is_terminal():
            time.sleep(POLL_S)
        return details

    def stop(self, job_id: str) -> None:
        """Tell a job to end."""
        with self._errors():
            self._client.stop_job(job_id)

    def command(self, what: str, job_id: str) -> str:
        """Return what to type for Ray's own command on a job, such as `stop`."""
        return f"{_MODE}={self.authentication} ray job {what} {job_id} --address {self.address}"

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except AuthenticationError as error:
            right = "set RAY_AUTH_TOKEN to what `ray get-auth-token` shows on the head"
            raise JobsError(f"{self.address}: does not accept our token; {right}") from error
        except (OSError, RuntimeError, RayError, aiohttp.ClientError) as error:
            raise JobsError(f"{self.address}: {_reason(error)}") from error


def exit_code(details: JobDetails) -> int:
    """Return the exit code of a job that has ended, as a shell would."""
    if details.status == JobStatus.SUCCEEDED:
        return 0
    if details.status == JobStatus.STOPPED:
        return EXIT_TERMINATED
    code = details.driver_exit_code or EXIT_FAILED
    return code if code > 0 else 128 - code


async def _next(pieces: AsyncGenerator[str, None]) -> str | None:
    return await anext(pieces, None)


def _reason(error: Exception) -> str:
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    return " ".join(str(cause).split()) or type(cause).__name__


def _authentication_mode(address: str) -> str:
    """Ask the cluster whether it wants a token; raises JobsError where it is no cluster."""
    if not address.startswith(("http://", "https://")):
        right = "must be that of a cluster's head, such as http://HEAD:8265"
        raise JobsError(f"--address {address}: {right}")
    try:
        mode = _ask(f"{address.rstrip('/')}/api/authentication_mode", {})["authentication_mode"]
    except (http.client.HTTPException, urllib.error.HTTPError, LookupError, ValueError) as error:
        raise JobsError(f"{address}: what answers there is not Ray's dashboard") from error
    except OSError as error:
        reason = f"nobody answers there: {_reason(error)}"
        where = "jobs go to the dashboard of the head, by default at port 8265"
        raise JobsError(f"{address}: {reason}; {where}") from error
    if mode not in (_DISABLED, _TOKEN):
        raise JobsError(f"{address}: wants authentication by {mode!r}, which is not known here")
    return str(mode)


def _ask(url: str, headers: Mapping[str, str]) -> Mapping[str, Any]:
    request = urllib.request.Request(url, headers=dict(headers))  # noqa: S310 # By HTTP: checked.
    with urllib.request.urlopen(request, timeout=CONNECT_TIMEOUT_S) as answer:  # noqa: S310
        found = json.load(answer)
    if not isinstance(found, dict):
        raise ValueError(f"not what Ray says: {found!r}")
    return found
