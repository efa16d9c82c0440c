import hashlib
import json
import tarfile
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from experiments import bundle, commands
from experiments.cli import app
from experiments.errors import InputError
from experiments.results import ResultsWriter
from experiments.runner import run_all
from experiments.spec import Suite
from experiments.sweep import expand
from tests.experiments.fake import FakeBackend


class _Nobody:
    """Hears how a sweep goes on, and keeps it to himself."""

    def started(self, run: object) -> None: ...

    def finished(self, run: object, row: object) -> None: ...


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a small reproduction: two suites of a run each, and what stands beside them."""
    made = tmp_path / "reproduction"
    for name in ("b_suite", "a_suite"):
        suite = Suite(name=name, base={"duration_s": 0.2, "warmup_s": 0.1})
        with ResultsWriter(made / name, suite) as results, FakeBackend() as backend:
            run_all(suite, expand(suite), backend=backend, results=results, observer=_Nobody())
    (made / "messages").mkdir()
    (made / "messages" / "counts.parquet").write_bytes(b"counts")
    (made / "scorecard.json").write_text("[]")
    (made / "report.html").write_text("<html>")
    (made / "kind.json").write_text('{"quick": true, "backend": null}')
    (made / "commands.txt").write_text(
        "paxoscope reproduce --quick\npaxoscope reproduce --quick --claim latency\n"
    )
    return made


def _members(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as opened:
        return {each.name: _content(opened, each) for each in opened.getmembers()}


def _content(opened: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = opened.extractfile(member)
    assert file is not None
    return file.read()


def _invoke(*arguments: object) -> Result:
    return _paxoscope("bundle", *arguments)


def _paxoscope(*arguments: object) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, [*map(str, arguments)])


def test_a_bundle_holds_every_table_and_what_explains_it(folder: Path) -> None:
    names = set(_members(bundle.write(folder)))
    run_ids = [path.stem for path in (folder / "a_suite" / "timeline").iterdir()]
    tables = ("timeline", "latency", "service", "counters", "events")
    assert names >= {
        f"reproduction/{name}"
        for name in (
            *("MANIFEST.sha256", "README.txt", "commands.txt", "kind.json"),
            "messages/counts.parquet",
            *("report.html", "requirements.txt", "scorecard.json", "versions.json"),
            *("a_suite/suite.toml", "a_suite/runs.parquet", "b_suite/runs.parquet"),
            *(f"a_suite/{table}/{run_id}.parquet" for table in tables for run_id in run_ids),
        )
    }


def test_the_manifest_names_every_other_file_with_its_hash(folder: Path) -> None:
    members = _members(bundle.write(folder))
    manifest = members.pop("reproduction/MANIFEST.sha256").decode()
    listed = [line.split("  ", 1) for line in manifest.splitlines()]
    assert {f"reproduction/{name}": digest for digest, name in listed} == {
        name: hashlib.sha256(content).hexdigest() for name, content in members.items()
    }


def test_the_same_folder_makes_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    first = bundle.write(folder).read_bytes()
    for path in folder.rglob("*"):
        path.touch()
    again = bundle.write(folder, tmp_path / "other.tar.gz").read_bytes()
    assert again == first


def test_entries_are_sorted_and_carry_nothing_of_this_machine(folder: Path) -> None:
    with tarfile.open(bundle.write(folder)) as archive:
        members = archive.getmembers()
    assert [each.name for each in members] == sorted(each.name for each in members)
    assert {(each.mtime, each.uid, each.gid, each.uname, each.gname) for each in members} == {
        (0, 0, 0, "", "")
    }


def test_files_that_are_not_of_the_reproduction_stay_behind(folder: Path) -> None:
    (folder / "notes.txt").write_text("mine")
    (folder / "a_suite" / "runs.parquet.new").write_text("half")
    names = _members(bundle.write(folder, folder / "inside.tar.gz"))
    assert not [name for name in names if name.endswith((".new", "notes.txt", ".tar.gz"))]


def test_the_readme_says_how_to_do_it_again(folder: Path) -> None:
    readme = _members(bundle.write(folder))["reproduction/README.txt"].decode()
    again = (
        "\n  .venv/bin/pip install -c constraints.txt -e .\n"
        "  .venv/bin/paxoscope reproduce --quick\n"
        "  .venv/bin/paxoscope reproduce --quick --claim latency\n\n"
    )
    assert again in readme
    assert "  a_suite: 1 runs, live\n" in readme
    assert "{" not in readme
    title, rule = readme.splitlines()[:2]
    assert len(title) == len(rule)


def test_versions_are_those_that_the_runs_recorded(folder: Path) -> None:
    members = _members(bundle.write(folder))
    versions = json.loads(members["reproduction/versions.json"])
    assert set(versions) == {"a_suite", "b_suite"}
    assert {"python_version", "ray_version", "commit", "os"} <= set(versions["a_suite"])
    assert b"\nnumpy==" in members["reproduction/requirements.txt"]


def test_a_reproduction_goes_on_where_its_bundle_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the same kind, and without running again what is there; another kind is refused."""
    backends: list[FakeBackend] = []

    def begin(*_: object) -> FakeBackend:
        backends.append(FakeBackend())
        return backends[-1]

    monkeypatch.setattr(commands, "Backends", begin)
    quick = ("reproduce", "--quick", "--figure", "throughput-clients", "--out")
    assert _paxoscope(*quick, tmp_path / "here").exit_code == 0
    with tarfile.open(bundle.write(tmp_path / "here")) as archive:
        archive.extractall(tmp_path / "elsewhere", filter="data")
    ran = [backend.ran for backend in backends]
    unpacked = tmp_path / "elsewhere" / "here"
    again = _paxoscope(*quick, unpacked)
    assert again.exit_code == 0, again.output
    assert [backend.ran for backend in backends] == ran
    full = _paxoscope("reproduce", "--figure", "throughput-clients", "--out", unpacked)
    assert full.exit_code == 2
    assert "holds a reproduction of another kind" in full.stderr


