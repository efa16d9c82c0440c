"""Whatever stands in a suite file or an override: it is a suite, or one line says why it is not.

A suite goes from hand to hand like a script does, and is edited by hand: nothing in it may end in a
stack trace, whoever wrote it.
"""

import datetime
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from experiments import cli, toml
from experiments.errors import EXIT_USAGE
from experiments.spec import RunConfig, Suite, SuiteError, load_suite, shipped_suites

SHIPPED = [path.read_bytes() for path in shipped_suites().values()]

DIGITS_TOO_MANY = 5000
"""More than Python turns into a number, or a number into, without being told to."""

KEYS = st.sampled_from([*RunConfig.__struct_fields__, *Suite.__struct_fields__])
TEXTS = st.sampled_from(["", "kv", "spaxos", "kv:", "os:path", "2 kill host leader", "nan"])
SCALARS = st.one_of(
    st.booleans(),
    st.integers(-3, 10),
    st.integers(),
    st.sampled_from([1 << 63, -(1 << 63), 1 << 64, 10**400]),
    st.floats(),
    TEXTS,
    st.text(),
    st.dates(),
    st.times(),
    st.datetimes(timezones=st.sampled_from([None, datetime.UTC])),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(KEYS | st.text(), inner, max_size=3)
    ),
    max_leaves=8,
)
TABLES = st.dictionaries(KEYS | st.text(), VALUES, max_size=4)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("suites") / "x.toml"


def is_read(path: Path, content: bytes, *overrides: str) -> bool:
    """Return whether a file is a suite; if not, one line must say so."""
    path.write_bytes(content)
    refusal = ""
    try:
        points = load_suite(str(path), overrides).points()
        assert all(isinstance(point, RunConfig) for point in points)
    except SuiteError as error:
        refusal = str(error)
    assert len(refusal.splitlines()) <= 1
    return not refusal


def written(value: object) -> str:
    """Write any value as TOML has it, tables inline."""
    if isinstance(value, Mapping):
        pairs = (f"{toml.write_value(key)} = {written(each)}" for key, each in value.items())
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(written, value))}]"
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return toml.write_value(value)


@st.composite
def edited(draw: st.DrawFn) -> bytes:
    """Draw a shipped suite with some places cut out, doubled or written over."""
    content = draw(st.sampled_from(SHIPPED))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        stop = start + draw(st.integers(0, 30))
        between = draw(
            st.binary(max_size=4)
            | st.sampled_from([b"", b'"', b"[", b"]\n", b"=", b"\n[axes]\n", b"nan", b"1e999"])
            | st.just(content[start:stop] * 2)
        )
        content = content[:start] + between + content[stop:]
    return content


@given(st.binary() | st.text().map(str.encode))
@example(b"seed = " + b"9" * DIGITS_TOO_MANY)
@example(b"[base]\nseed = 0x" + b"f" * DIGITS_TOO_MANY)
@example(b"[axes]\nseed = [0x" + b"f" * DIGITS_TOO_MANY + b"]")
@example(b"description = '\xed\xa0\x80'")
def test_any_bytes(path: Path, content: bytes) -> None:
    is_read(path, content)


@settings(max_examples=300)
@given(edited())
def test_a_shipped_suite_that_was_edited_at_random(path: Path, content: bytes) -> None:
    is_read(path, content)


@settings(max_examples=300)
@given(TABLES, TABLES | VALUES, TABLES | VALUES)
@example({}, {}, "\x85")
def test_values_of_any_type_anywhere(path: Path, top: dict, base: object, axes: object) -> None:
    document = {"base": base, "axes": axes} | top
    lines = (f"{written(key)} = {written(value)}" for key, value in document.items())
    is_read(path, "\n".join(lines).encode())


@settings(max_examples=300)
@given(KEYS, VALUES.map(written) | TEXTS | st.text())
@example("seed", "9" * DIGITS_TOO_MANY)
@example("seed", "0x" + "f" * DIGITS_TOO_MANY)
def test_any_override(path: Path, key: str, value: str) -> None:
    is_read(path, b"", f"{key}={value}")


@given(st.text(), st.text())
def test_an_override_of_anything(path: Path, key: str, value: str) -> None:
    assert not is_read(path, b"", f"\N{SNOWMAN}{key}={value}")


@pytest.mark.parametrize("name", sorted(shipped_suites()))
def test_every_shipped_suite_is_read_whole_and_none_is_read_in_halves(
    path: Path, name: str
) -> None:
    """Or these tests might claim anything: what they call a suite is one."""
    content = shipped_suites()[name].read_bytes()
    assert is_read(path, content)
    assert not is_read(path, content + content)


@pytest.mark.parametrize("content", [b"\xff", b"[base]\nseed = 0x" + b"f" * DIGITS_TOO_MANY])
def test_the_command_line_tells_it_in_one_line(
    path: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    path.write_bytes(content)
    with pytest.raises(SystemExit) as end:
        cli.app(["run", str(path)], prog_name="paxoscope")
    assert end.value.code == EXIT_USAGE
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"paxoscope: {path}: ")
