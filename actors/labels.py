"""Which nodes of Ray something may live on, told by the labels of nodes.

A selector is `key=value` or `key!=value`, or several of these with commas between, all of which
must hold. A node that lacks the key has another value. The empty selector takes any node.
"""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple, Self

# As in Ray, and in Kubernetes: a key may have a prefix, which is a domain.
_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
_TERM = re.compile(rf"((?:{_NAME}/)?{_NAME})\s*(!?)=\s*({_NAME})")

BETWEEN_TERMS = ","
BETWEEN_HOSTS = ";"


class LabelError(ValueError):
    """A selector cannot be read; the message says in one line what would be right."""


class Term(NamedTuple):
    """What one label must be, or must not be."""

    key: str
    value: str
    is_not: bool

    def __str__(self) -> str:
        return f"{self.key}{'!=' if self.is_not else '='}{self.value}"


class Selector(NamedTuple):
    """Says of a node whether it will do."""

    terms: tuple[Term, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a selector; raises LabelError."""
        parts = [part.strip() for part in text.split(BETWEEN_TERMS)] if text.strip() else []
        terms = tuple(map(_parse_term, parts))
        # Ray's own selectors say one thing of a key.
        if len({term.key for term in terms}) < len(terms):
            raise LabelError("a label may stand there only once")
        return cls(terms)

    def __str__(self) -> str:
        return BETWEEN_TERMS.join(map(str, self.terms))

    def takes(self, labels: Mapping[str, str]) -> bool:
        """Say whether a node with these labels will do."""
        return all((labels.get(each.key) == each.value) != each.is_not for each in self.terms)

    def for_ray(self) -> dict[str, str]:
        """Return the same as Ray writes it."""
        return {each.key: f"{'!' if each.is_not else ''}{each.value}" for each in self.terms}


def parse_for_hosts(text: str) -> tuple[Selector, ...]:
    """Read a selector for all hosts, or one for each with semicolons between; raises LabelError."""
    return tuple(map(Selector.parse, text.split(BETWEEN_HOSTS)))


def write(selectors: Iterable[Selector]) -> str:
    """Write selectors as `parse_for_hosts` reads them."""
    return f"{BETWEEN_HOSTS} ".join(map(str, selectors))


def _parse_term(text: str) -> Term:
    match = _TERM.fullmatch(text)
    if not match:
        raise LabelError("must be labels such as role=host or role!=client, with commas between")
    key, negation, value = match.groups()
    return Term(key, value, bool(negation))
