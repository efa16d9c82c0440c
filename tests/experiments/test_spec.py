import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.model.profiles import PROFILES
from experiments.spec import RunConfig, Suite, SuiteError, load_suite, shipped_suites

SUITE = """
description = "a test"
repeats = 2
[base]
replicas = 3
duration_s = 3
[axes]
protocol = ["jpaxos", "spaxos"]
clients = [1, 10]
"""

AXIS_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "protocol": st.sampled_from(["jpaxos", "spaxos", "multipaxos"]),
    "replicas": st.integers(0, 100).map(lambda f: 2 * f + 1),
    "clients": st.integers(1, 1 << 22),
    "accept_to": st.sampled_from(["all", "leader"]),
    "batch_delay_ms": st.floats(0, 10_000),
    "duration_s": st.integers(1, 1000).map(lambda bins: bins / 10),
    "kv_get_fraction": st.floats(0, 1),
    "seed": st.integers(0, (1 << 63) - 1),
    "crash_model": st.sampled_from(["crash_stop", "epoch", "full"]),
    "hosts_on": st.sampled_from(["", "a=b", "a!=b,c=d"]),
    "faults": st.sampled_from(["", "0 kill host leader", "0 every 1 cut host 0; +0.05 heal"]),
}


def _write(folder: Path, text: str = SUITE) -> str:
    path = folder / "x.toml"
    path.write_text(text)
    return str(path)


@st.composite
def suites(draw: st.DrawFn) -> Suite:
    keys = draw(st.lists(st.sampled_from(list(AXIS_VALUES)), unique=True))
    swept = draw(st.integers(0, len(keys)))
    lists = {key: st.lists(AXIS_VALUES[key], min_size=1, max_size=3, unique=True) for key in keys}
    return Suite(
        name=draw(st.text("abc-_.0 ", min_size=1).filter(lambda name: name not in (".", ".."))),
        description=draw(st.text()),
        repeats=draw(st.integers(1, 1000)),
        base={key: draw(AXIS_VALUES[key]) for key in keys[swept:]},
        axes={key: draw(lists[key]) for key in keys[:swept]},
    )


@given(suite=suites())
@settings(max_examples=50)
def test_a_suite_that_was_written_reads_back_the_same(
    tmp_path_factory: pytest.TempPathFactory, suite: Suite
) -> None:
    path = _write(tmp_path_factory.mktemp("suite"), suite.to_toml())
    if suite.repeats * len(list(suite.points())) <= 100_000:
        assert load_suite(path) == suite


def test_a_suite_is_named_after_its_file(tmp_path: Path) -> None:
    assert load_suite(_write(tmp_path)).name == "x"


def test_points_are_all_combinations_over_the_base(tmp_path: Path) -> None:
    points = list(load_suite(_write(tmp_path)).points())
    assert [(point.protocol, point.clients) for point in points] == [
        ("jpaxos", 1),
        ("jpaxos", 10),
        ("spaxos", 1),
        ("spaxos", 10),
    ]
    assert all(
        point == RunConfig(protocol=point.protocol, clients=point.clients, duration_s=3.0)
        for point in points
    )


def test_a_profile_is_the_settings_that_it_stands_for(tmp_path: Path) -> None:
    suite = load_suite(_write(tmp_path), ["profile=srds12"])
    for point in suite.points():
        assert {key: getattr(point, key) for key in PROFILES["srds12"]} == PROFILES["srds12"]


def test_settings_of_ones_own_win_over_those_of_the_profile(tmp_path: Path) -> None:
    text = '[base]\negress_mbit_s = 10\n[axes]\nprofile = ["none", "ethernet-100mbit"]'
    none, ethernet = load_suite(_write(tmp_path, text)).points()
    assert (none.egress_mbit_s, none.ingress_mbit_s) == (10.0, 0.0)
    assert (ethernet.egress_mbit_s, ethernet.ingress_mbit_s) == (10.0, 100.0)
    suite = load_suite(_write(tmp_path, text), ["network_delay_ms=[0, 5]"])
    assert [point.network_delay_ms for point in suite.points()] == [0.0, 5.0, 0.0, 5.0]


