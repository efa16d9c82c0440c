"""`paxoscope bundle`: a reproduction as one archive, for those who evaluate artifacts.

The same folder makes the same bytes wherever and whenever it is bundled with the same packages:
files are sorted and carry no times, owners or names of this machine's folders.
"""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path

from experiments import results
from experiments.errors import InputError
from experiments.evaluation import COMMANDS, KIND, MESSAGES, SCORECARD

MANIFEST = "MANIFEST.sha256"
REPORT = "report.html"

_BESIDE_SUITES = (REPORT, SCORECARD, COMMANDS, KIND)
_RECORDED = ("commit", "os", "cpu_model", "cores", "memory_bytes", "backend", "profile")

_README = """\
{title}
{rule}

What is here

  report.html            the report: read it in a browser, no network needed
  scorecard.json         every claim: claimed, ours, verdict, reason
  commands.txt           the commands that made all of this
  kind.json              whether these are quick runs, and of which backend
  <suite>/suite.toml     a suite as it was run, overrides included
  <suite>/runs.parquet   a row a run: configuration, results, verdicts, versions, machine
  <suite>/timeline, latency, service, counters, events
                         the raw tables of each run, over time (docs/tables.md in the source)
  messages/*.parquet     messages of a single request: counts, and every message of one
  versions.json          commit, Python, system, processor and packages that the runs recorded
  requirements.txt       every package installed where this was bundled, as pip freeze lists them
  MANIFEST.sha256        the SHA-256 of each file

The suites

{suites}

Check that nothing was changed

  sha256sum --check {manifest}

Do it again, with the source at the commit in versions.json and Python 3.11 or newer

  python3 -m venv .venv
  .venv/bin/pip install -c constraints.txt -e .
{commands}

or one suite alone

  .venv/bin/paxoscope run <suite>/suite.toml --out again/<suite>

Write the report of a suite's tables, without running anything

  .venv/bin/paxoscope report <suite>
"""


def write(folder: Path, out: Path | None = None) -> Path:
    """Bundle a reproduction into `out`, by default FOLDER.tar.gz beside it; return where it is.

    Raises InputError where the folder is not a finished reproduction, or something cannot be read
    or written.
    """
    place = folder.resolve()
    _check(folder)
    named = folder if folder.name == place.name else place  # Not so are "." and "..".
    path = out or named.with_name(f"{place.name}.tar.gz")
    if not path.name:
        raise InputError(f"--out {path}: must name a file, such as {place.name}.tar.gz")
    try:
        archive = _archive(place.name, _contents(place))
    except OSError as error:
        raise InputError(f"{error.filename or folder}: cannot be read: {error.strerror}") from error
    try:
        results.replace_file(path, archive)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error
    return path


def _check(folder: Path) -> None:
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    for name in _BESIDE_SUITES:
        if not (folder / name).is_file():
            raise InputError(f"{folder}: no {name} here; bundle what `paxoscope reproduce` made")


def _contents(folder: Path) -> dict[str, bytes]:
    """Return what goes into the bundle, by its name there; the manifest is not among it."""
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in _files(folder)}
    suites = sorted({name.partition("/")[0] for name in files if name.endswith("/suite.toml")})
    versions = {suite: _recorded(folder / suite) for suite in suites}
    return {
        **files,
        "README.txt": _readme(folder, suites).encode(),
        "requirements.txt": _requirements().encode(),
        "versions.json": f"{json.dumps(versions, indent=1, sort_keys=True)}\n".encode(),
    }


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files of a reproduction; what else lies there is left out."""
    yield from (folder / name for name in _BESIDE_SUITES)
    yield from (folder / MESSAGES).glob("*.parquet")
    for runs in folder.glob(f"*/{results.RUNS_FILE}"):
        yield from (runs, runs.with_name("suite.toml"))
        for table in results.TABLES:
            yield from runs.with_name(table).glob("*.parquet")


def _recorded(suite: Path) -> dict[str, list[str | float]]:
    """Return every value of what the runs of a suite recorded of their environment."""
    runs = results.runs(suite)
    known = [key for key in runs if key in _RECORDED or str(key).endswith("_version")]
    return {str(key): sorted(runs[key].dropna().unique().tolist()) for key in known}


def _readme(folder: Path, suites: list[str]) -> str:
    title = f"{folder.name}: the S-Paxos evaluation (SRDS 2012), reproduced with Paxoscope"
    return _README.format(
        title=title,
        rule="=" * len(title),
        suites="\n".join(f"  {suite}: {_description(folder / suite)}" for suite in suites),
        manifest=MANIFEST,
        commands="\n".join(f"  .venv/bin/{command}" for command in _commands(folder)),
    )


def _commands(folder: Path) -> list[str]:
    return (folder / COMMANDS).read_text(encoding="utf-8", errors="replace").splitlines()


def _description(suite: Path) -> str:
    runs = results.runs(suite)
    return f"{len(runs)} runs, {' and '.join(sorted(runs['backend'].unique()))}"


def _requirements() -> str:
    """Return the installed packages and their versions, a line each, as `pip freeze` does."""
    found = {(each.name.lower(), each.version) for each in metadata.distributions()}
    return "".join(f"{name}=={version}\n" for name, version in sorted(found))


# --- The archive --------------------------------------------------------------------------------


def _archive(name: str, files: Mapping[str, bytes]) -> bytes:
    """Return a tar.gz with the files, and their manifest, in a folder of that name."""
    manifest = "".join(
        f"{hashlib.sha256(content).hexdigest()}  {path}\n"
        for path, content in sorted(files.items())
    )
    raw = io.BytesIO()
    # Without a name and a time in the head of the archive: the same files are the same bytes.
    with (
        gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for path, content in sorted({**files, MANIFEST: manifest.encode()}.items()):
            entry = tarfile.TarInfo(f"{name}/{path}")
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
    return raw.getvalue()
