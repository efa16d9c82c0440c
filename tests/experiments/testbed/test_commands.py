"""What the commands about test beds say, with test beds that are not there."""

import os
import sys
from collections.abc import Sequence
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from experiments.cli import app
from experiments.errors import RunFailed
from experiments.testbed import bed as beds
from experiments.testbed import commands, network
from experiments.testbed.bed import Bed, Shape
from experiments.testbed.network import Limits


class Beds:
    """Test beds that are said to be there, and what is done to them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.there: list[Bed] = []
        self.shapes: list[Shape] = []
        self.fails = False
        monkeypatch.setattr(network, "check_possible", lambda: None)
        monkeypatch.setattr(network, "can_limit_cpu", lambda: True)
        monkeypatch.setattr(beds, "existing", lambda: list(self.there))
        monkeypatch.setattr(beds, "new", self._new)
        monkeypatch.setattr(Bed, "set_up", lambda _, shape: self._set_up(shape))
        # A bound method would not be given the test bed.
        monkeypatch.setattr(Bed, "remove", lambda bed: self._remove(bed))  # noqa: PLW0108 # See above.
        monkeypatch.setattr(Bed, "hosts", ["host-0"])
        monkeypatch.setattr(Bed, "command", lambda _, arguments: arguments)

    def _new(self, shape: Shape) -> Bed:
        self.there.append(Bed(7))
        return self.there[-1]

    def _set_up(self, shape: Shape) -> None:
        self.shapes.append(shape)
        if self.fails:
            raise RunFailed("Ray does not start")

    def _remove(self, bed: Bed) -> None:
        self.there = [each for each in self.there if each.number != bed.number]


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> Beds:
    return Beds(monkeypatch)


def _invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["testbed", *arguments])


def _numbers(there: Beds) -> list[int]:
    return [bed.number for bed in there.there]


def test_up_says_how_to_use_it_and_how_to_take_it_down(there: Beds) -> None:
    result = _invoke("up", "--hosts", "5", "--rate-mbit-s", "1000", "--cores", "0.5")
    assert result.exit_code == 0
    first, use, send, down = result.stdout.splitlines()
    assert first.startswith("test bed 7: hosts = 5, rate = 1000 Mbit/s, cores = 0.5; up in ")
    assert use.endswith("paxoscope testbed run --on 7 -- paxoscope run demo --address auto")
    assert send.endswith("paxoscope testbed run --on 7 -- paxoscope submit demo --follow")
    assert down.endswith("paxoscope testbed down 7")
    assert there.shapes == [Shape(5, Limits(1000.0, 0.5))]
    assert _numbers(there) == [7]


@pytest.mark.parametrize(
    ("options", "can_limit_cpu", "told"),
    [
        ((), True, "hosts = 3, rate = 100 Mbit/s, cores = 1"),
        (("--rate-mbit-s", "0", "--cores", "0"), True, "hosts = 3, rate = any, cores = any"),
        ((), False, "cores = any, for lack of control groups that limit them"),
    ],
)
def test_up_says_what_its_hosts_can_do(
    there: Beds,
    monkeypatch: pytest.MonkeyPatch,
    options: Sequence[str],
    can_limit_cpu: bool,
    told: str,
) -> None:
    monkeypatch.setattr(network, "can_limit_cpu", lambda: can_limit_cpu)
    assert f"{told}; up in" in _invoke("up", *options).stdout


def test_what_cannot_be_set_up_is_removed(there: Beds) -> None:
    there.fails = True
    for command in (["up"], ["run", "true"]):
        result = _invoke(*command)
        assert result.stderr == "paxoscope: nothing can be run: Ray does not start\n"
        assert (result.exit_code, _numbers(there)) == (1, [])


def test_a_command_runs_on_a_test_bed_of_its_own_and_ends_with_its_code(there: Beds) -> None:
    program = f"import os, sys; sys.exit(os.environ['RAY_ADDRESS'] == '{Bed(7).address}' and 9)"
    assert _invoke("run", sys.executable, "-c", program).exit_code == 9
    assert there.shapes == [Shape()]
    assert _numbers(there) == []


def test_a_command_runs_on_a_test_bed_that_is_up_and_leaves_it_there(there: Beds) -> None:
    there.there = [Bed(1), Bed(2)]
    assert _invoke("run", "--on", "2", "--", sys.executable, "-c", "").exit_code == 0
    assert (there.shapes, _numbers(there)) == ([], [1, 2])


def test_a_command_that_a_signal_ends_has_the_code_that_a_shell_gives_it(there: Beds) -> None:
    program = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    assert _invoke("run", sys.executable, "-c", program).exit_code == 137


def test_a_command_that_is_not_there_is_told(there: Beds) -> None:
    there.there = [Bed(2)]
    for options in ([], ["--on", "2", "--"]):
        result = _invoke("run", *options, "/nowhere/x")
        reason = "/nowhere/x: there is no such command"
        assert (result.exit_code, result.stderr) == (2, f"paxoscope: {reason}\n")
    assert there.shapes == []


@pytest.mark.parametrize(
    ("up", "arguments", "left", "told"),
    [
        ([], [], [], "no test bed is up\n"),
        ([4], [], [], "test bed 4 is gone\n"),
        ([1, 4], ["4"], [1], "test bed 4 is gone\n"),
        ([1, 4], ["--all"], [], "test bed 1 is gone\ntest bed 4 is gone\n"),
    ],
)
def test_down_takes_what_is_named_or_the_only_one_or_all(
    there: Beds, up: list[int], arguments: list[str], left: list[int], told: str
) -> None:
    there.there = list(map(Bed, up))
    result = _invoke("down", *arguments)
    assert (result.exit_code, result.stdout, _numbers(there)) == (0, told, left)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["down"], "which one of 1, 2? Name it, or say --all"),
        (["down", "3"], "there is no test bed 3; up: 1, 2"),
        (["run", "--on", "3", "true"], "there is no test bed 3; up: 1, 2"),
        (["up", "--hosts", "0"], "Invalid value for '--hosts'"),
        (["up", "--cores", "inf"], "Invalid value for '--cores'"),
        (["up", "--cores", "1e16"], "Invalid value for '--cores'"),
        (["up", "--rate-mbit-s", "1e9"], "Invalid value for '--rate-mbit-s'"),
    ],
)
def test_what_makes_no_sense_is_told_in_one_line(
    there: Beds, arguments: list[str], line: str
) -> None:
    there.there = [Bed(1), Bed(2)]
    result = _invoke(*arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"paxoscope: {line}")
    assert len(result.stderr.splitlines()) == 1
    assert _numbers(there) == [1, 2]


def test_the_list_has_what_is_up(there: Beds) -> None:
    there.there = [Bed(1), Bed(2)]
    assert _invoke("list").stdout == "test bed 1: hosts = 1\ntest bed 2: hosts = 1\n"


@pytest.mark.parametrize("command", [["up"], ["run", "true"], ["list"], ["down"], ["down", "1"]])
def test_who_is_not_root_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    result = _invoke(*command)
    line = "paxoscope: a test bed makes network namespaces, which needs root\n"
    assert (result.exit_code, result.stderr) == (2, line)


def test_ctrl_c_is_left_to_the_command(there: Beds, monkeypatch: pytest.MonkeyPatch) -> None:
    """It hears of it, too, and is waited for."""

    class Process:
        def __init__(self, *_: Any, **__: Any) -> None:
            self._heard: list[type[BaseException]] = [KeyboardInterrupt, commands.Terminated]
            self.told: list[str] = []

        def wait(self) -> int:
            if self._heard:
                raise self._heard.pop(0)
            return 130 if self.told == ["terminate"] else 0

        def terminate(self) -> None:
            self.told.append("terminate")

    monkeypatch.setattr(commands.subprocess, "Popen", Process)
    assert _invoke("run", "sleep", "9").exit_code == 130
    assert _numbers(there) == []