def test_a_whole_number_will_do_for_a_fraction(tmp_path: Path) -> None:
    duration = load_suite(_write(tmp_path)).base["duration_s"]
    assert isinstance(duration, float)


def test_a_scalar_override_replaces_an_axis(tmp_path: Path) -> None:
    suite = load_suite(_write(tmp_path), ["clients=100", "protocol=spaxos"])
    assert [(point.protocol, point.clients) for point in suite.points()] == [("spaxos", 100)]


def test_a_list_override_makes_or_replaces_an_axis(tmp_path: Path) -> None:
    suite = load_suite(_write(tmp_path), ["clients=[5]", "replicas=[3, 5]"])
    assert suite.axes == {"protocol": ["jpaxos", "spaxos"], "clients": [5], "replicas": [3, 5]}
    assert "replicas" not in suite.base


def test_the_last_override_of_a_key_counts(tmp_path: Path) -> None:
    suite = load_suite(_write(tmp_path), ["clients=[5]", "clients=6", "repeats=7"])
    assert (suite.base["clients"], suite.repeats) == (6, 7)


@pytest.mark.parametrize("name", sorted(shipped_suites()))
def test_shipped_suites_are_right_and_described(name: str) -> None:
    suite = load_suite(name)
    assert suite.name == name
    assert suite.description


def test_the_page_of_faults_shows_suites_that_are_right(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "faults.md").read_text()
    examples = re.findall(r"^```toml\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    assert examples
    for text in examples:
        assert any(point.faults for point in load_suite(_write(tmp_path, text)).points())


def test_the_page_of_faults_lists_the_shipped_suites_that_have_some() -> None:
    page = (Path(__file__).parents[2] / "docs" / "faults.md").read_text()
    _, _, table = page.partition("## Shipped suites")
    with_faults = {name for name in shipped_suites() if "faults" in load_suite(name).base}
    assert set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE)) == with_faults


NULL_ACTOR = '[base]\nbackend = "null_actor"\nprotocol = "unreplicated"\nreplicas = 1'

