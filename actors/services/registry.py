"""Finds the services: every module of this package that defines `SERVICE`, or one named in full.

To add a service, add one file to this package that defines a `SERVICE`, or name one of your own
as `my_package.module:SERVICE`; the current folder is looked through last.
"""

import importlib
import os
import pkgutil
import sys
from collections.abc import Callable

import msgspec

import actors.services
from actors.core.config import LoadConfig
from actors.core.service import Service, Workload


class ServiceKind(msgspec.Struct, frozen=True, kw_only=True):
    """A service that can be replicated, and the clients' use of it."""

    name: str
    """What `Config.service` calls it."""
    description: str
    """One line for users."""
    service: Callable[[], Service]
    """Makes one replica's copy, in the state that all copies start from."""
    workload: Callable[[LoadConfig], Workload]
    """Makes the commands that the clients of a run send."""


def find(name: str) -> ServiceKind:
    """Return the service called `name`, or the one at `module:ATTRIBUTE`.

    Raises LookupError, with the names that exist, where there is none.
    """
    if ":" in name:
        return _imported(name)
    kinds = all_kinds()
    if name not in kinds:
        known = ", ".join(kinds)
        raise LookupError(f"no service {name!r}: there are {known}, and any module:ATTRIBUTE")
    return kinds[name]


def all_kinds() -> dict[str, ServiceKind]:
    """Return the services of this package by name, in the order of their names."""
    package = actors.services
    modules = [
        importlib.import_module(f"{package.__name__}.{found.name}")
        for found in pkgutil.iter_modules(package.__path__)
    ]
    kinds: list[ServiceKind] = [each.SERVICE for each in modules if hasattr(each, "SERVICE")]
    names = sorted(kind.name for kind in kinds)
    assert len(set(names)) == len(names), f"two services share a name: {names}"
    return {kind.name: kind for kind in sorted(kinds, key=lambda kind: kind.name)}


def _imported(name: str) -> ServiceKind:
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # Last: a file there must not stand in for anyone's module.
    try:
        kind = pkgutil.resolve_name(name)
    except (Exception, SystemExit) as error:  # Whatever a module of the user's own may do.
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise LookupError(f"no service {name!r}: {reason}") from error
    if not isinstance(kind, ServiceKind):
        raise LookupError(f"no service {name!r}: that is a {type(kind).__name__}")
    return kind
