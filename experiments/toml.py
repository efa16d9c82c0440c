"""TOML as suites use it: read with errors of one line, write what was read."""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from experiments.errors import InputError

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_BARE_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]*")


class TomlError(InputError):
    """A text is not TOML; the message says why, and where, in one line."""


def read(path: Path) -> dict[str, Any]:
    """Read the TOML file at `path`; raises TomlError, also where it cannot be read."""
    try:
        return _parse(path.read_text(encoding="utf-8-sig"))  # Some editors begin with a mark.
    except OSError as error:
        raise TomlError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise TomlError(f"{path}: not UTF-8: byte {error.start} is {error.reason}") from error
    except tomllib.TOMLDecodeError as error:
        raise TomlError(f"{path}: not valid TOML: {error}") from error


def parse_value(text: str) -> Any:
    """Read one TOML value; a bare word, also one in a list, is a string.

    Raises TomlError where it is neither.
    """
    text = text.strip()
    try:
        document = _parse(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return _parse_bare(text)
    if len(document) > 1:
        raise TomlError("holds more than one value")
    return document["value"]


def _parse(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except RecursionError as error:
        raise tomllib.TOMLDecodeError("nested too deeply") from error
    except ValueError as error:  # Python reads no more than 4300 digits.
        raise tomllib.TOMLDecodeError("a number has too many digits") from error


def _parse_bare(text: str) -> Any:
    if _BARE_WORD.fullmatch(text):
        return text
    if text.startswith("[") and text.endswith("]") and "[" not in text[1:]:
        return [parse_value(item) for item in text[1:-1].split(",") if item.strip()]
    raise TomlError("not a TOML value")


def write(document: Mapping[str, Any]) -> str:
    """Write scalars and lists first, then a table for each mapping."""
    return "\n".join(_lines(document, "")) + "\n"


def _lines(table: Mapping[str, Any], path: str) -> Iterator[str]:
    for key, value in table.items():
        if not isinstance(value, Mapping):
            yield f"{_key(key)} = {write_value(value)}"
    for key, value in table.items():
        if isinstance(value, Mapping):
            inner = f"{path}.{_key(key)}" if path else _key(key)
            yield from ("", f"[{inner}]", *_lines(value, inner))


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else write_value(key)


def write_value(value: Any) -> str:
    """Write a value as TOML; dates and tables, which no suite holds, as Python shows them."""
    if isinstance(value, str):
        # TOML takes JSON's strings, but wants more escaped.
        return "".join(map(_printable, json.dumps(value, ensure_ascii=False)))
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(write_value, value))}]"
    return str(value)


def _printable(character: str) -> str:
    """Escape what TOML does not allow, or what would end a line of a message."""
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code < 1 << 16 else f"\\U{code:08x}"