FILE_ERRORS = {
    "[base]\nreplicas = 4": "base.replicas = 4: must be odd (1, 3, 5, 7, ...)",
    "[base]\nreplicas = 0": "base.replicas = 0: must be a whole number from 1 to 201",
    "[base]\nreplicas = 3.0": "base.replicas = 3.0: must be a whole number from 1 to 201",
    "[base]\nreplicas = true": "base.replicas = true: must be a whole number from 1 to 201",
    '[base]\nclients = "many"': (
        'base.clients = "many": must be a whole number from 1 to 4_194_304'
    ),
    "[base]\nreplica = 3": "base.replica = 3: unknown key; did you mean replicas?",
    '[base]\naccept_to = "some"': 'base.accept_to = "some": must be "all" or "leader"',
    '[base]\nprotocol = "jpaxo"': (
        'base.protocol = "jpaxo": must be jpaxos, spaxos, multipaxos or unreplicated; '
        "did you mean jpaxos?"
    ),
    '[base]\nprotocol = "JPaxos"': (
        'base.protocol = "JPaxos": must be jpaxos, spaxos, multipaxos or unreplicated; '
        "did you mean jpaxos?"
    ),
    "[base]\nCLIENTS = 3": "base.CLIENTS = 3: unknown key; did you mean clients?",
    "[base]\nxyz = 3": "base.xyz = 3: unknown key; docs/protocols.md lists all settings",
    '[base]\n"two\\nlines" = 3': (
        "base.'two\\nlines' = 3: unknown key; docs/protocols.md lists all settings"
    ),
    '"two\\nlines" = 3': (
        "'two\\nlines' = 3: unknown key; known are name, description, repeats, base, axes and cases"
    ),
    f"[base]\nseed = {'[' * 5000}": "not valid TOML: nested too deeply",
    f"[base]\nseed = {'{a = ' * 2000}1{'}' * 2000}": "not valid TOML: nested too deeply",
    "[base]\nprotocol = 1": "base.protocol = 1: must be text in quotes",
    '[base]\nservice = "nul"': (
        'base.service = "nul": must be kv, null or module:NAME; did you mean null?'
    ),
    '[base]\nservice = "nowhere:S"': (
        "base.service = \"nowhere:S\": no service 'nowhere:S': "
        "ModuleNotFoundError: No module named 'nowhere'"
    ),
    "[base]\nwindow = 0": "base.window = 0: must be a whole number from 1 to 1_024",
    "[base]\nwindow = 1024": (
        "base.window = 1024: must be at most 256 (a new leader learns a whole window of batches "
        "in one frame: frame_bytes_max = 16777216 less 4096 for the envelope)"
    ),
    "[base]\nwarmup_s = -1": "base.warmup_s = -1: must be a number from 0 to 3_600",
    "[base]\nwarmup_s = nan": "base.warmup_s = nan: must be a number from 0 to 3_600",
    "[base]\nduration_s = 0": "base.duration_s = 0: must be a number from 0.1 to 86_400",
    "[base]\nduration_s = 1.25": (
        "base.duration_s = 1.25: must be a multiple of 0.1, the resolution of the measurements"
    ),
    "[base]\nclients = 3\nfleets = 4": (
        "base.clients = 3: must be at least the number of fleets = 4"
    ),
    "[base]\nbatch_bytes_max = 5000000\nframe_bytes_max = 4194304": (
        "base.batch_bytes_max = 5000000: must be at most 4190208 "
        "(frame_bytes_max = 4194304 less 4096 for the envelope)"
    ),
    "[base]\nframe_bytes_max = 134217728": (
        "queue_bytes_max (not set) = 67108864: must be at least frame_bytes_max = 134217728"
    ),
    "[base]\nqueue_bytes_max = 100000": (
        "base.queue_bytes_max = 100000: must be at least frame_bytes_max = 16777216"
    ),
    "[base]\nsuspect_timeout_ms = 50": (
        "base.suspect_timeout_ms = 50.0: must be more than heartbeat_interval_ms = 100.0"
    ),
    "[base]\nclients = [1, 2]": ("base.clients = [1, 2]: a list of values belongs under [axes]"),
    "[axes]\nclients = [1, 10, -1]": (
        "axes.clients[2] = -1: must be a whole number from 1 to 4_194_304"
    ),
    '[base]\nfleets_on = "role"': (
        'base.fleets_on = "role": must be labels such as role=host or role!=client, '
        "with commas between"
    ),
    '[base]\nhosts_on = "a=b,a=c"': (
        'base.hosts_on = "a=b,a=c": a label may stand there only once'
    ),
    '[base]\nhosts_on = "a=b; a=c"': (
        'base.hosts_on = "a=b; a=c": must be one, or one for each of replicas = 3'
    ),
    '[base]\nfaults = "2 kil host leader"': (
        'base.faults = "2 kil host leader": event 1 (2 kil host leader): kil must be kill, '
        "restart, pause, resume, suspect, cut, heal or slow; did you mean kill?"
    ),
    "[base]\nfaults = 2": "base.faults = 2: must be text in quotes",
    '[base]\nfaults = "2 kill host 3"': (
        'base.faults = "2 kill host 3": event 1 (2 kill host 3): host 3 must be from 0 to 2'
    ),
    '[base]\nfaults = "2 kill fleet 1"': (
        'base.faults = "2 kill fleet 1": event 1 (2 kill fleet 1): fleet 1 must be 0'
    ),
    '[base]\nduration_s = 2\nfaults = "2 heal"': (
        'base.faults = "2 heal": event 1 (2 heal): must come before the window ends, duration_s = 2'
    ),
    '[base]\nfaults = "1 kill host 0; +1 restart it"\n[axes]\n'
    'crash_model = ["epoch", "crash_stop"]': (
        'base.faults = "1 kill host 0; +1 restart it": event 2 (+1 restart it): needs '
        'crash_model = "epoch" or "full"; under "crash_stop" nothing is stored, and a replica '
        "that forgot its votes must not return"
    ),
    '[base]\nfaults = "2 kill coordinator 0"\n[axes]\nprotocol = ["spaxos", "jpaxos"]': (
        'base.faults = "2 kill coordinator 0": event 1 (2 kill coordinator 0): '
        "this protocol has no coordinator"
    ),
    '[base]\nprofile = "srds"': (
        'base.profile = "srds": must be none, ethernet-100mbit or srds12; did you mean srds12?'
    ),
    "[base]\nprofile = 12": "base.profile = 12: must be text in quotes",
    '[axes]\nprofile = ["none", "ethernet"]': (
        'axes.profile[1] = "ethernet": must be none, ethernet-100mbit or srds12; '
        "did you mean ethernet-100mbit?"
    ),
    '[base]\nbackend = "simulated"': (
        'base.backend = "simulated": must be "live", "null_actor" or "sim"'
    ),
    '[base]\nbackend = "sim"': (
        'base.backend = "sim": virtual time needs a network that takes time: set network_delay_ms'
    ),
    '[base]\nbackend = "sim"\nprofile = "srds12"\nnetwork_delay_ms = 0': (
        'base.backend = "sim": virtual time needs a network that takes time: set network_delay_ms'
    ),
    '[base]\nbackend = "sim"\nprofile = "srds12"\nfaults = "2 kill host 0"': (
        'base.faults = "2 kill host 0": only the live backend carries them out'
    ),
    '[base]\nbackend = "sim"\nprofile = "srds12"\ncrash_model = "full"': (
        'base.crash_model = "full": only the live backend stores anything: must be crash_stop'
    ),
    '[base]\nbackend = "sim"\nprofile = "srds12"\ntransport = "ray"': (
        'base.transport = "ray": only the live backend has actors to call: must be tcp'
    ),
    '[base]\nprotocol = "unreplicated"\nreplicas = 3': (
        "base.replicas = 3: must be 1: protocol unreplicated replicates nothing"
    ),
    '[base]\nprotocol = "unreplicated"\nreplicas = 1\nfaults = "2 suspect replica 0"': (
        'base.faults = "2 suspect replica 0": must be empty: nothing of protocol unreplicated '
        "survives"
    ),
    '[base]\nprotocol = "unreplicated"\nreplicas = 1\ncrash_model = "full"': (
        'base.crash_model = "full": must be crash_stop: protocol unreplicated stores nothing'
    ),
    '[base]\nbackend = "null_actor"\nprotocol = "jpaxos"': (
        'base.protocol = "jpaxos": must be unreplicated where the backend is a null actor'
    ),
    f'{NULL_ACTOR}\ntransport = "tcp"': (
        'base.transport = "tcp": must be ray where the backend is a null actor'
    ),
    f'{NULL_ACTOR}\ntransport = "ray"\narrival_rate_rps = 10': (
        "base.arrival_rate_rps = 10.0: must be 0: a null actor is called by closed-loop clients"
    ),
    f'{NULL_ACTOR}\ntransport = "ray"\nprofile = "srds12"': (
        'base.profile = "srds12": must be none: a null actor has no limits but the machine\'s'
    ),
    f'{NULL_ACTOR}\ntransport = "ray"\ncores_per_host = 2': (
        "base.cores_per_host = 2: must be 0: a null actor has all cores of its machine"
    ),
    f'{NULL_ACTOR}\ntransport = "ray"\nservice = "kv"': (
        'base.service = "kv": must be "null": calls of a null actor carry no requests'
    ),
    f'{NULL_ACTOR}\ntransport = "ray"\nrequest_bytes = 1000': (
        "base.request_bytes = 1000: must be 20: calls of a null actor carry no requests"
    ),
    '[base]\nprofile = "srds12"\ndilation = 2\nfaults = "2 kill host 0"': (
        "base.dilation = 2.0: must be 1 where there are faults"
    ),
    "[base]\ndilation = 2": (
        "base.dilation = 2.0: must be 1 where hosts have no limits: set a profile"
    ),
    '[axes]\nfaults = ["2  heal", "2 heal"]': 'axes.faults[1] = "2 heal": is there twice',
    "[axes]\nreplicas = [3, 4]": "axes.replicas[1] = 4: must be odd (1, 3, 5, 7, ...)",
    "[axes]\nclients = [1, 2, 1]": "axes.clients[2] = 1: is there twice",
    "[axes]\nclients = []": "axes.clients = []: must hold at least one value",
    "[axes]\nclients = 3": (
        "axes.clients = 3: must be a list of values; a single one belongs under [base]"
    ),
    "[base]\nclients = 1\n[axes]\nclients = [1]": (
        "axes.clients = [1]: also under [base]; keep one of them"
    ),
    "replicas = 3": "replicas = 3: belongs under [base]",
    "base = 3": "base = 3: must be a table: [base]",
    "repeat = 3": "repeat = 3: unknown key; did you mean repeats?",
    "xyz = 3": ("xyz = 3: unknown key; known are name, description, repeats, base, axes and cases"),
    "repeats = 0": "repeats = 0: must be a whole number from 1 to 1_000",
    'name = "a/b"': 'name = "a/b": must be one line of text without a slash, and not . or ..',
    'name = ".."': 'name = "..": must be one line of text without a slash, and not . or ..',
    f"repeats = 1000\n[axes]\nclients = {list(range(1, 102))}": (
        "makes 101,000 runs; at most 100,000 are allowed"
    ),
    "[base\n": "not valid TOML: Expected ']' at the end of a table declaration "
    "(at line 1, column 6)",
}


