"""The command line: run a suite, reproduce an evaluation, compare results, write a report.

Exit codes: 0 where all is well, 1 where a run failed, was found unsafe or has become worse, and
where a cluster does not answer, 2 where what was asked for makes no sense, 130 after Ctrl-C, 143
after SIGTERM. What a command needs is imported by it, for the others' sake.
"""
# ruff: noqa: PLC0415 # See above: pandas, Plotly and Ray take seconds to import.

import sys
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import typer
from rich.console import Console
from typer.core import TyperGroup

from experiments import about, ends
from experiments.errors import (
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_TERMINATED,
    EXIT_USAGE,
    InputError,
    Lost,
    RunFailed,
    Terminated,
    Unreachable,
)


class _Commands(TyperGroup):
    """Tells users what is wrong in one line, never with a box or a stack trace."""

    def main(self, *args: Any, **kwargs: Any) -> NoReturn:
        try:
            sys.exit(super().main(*args, **(kwargs | {"standalone_mode": False})))
        except (InputError, typer.TyperException) as error:
            _end(error.format_message() if isinstance(error, typer.TyperException) else error)

    def invoke(self, ctx: Any) -> Any:
        try:
            with ends.sigterm_heard():
                return super().invoke(ctx)
        except Lost as loss:
            _end(f"broken off: {loss}", EXIT_FAILED)
        except RunFailed as failure:
            _end(f"nothing can be run: {failure}", EXIT_FAILED)
        except Unreachable as loss:
            _end(loss, EXIT_FAILED)
        except Terminated as end:
            _end("; ".join(["terminated", *end.args]), EXIT_TERMINATED)
        except KeyboardInterrupt as end:
            _end("; ".join(["interrupted", *end.args]), EXIT_INTERRUPTED)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, args or ["--help"])


def _end(line: object, code: int = EXIT_USAGE) -> NoReturn:
    typer.secho(f"paxoscope: {line}", err=True, fg="red")
    sys.exit(code)


app = typer.Typer(
    cls=_Commands,
    help=about.summary(),
    pretty_exceptions_enable=False,
    add_completion=False,
)


def main() -> None:
    """Run the command line; ends the process."""
    if not __debug__:  # Assertions guard invariants: without them a wrong run might look right.
        _end("needs Python's assertions: run it without -O and PYTHONOPTIMIZE")
    app(prog_name="paxoscope")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"{about.NAME} {about.version()}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    pass


_Parallel = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        help="Most runs in virtual time at once; as many as this machine has cores, or the "
        "cluster, unless given.",
    ),
]

_Resume = Annotated[
    bool,
    typer.Option("--resume", help="Run only what is missing: as it is done anyway."),
]


@app.command()
def run(  # noqa: PLR0917 # Options of a command are named by their users.
    suite: Annotated[str, typer.Argument(help="Name of a shipped suite, or path of a TOML file.")],
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder for the results; results/<suite> unless given."),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Put a setting over the suite's; a list of values is swept. Repeatable.",
        ),
    ] = None,
    address: Annotated[
        str | None, typer.Option(help="Ray cluster to run on; one is started here unless given.")
    ] = None,
    parallel: _Parallel = None,
    report: Annotated[bool, typer.Option(help="Write the report afterwards.")] = True,
    _resume: _Resume = False,
) -> None:
    """Run a suite, or what is missing of it, and report."""
    from experiments import commands

    code = commands.run(
        suite,
        out=out,
        overrides=overrides or [],
        address=address,
        parallel=parallel,
        with_report=report,
    )
    raise typer.Exit(code)


_Job = Annotated[str, typer.Argument(metavar="ID", help="Name of a job that was submitted.")]
_Head = Annotated[
    str,
    typer.Option(
        metavar="http://HEAD:8265",
        envvar="RAY_API_SERVER_ADDRESS",
        help="Where the head of a Ray cluster answers jobs.",
    ),
]
_Home = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="DIR", help="Folder for the results here; results/<suite> unless given."
    ),
]


@app.command()
def submit(  # noqa: PLR0917 # Options of a command are named by their users.
    suite: Annotated[str, typer.Argument(help="Name of a shipped suite, or path of a TOML file.")],
    address: _Head,
    out: _Home = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="As for `paxoscope run`. Repeatable."),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Show its progress, and fetch the results at its end.")
    ] = False,
    dependencies: Annotated[
        Literal["auto", "pinned", "cluster"],
        typer.Option(
            help="Install the versions that are installed here (pinned), use what the cluster has, "
            "or the former only where its head has others (auto)."
        ),
    ] = "auto",
    kept_in: Annotated[
        str,
        typer.Option("--kept-in", metavar="DIR", help="Folder on the head for results of jobs."),
    ] = "~/paxoscope",
    parallel: _Parallel = None,
    _resume: _Resume = False,
) -> None:
    """Run a suite, or what is missing of it, as a job on a Ray cluster."""
    from experiments import submit as submission

    code = submission.submit(
        suite,
        overrides or [],
        address=address,
        out=out,
        follows=follow,
        dependencies=dependencies,
        kept_in=kept_in,
        parallel=parallel,
    )
    raise typer.Exit(code)


