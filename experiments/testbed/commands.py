"""What `paxoscope testbed` does: set test beds up, run commands on them, take them down."""

import shutil
import subprocess
import time
from collections.abc import Collection, Sequence

import typer

from experiments.errors import InputError, Terminated
from experiments.testbed import bed as beds
from experiments.testbed import network
from experiments.testbed.bed import Bed, Shape


def up(shape: Shape) -> None:
    """Set a test bed up and say how to use it; raises InputError or RunFailed."""
    began_s = time.monotonic()
    bed = beds.new(shape)
    try:
        bed.set_up(shape)
    except BaseException:
        bed.remove()
        raise
    typer.echo(f"{_described(bed, shape)}; up in {time.monotonic() - began_s:.0f} s")
    on_it = f"paxoscope testbed run --on {bed.number} --"
    typer.echo(f"  use it:       {on_it} paxoscope run demo --address auto")
    typer.echo(f"  send a job:   {on_it} paxoscope submit demo --follow")
    typer.echo(f"  take it down: paxoscope testbed down {bed.number}")


def run(on: int | None, shape: Shape, command: Sequence[str]) -> int:
    """Run a command on a test bed, by default one of its own; return its exit code.

    Raises InputError, or RunFailed where there can be no test bed.
    """
    if shutil.which(command[0]) is None:  # On a test bed are the files of the machine.
        raise InputError(f"{command[0]}: there is no such command")
    if on is not None:
        return _run(_find(on), command)
    with beds.temporary(shape) as bed:
        typer.echo(_described(bed, shape))
        return _run(bed, command)


def down(numbers: Collection[int], everything: bool) -> None:
    """Take test beds down: these, or the only one, or all; raises InputError."""
    network.check_possible()
    there = beds.existing()
    if numbers:
        chosen = [_find(number) for number in numbers]
    elif everything or len(there) <= 1:
        chosen = there
    else:
        raise InputError(f"which one of {_listed(there)}? Name it, or say --all")
    for bed in chosen:
        bed.remove()
        typer.echo(f"test bed {bed.number} is gone")
    if not chosen:
        typer.echo("no test bed is up")


def show() -> None:
    """List the test beds of which there is anything; raises InputError."""
    network.check_possible()
    for bed in beds.existing():
        typer.echo(f"test bed {bed.number}: hosts = {len(bed.hosts)}")


def _described(bed: Bed, shape: Shape) -> str:
    rate, cores = shape.limits
    shown = [f"hosts = {shape.hosts}", f"rate = {rate:g} Mbit/s" if rate else "rate = any"]
    if cores and not network.can_limit_cpu():
        shown.append("cores = any, for lack of control groups that limit them")
    else:
        shown.append(f"cores = {cores:g}" if cores else "cores = any")
    return f"test bed {bed.number}: {', '.join(shown)}"


def _find(number: int) -> Bed:
    network.check_possible()
    there = beds.existing()
    for bed in there:
        if bed.number == number:
            return bed
    raise InputError(f"there is no test bed {number}; up: {_listed(there)}")


def _listed(there: Collection[Bed]) -> str:
    return ", ".join(str(bed.number) for bed in there) or "none"


def _run(bed: Bed, command: Sequence[str]) -> int:
    """Run a command on the head to its end, which it comes to by itself after Ctrl-C."""
    process = subprocess.Popen(  # noqa: S603 # What the user asks for.
        bed.command(command), env=bed.environment()
    )
    while True:
        try:
            code = process.wait()
            return code if code >= 0 else 128 - code  # As a shell tells of a signal.
        except Terminated:
            process.terminate()
        except KeyboardInterrupt:
            continue  # The terminal has told it, too.