@pytest.mark.parametrize(("text", "error"), FILE_ERRORS.items(), ids=FILE_ERRORS.values())
def test_what_is_wrong_in_a_file_is_told_in_one_line(tmp_path: Path, text: str, error: str) -> None:
    path = _write(tmp_path, text)
    with pytest.raises(SuiteError) as refusal:
        load_suite(path)
    assert str(refusal.value) == f"{path}: {error}"


OVERRIDE_ERRORS = {
    "replicas=4": "--set replicas = 4: must be odd (1, 3, 5, 7, ...)",
    "clients=[1, 0]": "--set clients[1] = 0: must be a whole number from 1 to 4_194_304",
    "clinets=1": "--set clinets = 1: unknown key; did you mean clients?",
    "clients": "--set clients: must be key=value",
    "clients=two words": "--set clients=two words: not a TOML value",
    "CLIENTS=3": "--set CLIENTS = 3: unknown key; did you mean clients?",
    "xyz=3": "--set xyz = 3: unknown key; docs/protocols.md lists all settings",
    "two\nlines=3": "--set 'two\\nlines' = 3: unknown key; docs/protocols.md lists all settings",
    "clients=[1\n2 3]": "--set 'clients=[1\\n2 3]': not a TOML value",
    "clients" * 50: f"--set {'clients' * 50}: must be key=value",
    f"seed={'[' * 3000}{']' * 3000}": f"--set seed={'[' * 3000}{']' * 3000}: not a TOML value",
    "faults=2 kill hots 1": (
        '--set faults = "2 kill hots 1": event 1 (2 kill hots 1): hots must be host, replica, '
        "coordinator, fleet, node or it; did you mean host?"
    ),
    "faults=[2 heal, 3 heal]": "--set faults=[2 heal, 3 heal]: not a TOML value",
    "faults='2 heal": "--set faults='2 heal: not a TOML value",
    "repeats=none": '--set repeats = "none": must be a whole number from 1 to 1_000',
}


