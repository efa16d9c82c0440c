from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments import toml

SCALARS = (
    st.text()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 63) - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
)
VALUES = SCALARS | st.lists(SCALARS, max_size=4)


@given(st.dictionaries(st.from_regex(r"[a-z_]+", fullmatch=True), VALUES, max_size=4))
def test_what_was_written_reads_back_the_same(table: dict[str, object]) -> None:
    written = toml.write({"table": table})
    assert toml.tomllib.loads(written) == {"table": table}


def test_scalars_are_written_before_tables() -> None:
    document = {"table": {"inside": 1}, "outside": "x"}
    assert toml.write(document) == 'outside = "x"\n\n[table]\ninside = 1\n'


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        (" 0.5 ", 0.5),
        ("true", True),
        ('"two words"', "two words"),
        ("spaxos", "spaxos"),
        ("my_package.module", "my_package.module"),
        ("my_package.module:SERVICE", "my_package.module:SERVICE"),
        ("[1, 2]", [1, 2]),
        ("[jpaxos, spaxos]", ["jpaxos", "spaxos"]),
        ("[]", []),
    ],
)
def test_a_value_is_toml_or_a_bare_word(text: str, value: object) -> None:
    assert toml.parse_value(text) == value


@pytest.mark.parametrize("text", ["", "two words", "[1", "[1, 2 3]", "1\nother = 2"])
def test_other_values_are_refused(text: str) -> None:
    with pytest.raises(toml.TomlError):
        toml.parse_value(text)


def test_a_file_that_is_not_text_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_bytes(b'name = "\xff"')
    with pytest.raises(toml.TomlError) as refusal:
        toml.read(path)
    assert str(refusal.value) == f"{path}: not UTF-8: byte 8 is invalid start byte"
