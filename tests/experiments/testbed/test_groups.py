"""Control groups of either version, as files."""

from pathlib import Path

import pytest

from experiments.testbed import groups


@pytest.fixture
def v1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of version 1, which is not there yet."""
    monkeypatch.setattr(groups, "V1", tmp_path / "cgroup" / "cpu")
    return tmp_path / "cgroup" / "cpu"


@pytest.fixture
def v2(v1: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of version 2, in which there is nothing."""
    monkeypatch.setattr(groups, "V2", v1.parent)
    v1.parent.mkdir()
    return v1.parent


def _read(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}


def test_where_there_are_no_groups_nothing_can_be_limited(v2: Path) -> None:
    assert groups.root() is None


@pytest.mark.parametrize(("cores", "quota"), [(0.5, "5000"), (0.0, "-1")])
def test_version_1_has_a_quota_and_its_period(v1: Path, v2: Path, cores: float, quota: str) -> None:
    v1.mkdir()
    (v1 / "cpu.cfs_quota_us").write_text("-1")
    assert groups.root() == v1
    groups.add(v1 / "bed" / "host", cores)
    assert _read(v1 / "bed" / "host") == {"cpu.cfs_quota_us": quota, "cpu.cfs_period_us": "10000"}


@pytest.mark.parametrize(("cores", "most"), [(0.5, "5000 10000"), (0.0, "max 10000")])
def test_version_2_hands_the_cpu_on_and_has_both_in_one_file(
    v2: Path, cores: float, most: str
) -> None:
    (v2 / "cgroup.controllers").write_text("cpuset cpu io")
    assert groups.root() == v2
    groups.add(v2 / "bed" / "host", cores)
    assert _read(v2)["cgroup.subtree_control"] == "+cpu"
    assert _read(v2 / "bed") == {"cgroup.subtree_control": "+cpu"}
    assert _read(v2 / "bed" / "host") == {"cpu.max": most}


def test_version_2_that_must_not_hand_the_cpu_on_limits_nothing(v2: Path) -> None:
    (v2 / "cgroup.controllers").write_text("cpu")
    (v2 / "cgroup.subtree_control").mkdir()  # Cannot be written.
    assert groups.root() is None
    (v2 / "cgroup.controllers").write_text("cpuset io")
    assert groups.root() is None
