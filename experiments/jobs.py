"""The jobs of a Ray cluster, over HTTP: the one port that the cluster's head has to open."""

import asyncio
import http.client
import json
import logging
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn

import aiohttp
import requests
from ray.dashboard.modules.job.pydantic_models import JobDetails
from ray.exceptions import AuthenticationError, RayError
from ray.job_submission import JobStatus, JobSubmissionClient

from experiments import about, authentication
from experiments.errors import EXIT_FAILED, EXIT_TERMINATED, InputError, Unreachable

CONNECT_TIMEOUT_S = 5.0
POLL_S = 0.2

ANSWER_TIMEOUT_S = 20.0
"""How long a head may take to answer: it may be busy with what it measures."""

SILENCE_S = 5.0
"""After how long without a word in a log the head is asked whether it is still there."""

_ADDRESS = "RAY_API_SERVER_ADDRESS"
_MODE_PATH = "/api/authentication_mode"
_ID = re.compile(r"\w[\w.-]*", re.ASCII)

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

    Raises Unreachable where nobody answers there, and JobsError where it is not Ray, or not for us;
    so do its methods.
    """

    def __init__(self, address: str) -> None:
        self.authentication = _authentication_mode(address)
        self.address = address.rstrip("/")
        # Ray believes its variables, which may name any cluster, more than what it is told.
        os.environ[_ADDRESS] = self.address
        authentication.use(self.authentication)
        for module in _TALKATIVE:
            logging.getLogger(module).setLevel(logging.ERROR)
        with self._errors():
            if self.authentication == authentication.TOKEN and not authentication.has_token():
                raise JobsError(f"{self.address}: wants a token; {authentication.TO_BE_LET_IN}")
            self._client = _Client(self.address)

    def ray_version(self) -> str:
        """Return the version of Ray that the cluster runs."""
        with self._errors():
            found = _ask(f"{self.address}/api/version", self._client._headers)
        return str(found["ray_version"])

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
        if not _ID.fullmatch(job_id):  # As part of a URL it would ask for something else.
            raise JobsError(f"{job_id!r}: no ID of a job; such as {about.NAME}-0123456789ab")
        with self._errors():
            return self._client.get_job_info(job_id)

    def log(self, job_id: str) -> Iterator[str]:
        """Yield what a job has written and, piece by piece, what it writes until its end."""
        with self._errors(), _losses(), asyncio.Runner() as runner:
            pieces = self._client.tail_job_logs(job_id)
            assert isinstance(pieces, AsyncGenerator), pieces
            while (piece := runner.run(self._next(pieces))) is not None:
                yield piece

    async def _next(self, pieces: AsyncGenerator[str, None]) -> str | None:
        """Return the next piece of a log, None at its end; the head answers while there is none."""
        coming = asyncio.ensure_future(anext(pieces, None))
        while True:
            await asyncio.wait({coming}, timeout=SILENCE_S)
            if coming.done():
                return coming.result()
            await self._check_there()

    async def _check_there(self) -> None:
        """Raise OSError where the head answers no more."""
        timeout = aiohttp.ClientTimeout(total=ANSWER_TIMEOUT_S)
        url = f"{self.address}{_MODE_PATH}"
        try:
            async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url):
                pass
        except TimeoutError as error:
            raise TimeoutError(f"nothing was heard for {ANSWER_TIMEOUT_S:g} s") from error

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
        mode = f"{authentication.MODE_VARIABLE}={self.authentication}"
        return f"{mode} ray job {what} {job_id} --address {self.address}"

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except AuthenticationError as error:
            reason = f"does not accept our token; {authentication.TO_BE_LET_IN}"
            raise JobsError(f"{self.address}: {reason}") from error
        except (RuntimeError, RayError, aiohttp.ClientResponseError) as error:
            raise JobsError(f"{self.address}: {_reason(error)}") from error
        except (OSError, aiohttp.ClientError) as error:
            raise Unreachable(f"{self.address}: does not answer: {_reason(error)}") from error


@contextmanager
def _losses() -> Iterator[None]:
    """Raise ConnectionError where Ray's client of logs says that the connection broke."""
    try:
        yield
    except RuntimeError as error:
        raise ConnectionError(str(error)) from error


class _Client(JobSubmissionClient):
    """Ray's client, which would wait for an answer for ever, and take every failure for ours."""

    def _do_request(self, *args: Any, **kwargs: Any) -> Any:
        timeout = (CONNECT_TIMEOUT_S, ANSWER_TIMEOUT_S)
        return super()._do_request(*args, timeout=timeout, **kwargs)

    def _raise_error(self, r: requests.Response) -> NoReturn:
        if r.status_code >= http.HTTPStatus.INTERNAL_SERVER_ERROR:
            *_, last = ["nobody knows why", *r.text.splitlines()]
            raise ConnectionError(f"the head fails: {last}")
        raise RuntimeError(r.text)


def exit_code(details: JobDetails) -> int:
    """Return the exit code of a job that has ended, as a shell would."""
    if details.status == JobStatus.SUCCEEDED:
        return 0
    if details.status == JobStatus.STOPPED:
        return EXIT_TERMINATED
    code = details.driver_exit_code or EXIT_FAILED
    return code if code > 0 else 128 - code


def _reason(error: BaseException) -> str:
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, requests.RequestException) and cause.__context__:
        return _reason(_origin(cause))  # What it says itself is long, and has that amid it.
    return " ".join(str(cause).split()) or type(cause).__name__


def _origin(error: BaseException) -> BaseException:
    while error.__context__:
        error = error.__context__
    return error


def _authentication_mode(address: str) -> str:
    """Ask the cluster whether it wants a token.

    Raises Unreachable where nobody answers, and JobsError where it is no cluster.
    """
    if not address.startswith(("http://", "https://")):
        right = "must be that of a cluster's head, such as http://HEAD:8265"
        raise JobsError(f"--address {address}: {right}")
    try:
        mode = _ask(f"{address.rstrip('/')}{_MODE_PATH}", {})["authentication_mode"]
    except (http.client.HTTPException, urllib.error.HTTPError, LookupError, ValueError) as error:
        raise JobsError(f"{address}: what answers there is not Ray's dashboard") from error
    except OSError as error:
        reason = f"nobody answers there: {_reason(error)}"
        where = "jobs go to the dashboard of the head, by default at port 8265"
        raise Unreachable(f"{address}: {reason}; {where}") from error
    if mode not in (authentication.DISABLED, authentication.TOKEN):
        raise JobsError(f"{address}: wants authentication by {mode!r}, which is not known here")
    return str(mode)


def _ask(url: str, headers: Mapping[str, str]) -> Mapping[str, Any]:
    request = urllib.request.Request(url, headers=dict(headers))  # noqa: S310 # By HTTP: checked.
    with urllib.request.urlopen(request, timeout=CONNECT_TIMEOUT_S) as answer:  # noqa: S310
        found = json.load(answer)
    if not isinstance(found, dict):
        raise ValueError(f"not what Ray says: {found!r}")
    return found
