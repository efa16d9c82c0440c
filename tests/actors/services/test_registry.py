"""A service is found by name in its package, or anywhere by its full name."""

import sys
from pathlib import Path

import numpy as np
import pytest

import actors.services
from actors.core.columns import U32
from actors.core.config import LoadConfig
from actors.services import kv, null, registry

ONE_FILE = """
from actors.services.null import NullService, NullWorkload
from actors.services.registry import ServiceKind

SERVICE = ServiceKind(name="{name}", description="", service=NullService, workload=NullWorkload)
NOT_A_SERVICE = 1
"""


def test_the_services_of_the_package_are_found() -> None:
    kinds = registry.all_kinds()
    assert list(kinds) == ["kv", "null"]
    assert registry.find("kv") is kinds["kv"] is kv.SERVICE
    assert registry.find("null") is kinds["null"] is null.SERVICE


@pytest.mark.parametrize("name", ["kv", "null"])
def test_every_service_executes_its_own_workload(name: str) -> None:
    kind = registry.find(name)
    clients = sequences = np.array([1, 2, 3], U32)
    commands = kind.workload(LoadConfig(service=name)).commands(clients, sequences)
    assert kind.service().execute(commands).count == 3


def test_a_new_file_in_the_package_is_a_new_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "added_by_test.py").write_text(ONE_FILE.format(name="added"))
    monkeypatch.setattr(actors.services, "__path__", [*actors.services.__path__, str(tmp_path)])
    assert list(registry.all_kinds()) == ["added", "kv", "null"]


def test_two_services_of_one_name_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "named_twice_by_test.py").write_text(ONE_FILE.format(name="kv"))
    monkeypatch.setattr(actors.services, "__path__", [*actors.services.__path__, str(tmp_path)])
    with pytest.raises(AssertionError, match="'kv', 'kv'"):
        registry.all_kinds()


def test_an_unknown_name_is_answered_with_the_names_that_exist() -> None:
    with pytest.raises(LookupError, match="'nul': there are kv, null"):
        registry.find("nul")


def test_a_service_may_live_in_any_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere_by_test.py").write_text(ONE_FILE.format(name="elsewhere"))
    monkeypatch.syspath_prepend(tmp_path)
    assert registry.find("elsewhere_by_test:SERVICE").name == "elsewhere"
    with pytest.raises(LookupError, match="that is a int"):
        registry.find("elsewhere_by_test:NOT_A_SERVICE")
    with pytest.raises(LookupError, match="has no attribute 'OTHER'"):
        registry.find("elsewhere_by_test:OTHER")


@pytest.mark.parametrize("name", ["no_such_module:SERVICE", ":SERVICE", "actors.services.kv:"])
def test_a_full_name_that_leads_nowhere_is_a_lookup_error(name: str) -> None:
    with pytest.raises(LookupError, match=name):
        registry.find(name)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("import sys; sys.exit(0)", "SystemExit: 0"),
        ("raise RuntimeError('two\\nlines')", "RuntimeError: two lines"),
        ("def", "SyntaxError: invalid syntax (raises_by_test.py, line 1)"),
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
    ],
)
def test_a_module_that_cannot_be_imported_is_a_lookup_error_of_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, reason: str
) -> None:
    (tmp_path / "raises_by_test.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(LookupError) as refusal:
        registry.find("raises_by_test:SERVICE")
    assert str(refusal.value) == f"no service 'raises_by_test:SERVICE': {reason}"


def test_a_service_may_live_in_the_current_folder_and_shadows_nothing_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here_by_test.py").write_text(
        f"import this_is_elsewhere\n{ONE_FILE.format(name='here')}"
    )
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "this_is_elsewhere.py").touch()
    (tmp_path / "this_is_elsewhere.py").write_text("raise AssertionError('shadowed')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path, str(elsewhere)])
    before = list(sys.path)
    registry.find("kv")
    assert sys.path == before
    assert registry.find("here_by_test:SERVICE").name == "here"
    assert registry.find("here_by_test:SERVICE").name == "here"
    assert sys.path == [*before, str(tmp_path)]