def test_the_command_says_where_the_bundle_is(folder: Path) -> None:
    result = _invoke(folder)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == f"bundle: {folder}.tar.gz\n"
    assert Path(f"{folder}.tar.gz").is_file()


def test_a_bundle_goes_where_it_is_asked_to(folder: Path, tmp_path: Path) -> None:
    assert _invoke(folder, "--out", tmp_path / "x.tar.gz").exit_code == 0
    assert "x/report.html" not in _members(tmp_path / "x.tar.gz")
    assert "reproduction/report.html" in _members(tmp_path / "x.tar.gz")


@pytest.mark.parametrize("missing", ["scorecard.json", "report.html", "commands.txt", "kind.json"])
def test_a_folder_that_is_not_a_finished_reproduction_is_told(folder: Path, missing: str) -> None:
    (folder / missing).unlink()
    result = _invoke(folder)
    reason = f"no {missing} here; bundle what `paxoscope reproduce` made"
    assert (result.stdout, result.exit_code) == ("", 2)
    assert result.stderr == f"paxoscope: {folder}: {reason}\n"


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    result = _invoke(tmp_path / "x")
    assert (result.stdout, result.exit_code) == ("", 2)
    assert result.stderr == f"paxoscope: {tmp_path / 'x'}: no such folder\n"


def test_tables_that_cannot_be_read_are_told_in_one_line(folder: Path) -> None:
    (folder / "a_suite" / "runs.parquet").write_bytes(b"not a table")
    with pytest.raises(InputError) as raised:
        bundle.write(folder)
    assert "\n" not in str(raised.value)


def test_an_archive_that_cannot_be_written_is_told(folder: Path, tmp_path: Path) -> None:
    result = _invoke(folder, "--out", tmp_path / "nowhere" / "x.tar.gz")
    assert (result.stdout, result.exit_code) == ("", 2)
    assert result.stderr.count("\n") == 1
    assert "cannot be written: No such file or directory" in result.stderr