@pytest.mark.parametrize(("override", "error"), OVERRIDE_ERRORS.items())
def test_what_is_wrong_in_an_override_is_told_in_one_line(
    tmp_path: Path, override: str, error: str
) -> None:
    with pytest.raises(SuiteError) as refusal:
        load_suite(_write(tmp_path), [override])
    assert str(refusal.value) == error


def test_an_unknown_suite_is_told_with_what_there_is() -> None:
    with pytest.raises(SuiteError) as refusal:
        load_suite("dmeo")
    *some, last = shipped_suites()
    assert str(refusal.value) == (
        f"dmeo: no such suite; shipped are {', '.join(some)} and {last}; "
        "others go by their path, ending in .toml; did you mean demo?"
    )


def test_a_missing_file_is_told() -> None:
    with pytest.raises(SuiteError) as refusal:
        load_suite("nowhere/x.toml")
    assert str(refusal.value) == "nowhere/x.toml: cannot be read: No such file or directory"


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text(SUITE, encoding="utf-8-sig")
    assert load_suite(str(path)) == load_suite(_write(tmp_path))


@pytest.mark.parametrize(
    ("ending", "reason"), [("", "no such suite; shipped"), (".toml", "cannot be read: File name")]
)
def test_a_name_that_is_too_long_for_a_file_is_told(ending: str, reason: str) -> None:
    with pytest.raises(SuiteError) as refusal:
        load_suite(f"{'x' * 300}{ending}")
    assert str(refusal.value).startswith(f"{'x' * 300}{ending}: {reason}")