@app.command()
def attach(job: _Job, address: _Head, out: _Home = None) -> None:
    """Follow a job to its end, and fetch its results."""
    from experiments import submit as submission
    from experiments.jobs import Jobs

    raise typer.Exit(submission.attach(job, Jobs(address), out))


@app.command()
def fetch(job: _Job, address: _Head, out: _Home = None) -> None:
    """Fetch what a job has finished so far, whether it goes on, failed or was stopped."""
    from experiments import submit as submission
    from experiments.jobs import Jobs

    submission.fetch(job, Jobs(address), out)


@app.command()
def bench(  # noqa: PLR0917 # Options of a command are named by their users.
    protocol: Annotated[
        list[str] | None, typer.Option(help="Only this protocol. Repeatable.")
    ] = None,
    clients: Annotated[
        list[int] | None, typer.Option(help="Only this number of clients. Repeatable.")
    ] = None,
    replicas: Annotated[int | None, typer.Option(help="Number of replicas.")] = None,
    seconds: Annotated[float | None, typer.Option(help="Length of the measured window.")] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change any other setting. Repeatable."),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the rows here too.")
    ] = None,
    address: Annotated[
        str | None, typer.Option(help="Ray cluster to run on; one is started here unless given.")
    ] = None,
) -> None:
    """Measure what the protocols reach on this machine, without modelled limits."""
    from experiments import bench as benchmark

    options = {
        "--protocol": ("protocol", protocol),
        "--clients": ("clients", clients),
        "--replicas": ("replicas", replicas),
        "--seconds": ("duration_s", seconds),
    }
    given = {option: (key, value) for option, (key, value) in options.items() if value is not None}
    code = benchmark.run(given, overrides or [], address=address, json_file=json_file)
    raise typer.Exit(code)


@app.command()
def check(  # noqa: PLR0917 # Options of a command are named by their users.
    context: typer.Context,
    protocol: Annotated[
        list[str] | None, typer.Option(help="Only this protocol. Repeatable.")
    ] = None,
    replicas: Annotated[
        list[int] | None, typer.Option(help="Number of replicas, 3 unless given. Repeatable.")
    ] = None,
    seeds: Annotated[str, typer.Option(metavar="A..B", help="Seeds to run.")] = "1..1000",
    faults: Annotated[
        str,
        typer.Option(
            metavar="MIX",
            help="What goes wrong: all, none, network, views, crash, epoch, full, slow, plots, "
            "plots-epoch or plots-full.",
        ),
    ] = "all",
    seed: Annotated[
        int | None, typer.Option(help="Replay this seed, of one protocol, instead.", min=0)
    ] = None,
    trace: Annotated[
        bool, typer.Option("--trace", help="With --seed: as few faults as still fail, every event.")
    ] = False,
    requests: Annotated[
        int, typer.Option(help="With --seed: how many requests.", min=1, max=100_000)
    ] = 50,
    without: Annotated[
        str, typer.Option(metavar="N,N", help="With --seed: faults to leave out.")
    ] = "",
    mutants: Annotated[
        bool, typer.Option("--mutants", help="Check the checkers: each deliberate bug is caught.")
    ] = False,
    address: Annotated[
        str | None, typer.Option(help="Ray cluster to run on; one is started here unless given.")
    ] = None,
) -> None:
    """Try to break the protocols in the simulator, seed by seed."""
    from actors.core.registry import REPLICATED
    from actors.sim.mix import Case
    from experiments import check as checking

    given = _given(context)
    if mutants:
        _refuse(given - {"mutants", "address"}, "--mutants")
        raise typer.Exit(checking.hunt_mutants(address))
    protocols, sizes = protocol or REPLICATED, replicas or [3]
    checking.check_names(protocols, sizes, faults)
    if seed is None:
        if alone := sorted(given & {"trace", "without", "requests"}):
            raise InputError(f"--{alone[0]} goes with --seed")
        code = checking.sweep(protocols, sizes, checking.parse_seeds(seeds), faults, address)
    else:
        _refuse(given & {"seeds", "address"}, "--seed")
        if len(protocols) != 1 or len(sizes) != 1:
            raise InputError("--seed replays one case: name one --protocol, and one --replicas")
        left_out = checking.parse_without(without)
        case = Case(seed, protocols[0], sizes[0], faults, requests, left_out)
        code = checking.replay(case, trace=trace)
    raise typer.Exit(code)


