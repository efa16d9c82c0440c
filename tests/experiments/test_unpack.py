"""Results on their way home: what is sent arrives, and what is wrong with it is refused."""

import inspect
import io
import itertools
import subprocess
import sys
import tarfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments import pack, unpack
from experiments.pack import LINE_BYTES, MARK
from experiments.unpack import UnpackError

FILES = {
    "suite.toml": b'name = "s"\n',
    "runs.parquet": b"rows",
    "timeline/0123456789ab.parquet": bytes(range(256)) * LINE_BYTES,
}


def _folder(path: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def _sent(folder: Path) -> str:
    archive = io.BytesIO()
    pack.pack(folder, archive)
    return _log(archive)


def _log(archive: io.BytesIO) -> str:
    """Return a log as Ray shows it: lines of its own come first."""
    said = f"Running entrypoint for job x: {inspect.getsource(pack)}"
    return "\n".join([said, *pack.lines(archive), ""])


def _received(chunks: Iterable[str], folder: Path) -> dict[str, bytes]:
    folder.mkdir()
    unpack.unpack(chunks, folder)
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_what_is_sent_arrives(tmp_path: Path) -> None:
    log = _sent(_folder(tmp_path / "sent", FILES))
    assert _received([log], tmp_path / "home") == FILES


@given(cuts=st.lists(st.integers(0, 2000)))
def test_a_log_may_come_in_any_pieces(
    cuts: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("pieces")
    few = {name: content for name, content in FILES.items() if len(content) < LINE_BYTES}
    log = _sent(_folder(folder / "sent", few))
    ends = [0, *sorted(cuts), len(log)]
    pieces = [log[start:end] for start, end in itertools.pairwise(ends)]
    assert _received(pieces, folder / "home") == few


def test_a_folder_that_is_not_there_arrives_empty(tmp_path: Path) -> None:
    assert _received([_sent(tmp_path / "none")], tmp_path / "home") == {}


def test_what_is_being_written_is_not_sent(tmp_path: Path) -> None:
    sent = _folder(tmp_path / "sent", {**FILES, "timeline/0123456789ab.parquet.new": b"half"})
    assert _received([_sent(sent)], tmp_path / "home") == FILES


def test_the_program_needs_nothing_and_empties_its_log_once_all_has_arrived(
    tmp_path: Path,
) -> None:
    folder, log = _folder(tmp_path / "sent", FILES), tmp_path / "log"
    with log.open("w") as out, log.open() as read:
        command = [sys.executable, "-I", "-S", pack.__file__, str(folder)]
        with subprocess.Popen(command, stdout=out) as program:
            unpack.unpack(_until_end(read), _folder(tmp_path / "home", {"suite.toml": b""}))
            program.terminate()
    assert program.returncode == 0
    assert log.stat().st_size == 0
    assert (tmp_path / "home" / "suite.toml").read_bytes() == FILES["suite.toml"]


def _until_end(file: io.TextIOBase) -> Iterable[str]:
    while True:
        yield (piece := file.read())
        if piece.endswith(f"{MARK} end\n"):
            return


@pytest.mark.parametrize(
    "name",
    [
        "../suite.toml",
        "/etc/passwd",
        "timeline/../../runs.parquet",
        "timeline/x.parquet",
        "report.html",
        "suite.toml\n",
    ],
)
def test_no_other_names_are_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnpackError, match="no file of a result folder"):
        _received([_log(_archive(tarfile.TarInfo(name)))], tmp_path / "home")
    assert list(tmp_path.iterdir()) == [tmp_path / "home"]
    assert list((tmp_path / "home").rglob("*")) == []


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE]
)
def test_nothing_but_files_is_written(tmp_path: Path, kind: bytes) -> None:
    entry = tarfile.TarInfo("suite.toml")
    entry.type, entry.linkname = kind, "runs.parquet"
    with pytest.raises(UnpackError):
        _received([_log(_archive(entry))], tmp_path / "home")
    assert list((tmp_path / "home").iterdir()) == []


def _archive(entry: tarfile.TarInfo) -> io.BytesIO:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as packed:
        packed.addfile(entry, io.BytesIO())
    return archive


def test_what_was_changed_on_its_way_is_refused(tmp_path: Path) -> None:
    log = _sent(_folder(tmp_path / "sent", FILES))
    at = log.index("\n", log.index(f"\n{MARK} ") + 1) + 20
    changed = log[:at] + ("A" if log[at] != "A" else "B") + log[at + 1 :]
    with pytest.raises(UnpackError, match="damaged"):
        _received([changed], tmp_path / "home")


def test_what_ends_too_early_is_refused(tmp_path: Path) -> None:
    log = _sent(_folder(tmp_path / "sent", FILES))
    with pytest.raises(UnpackError, match="damaged"):
        _received([log[: len(log) // 2]], tmp_path / "home")


def test_a_log_without_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnpackError, match="no results were sent"):
        _received(["sh: 1: python3: not found\n"], tmp_path / "home")


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnpackError, match="cannot be unpacked"):
        _received([_log(io.BytesIO(b"not an archive"))], tmp_path / "home")


def test_what_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The archive is small: it is its content that would fill the disk."""
    log = _sent(_folder(tmp_path / "sent", {"suite.toml": bytes(1_000_000)}))
    monkeypatch.setattr(unpack, "BYTES_MAX", 100_000)
    with pytest.raises(UnpackError, match="too large: 1,000,000 bytes, 100,000 are allowed"):
        _received([log], tmp_path / "home")