@pytest.mark.parametrize("depth", [50, 300, 400, 450, 480])
def test_a_value_that_is_nested_is_told(tmp_path: Path, depth: int) -> None:
    path = _write(tmp_path, f"[base]\nseed = {'[' * depth}{']' * depth}")
    with pytest.raises(SuiteError):
        load_suite(path)


def test_a_service_of_ones_own_needs_no_quotes(tmp_path: Path) -> None:
    suite = load_suite(_write(tmp_path), ["service=actors.services.kv:SERVICE"])
    assert suite.base["service"] == "actors.services.kv:SERVICE"


def test_faults_may_stand_on_lines_of_their_own(tmp_path: Path) -> None:
    """They become one line, so that the same faults are the same setting however written."""
    text = '[base]\nfaults = """\n  2 kill  host leader\n\n  +1 kill it;\n"""'
    assert load_suite(_write(tmp_path, text)).base == {"faults": "2 kill host leader; +1 kill it"}


def test_the_same_labels_are_the_same_setting_however_written(tmp_path: Path) -> None:
    overrides = ["hosts_on= a = b ,c!=d ;;e=f", "fleets_on=a != b", "replicas=3"]
    suite = load_suite(_write(tmp_path), overrides)
    assert suite.base["hosts_on"] == "a=b,c!=d; ; e=f"
    assert suite.base["fleets_on"] == "a!=b"


@pytest.mark.parametrize("quote", ["", "'", '"'])
def test_faults_need_no_quotes_in_an_override(tmp_path: Path, quote: str) -> None:
    words = "1 kill host leader; +1 heal"
    suite = load_suite(_write(tmp_path), [f"faults= {quote}{words}{quote} "])
    assert suite.base["faults"] == words


def test_faults_can_be_switched_off_by_an_override(tmp_path: Path) -> None:
    path = _write(tmp_path, '[base]\nfaults = "1 heal"')
    assert load_suite(path, ["faults="]).base["faults"] == ""


def test_faults_can_be_swept(tmp_path: Path) -> None:
    suite = load_suite(_write(tmp_path), ["faults=['', '1 heal']"])
    assert [point.faults for point in suite.points()] == ["", "1 heal"] * 4


def test_an_override_is_put_over_the_cases_too() -> None:
    points = list(load_suite("ethernet_100mbit", ["dilation=1", "clients=10"]).points())
    assert {(point.dilation, point.clients) for point in points} == {(1.0, 10)}
    assert {point.replicas for point in points} == {3, 5}