def _given(context: typer.Context) -> set[str]:
    """Return the names of the options that stand on the command line."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    return {name for name, source in sources.items() if source and source.name == "COMMANDLINE"}


def _refuse(options: set[str], beside: str) -> None:
    """Raise InputError where there are options that mean nothing beside another."""
    if options:
        raise InputError(f"--{min(options)} means nothing beside {beside}")


@app.command()
def messages(
    replicas: Annotated[
        list[int] | None,
        typer.Option(help="Number of replicas; 3, 5, 7 and 9 unless given. Repeatable."),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the counts here too.")
    ] = None,
) -> None:
    """Count the messages of a request, and compare with the formulas."""
    from experiments import messages as counting

    raise typer.Exit(counting.run(replicas or counting.REPLICAS, json_file))


@app.command()
def reproduce(  # noqa: PLR0917 # Options of a command are named by their users.
    figure: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="Only this figure of the evaluation. Repeatable."),
    ] = None,
    claim: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="Only what this claim is judged by. Repeatable."),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Fewer and shorter runs: at most 3 minutes.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Folder for the results; results/reproduction unless given."
        ),
    ] = None,
    backend: Annotated[
        Literal["live", "sim"] | None,
        typer.Option(help="Run everything on Ray, or in virtual time, whatever the suites say."),
    ] = None,
    address: Annotated[
        str | None, typer.Option(help="Ray cluster to run on; one is started here unless given.")
    ] = None,
) -> None:
    """Repeat the S-Paxos paper's evaluation, and judge its claims."""
    from experiments import reproduce as reproduction

    code = reproduction.run(
        figure or [], claim or [], out=out, quick=quick, backend=backend, address=address
    )
    raise typer.Exit(code)


@app.command()
def bundle(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a reproduction.")],
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE.tar.gz", help="Archive to write; DIR.tar.gz unless given."),
    ] = None,
) -> None:
    """Put a reproduction into one archive: tables, configuration, versions, report."""
    from experiments import bundle as bundling

    typer.echo(f"bundle: {bundling.write(folder, out)}")


@app.command()
def dashboard(
    folder: Annotated[
        Path, typer.Argument(metavar="[DIR]", help="Folder with result folders.")
    ] = Path("results"),
    host: Annotated[str, typer.Option(help="Address to serve at; others can reach 0.0.0.0.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(help="Port to serve at.", min=0, max=65535)] = 8050,
) -> None:
    """Explore results in a browser."""
    from dashboards.app import server

    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    server.serve(folder, host, port)


testbed = typer.Typer(help="Several hosts on this machine, with network cards of their own.")
app.add_typer(testbed, name="testbed")

_Hosts = Annotated[int, typer.Option(help="Hosts with limits, beside the head.", min=1, max=100)]
_Rate = Annotated[
    float,
    typer.Option(
        "--rate-mbit-s",
        help="What a host can send, and receive; 0 = no limit.",
        min=0,
        max=100_000,
    ),
]
_Cores = Annotated[
    float,
    typer.Option(help="Cores of a host, where there are quotas; 0 = no limit.", min=0, max=1024),
]


@testbed.command("up")
def bed_up(hosts: _Hosts = 3, rate: _Rate = 100.0, cores: _Cores = 1.0) -> None:
    """Set a test bed up, with Ray on it, and say how to use it. Needs root."""
    from experiments.testbed import commands
    from experiments.testbed.bed import Shape
    from experiments.testbed.network import Limits

    commands.up(Shape(hosts, Limits(rate, cores)))


@testbed.command("run", context_settings={"allow_interspersed_args": False})
def bed_run(
    command: Annotated[list[str], typer.Argument(metavar="COMMAND...", help="What to run there.")],
    on: Annotated[
        int | None,
        typer.Option(metavar="N", help="On this one; on one of its own unless given."),
    ] = None,
    hosts: _Hosts = 3,
    rate: _Rate = 100.0,
    cores: _Cores = 1.0,
) -> None:
    """Run a command on a test bed, whose Ray is at `--address auto` there."""
    from experiments.testbed import commands
    from experiments.testbed.bed import Shape
    from experiments.testbed.network import Limits

    raise typer.Exit(commands.run(on, Shape(hosts, Limits(rate, cores)), command))


@testbed.command("list")
def bed_list() -> None:
    """List the test beds that are up, or left over."""
    from experiments.testbed import commands

    commands.show()


@testbed.command("down")
def bed_down(
    numbers: Annotated[
        list[int] | None, typer.Argument(metavar="[N...]", help="Which; the only one unless given.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All there are.")] = False,
) -> None:
    """Take test beds down, and whatever is left of them."""
    from experiments.testbed import commands

    commands.down(numbers or [], everything)


@app.command("list")
def list_all() -> None:
    """List suites, protocols and services."""
    from experiments import listing

    listing.show(Console())


@app.command("report")
def write_report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder with results.")],
) -> None:
    """Write the report of a folder with results."""
    from experiments import commands

    commands.write_report(folder)


@app.command()
def compare(
    folder_a: Annotated[Path, typer.Argument(metavar="A", help="Folder with results, before.")],
    folder_b: Annotated[Path, typer.Argument(metavar="B", help="Folder with results, after.")],
    threshold: Annotated[
        float,
        typer.Option(
            metavar="PERCENT", help="By how much throughput may fall, and the 99th percentile rise."
        ),
    ] = 5.0,
) -> None:
    """Compare two folders with results; exit with 1 where B is worse than A."""
    from experiments import differences

    raise typer.Exit(differences.run(folder_a, folder_b, threshold))
