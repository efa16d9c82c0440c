"""What a suite says: the configuration of its runs, what it sweeps, and how often.

A suite is a TOML file: `description`, `repeats`, a table `base` of settings and a table `axes` with
a list of values for each setting that is swept. Settings are the fields of `RunConfig`. Everything
is checked when a suite is read, every point of its sweep included; a `SuiteError` says in one line
where the wrong value stands, what it is, and what would be right.
"""

import itertools
import math
import os
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta

from actors import fault_checks, faults, labels
from actors.core.config import LoadConfig
from actors.core.registry import PROTOCOLS
from actors.labels import LabelError, Selector
from actors.model.profiles import NONE, PROFILES
from actors.services.registry import all_kinds, find
from experiments import toml
from experiments.errors import InputError

Value = str | int | float | bool

BIN_S = 0.1
"""Resolution of all tables over time; a measured window is a whole number of these."""

RUNS_MAX = 100_000

ENVELOPE_BYTES = 4096
"""Room that a frame needs beside the values it carries."""


class RunConfig(LoadConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that determines one run: the system, its load, and what is measured when."""

    warmup_s: Annotated[
        float, Meta(ge=0, le=3600, description="time under load before the measured window")
    ] = 2.0
    duration_s: Annotated[
        float, Meta(ge=BIN_S, le=86_400, description="length of the measured window")
    ] = 5.0
    cooldown_s: Annotated[
        float, Meta(ge=0, le=3600, description="time under load after the measured window")
    ] = 0.3
    placement: Annotated[
        Literal["spread", "strict_spread"],
        Meta(description="hosts on different nodes where there are enough, or always"),
    ] = "spread"
    hosts_on: Annotated[
        str, Meta(description="labels of the nodes that hosts may live on; with ; host by host")
    ] = "paxoscope!=fleet"
    fleets_on: Annotated[str, Meta(description="labels of the nodes that fleets may live on")] = (
        "paxoscope!=host"
    )
    case: Annotated[
        str, Meta(description="name of the settings that a suite has put together for this run")
    ] = ""
    faults: Annotated[
        str,
        Meta(description="what goes wrong and when, in the words of docs/faults.md; empty = none"),
    ] = ""
    backend: Annotated[
        Literal["live", "sim", "null_actor"],
        Meta(
            description="on Ray; in virtual time, which needs hosts with limits; or, to compare "
            "with, calls of a Ray actor that does nothing, in the place of requests"
        ),
    ] = "live"

    @property
    def load_s(self) -> float:
        """Time that the clients run, in seconds."""
        return self.warmup_s + self.duration_s + self.cooldown_s

    def load_config(self) -> LoadConfig:
        """Return what the actors need to know."""
        return LoadConfig(**{key: getattr(self, key) for key in LoadConfig.__struct_fields__})


class Suite(msgspec.Struct, frozen=True, kw_only=True):
    """A sweep: every combination of the values of `axes`, over `base`, each run `repeats` times.

    All that for each of the `cases`, if there are any: settings that belong together, by a name.
    """

    name: Annotated[str, Meta(pattern=r"^(?!\.\.?$)[^/\n]+$")]
    """What the folder of its results is called, unless another is named."""
    description: str = ""
    repeats: Annotated[int, Meta(ge=1, le=1000)] = 1
    base: dict[str, Value] = {}
    axes: dict[str, list[Value]] = {}
    cases: dict[str, dict[str, Value]] = {}

    @property
    def swept(self) -> list[str]:
        """The settings that tell its points apart, by name."""
        return [*(["case"] if self.cases else []), *self.axes]

    def points(self) -> Iterator[RunConfig]:
        """Yield the configuration of each point; cases vary slowest, then the first axis."""
        for settings in self._settings():
            limits = PROFILES[str(settings.get("profile", NONE))]
            yield msgspec.convert({**limits, **settings}, RunConfig)

    def _settings(self) -> Iterator[dict[str, Value]]:
        """Yield what each point sets: a profile's limits come first, whatever else after it."""
        for case, its_own in (self.cases or {"": {}}).items():
            for values in itertools.product(*self.axes.values()):
                swept = dict(zip(self.axes, values, strict=True))
                yield self.base | swept | its_own | ({"case": case} if case else {})

    def to_toml(self) -> str:
        """Write the suite as `load_suite` reads it."""
        return toml.write(msgspec.structs.asdict(self))


class SuiteError(InputError):
    """A suite cannot be read or makes no sense; the message says why in one line."""


def load_suite(
    path_or_name: str,
    overrides: Sequence[str] = (),
    options: Mapping[str, tuple[str, Any]] = MappingProxyType({}),
) -> Suite:
    """Read a shipped suite by its name, or any by its path; put options and overrides over it.

    An override is `key=value` with a TOML value; a bare word is a string, and so are words for a
    setting that takes text; a list makes an axis. An option is a key and its value, under the name
    by which the user knows it. Raises SuiteError.
    """
    path = _find(path_or_name)
    draft = _Draft(path)
    try:
        draft.read(toml.read(path))
    except toml.TomlError as error:
        raise SuiteError(str(error)) from error
    for option, (key, value) in options.items():
        draft.put(key, _Setting(option, value))
    for override in overrides:
        draft.override(override)
    return draft.finish()


def shipped_suites() -> dict[str, Path]:
    """Return the suites that come with the package: path by name."""
    folder = Path(__file__).with_name("suites")
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def _find(path_or_name: str) -> Path:
    shipped = shipped_suites()
    if path_or_name in shipped:
        return shipped[path_or_name]
    path = Path(path_or_name)
    if path.suffix == ".toml" or len(path.parts) > 1 or os.path.isfile(path):
        return path
    parts = [
        f"{path_or_name}: no such suite",
        f"shipped are {_listed(shipped, 'and')}",
        "others go by their path, ending in .toml",
        _suggestion(path_or_name, shipped),
    ]
    raise SuiteError("; ".join(filter(None, parts)))


class _Setting(NamedTuple):
    """A value and where it stands."""

    where: str
    value: Any

    def wrong(self, reason: str) -> SuiteError:
        return SuiteError(f"{self.where} = {_shown(self.value)}: {reason}")


class _Draft:
    """A suite that is being read: every value still knows where it stands."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._about: dict[str, Any] = {"name": path.stem}
        self._settings: dict[str, list[_Setting]] = {}
        self._cases: dict[str, dict[str, _Setting]] = {}
        self._axes: dict[str, None] = {}  # An ordered set.

    def read(self, document: Mapping[str, Any]) -> None:
        for key, value in document.items():
            setting = _Setting(f"{self._path}: {_printable(key)}", value)
            if key in ("base", "axes", "cases"):
                if not isinstance(value, dict):
                    raise setting.wrong(f"must be a table: [{key}]")
            elif key in _FIELDS[RunConfig]:
                raise setting.wrong("belongs under [base]")
            else:
                self._about[key] = _checked(Suite, key, setting)
        for key, value in document.get("base", {}).items():
            self._set(key, _Setting(f"{self._path}: base.{_printable(key)}", value))
        for key, values in document.get("axes", {}).items():
            setting = _Setting(f"{self._path}: axes.{_printable(key)}", values)
            if key in self._settings:
                raise setting.wrong("also under [base]; keep one of them")
            if not isinstance(values, list):
                raise setting.wrong("must be a list of values; a single one belongs under [base]")
            self._sweep(key, setting)
        for name, settings in document.get("cases", {}).items():
            self._add_case(name, settings)

    def _add_case(self, name: str, settings: Any) -> None:
        where = f"{self._path}: cases.{_printable(name)}"
        if not isinstance(settings, dict):
            raise _Setting(where, settings).wrong(f"must be a table: [cases.{_printable(name)}]")
        self._cases[name] = case = {}
        for key, value in settings.items():
            setting = _Setting(f"{where}.{_printable(key)}", value)
            case[key] = setting._replace(value=_checked(RunConfig, key, setting))

    def override(self, text: str) -> None:
        key, equals, value = text.partition("=")
        key = key.strip()
        if not equals or not key:
            raise SuiteError(f"--set {_printable(text)}: must be key=value")
        try:
            setting = _Setting(f"--set {_printable(key)}", _parse_value(key, value.strip()))
        except toml.TomlError as error:
            raise SuiteError(f"--set {_printable(text)}: {error}") from error
        for case in self._cases.values():
            case.pop(key, None)  # It is put over these, too.
        self.put(key, setting)

    def put(self, key: str, setting: _Setting) -> None:
        if key == "repeats":
            self._about[key] = _checked(Suite, key, setting)
        elif key == "case":
            self._choose_cases(setting)
        elif isinstance(setting.value, list):
            self._sweep(key, setting)
        else:
            self._set(key, setting)

    def _choose_cases(self, setting: _Setting) -> None:
        names = setting.value if isinstance(setting.value, list) else [setting.value]
        for name in names:
            if not isinstance(name, str) or name not in self._cases:
                right = (
                    _listed(map(toml.write_value, self._cases))
                    if self._cases
                    else "left out: the suite has no cases"
                )
                raise setting.wrong(f"must be {right}")
        self._cases = {name: case for name, case in self._cases.items() if name in names}

    def finish(self) -> Suite:
        base = {key: values[0] for key, values in self._settings.items() if key not in self._axes}
        suite = Suite(
            **self._about,
            base={key: setting.value for key, setting in base.items()},
            axes={key: [each.value for each in self._settings[key]] for key in self._axes},
            cases={
                name: {key: setting.value for key, setting in case.items()}
                for name, case in self._cases.items()
            },
        )
        self._check_size(suite)
        combinations = itertools.product(
            self._cases.values() or [{}], *(self._settings[key] for key in self._axes)
        )
        for config, (case, *values) in zip(suite.points(), combinations, strict=True):
            for key, reason in _conflicts(config):
                written = base | dict(zip(self._axes, values, strict=True)) | case
                default = _Setting(f"{self._path}: {key} (not set)", getattr(config, key))
                raise written.get(key, default).wrong(reason)
        return suite

    def _set(self, key: str, setting: _Setting) -> None:
        if isinstance(setting.value, list):
            raise setting.wrong("a list of values belongs under [axes]")
        if key == "case":
            raise setting.wrong("cases are named under [cases]")
        value = _checked(RunConfig, key, setting)
        self._settings[key] = [setting._replace(value=value)]
        self._axes.pop(key, None)

    def _sweep(self, key: str, setting: _Setting) -> None:
        if not setting.value:
            raise setting.wrong("must hold at least one value")
        values: dict[Value, _Setting] = {}
        for index, value in enumerate(setting.value):
            each = _Setting(f"{setting.where}[{index}]", value)
            checked = _checked(RunConfig, key, each)
            if checked in values:
                raise each.wrong("is there twice")
            values[checked] = each._replace(value=checked)
        self._settings[key] = list(values.values())
        self._axes[key] = None

    def _check_size(self, suite: Suite) -> None:
        runs = suite.repeats * math.prod(map(len, suite.axes.values())) * max(1, len(suite.cases))
        if runs > RUNS_MAX:
            raise SuiteError(f"{self._path}: makes {runs:,} runs; at most {RUNS_MAX:,} are allowed")


def _conflicts(config: RunConfig) -> Iterator[tuple[str, str]]:
    """Yield each key whose value does not go with the others, and what would be right."""
    room = config.frame_bytes_max - ENVELOPE_BYTES
    limit = f"frame_bytes_max = {config.frame_bytes_max} less {ENVELOPE_BYTES} for the envelope"
    if config.replicas % 2 == 0:
        yield "replicas", "must be odd (1, 3, 5, 7, ...)"
    if config.clients < config.fleets:
        yield "clients", f"must be at least the number of fleets = {config.fleets}"
    selectors = len(labels.parse_for_hosts(config.hosts_on))
    if selectors not in (1, config.replicas):
        yield "hosts_on", f"must be one, or one for each of replicas = {config.replicas}"
    for key in ("batch_bytes_max", "dissemination_batch_bytes_max"):
        if getattr(config, key) > room:
            yield key, f"must be at most {room} ({limit})"
    # One request larger than a batch makes a batch of its own; kv may send its payload twice.
    value_bytes_max = max(config.batch_bytes_max, 2 * config.request_bytes + ENVELOPE_BYTES)
    if config.window * value_bytes_max > room:
        most = room // value_bytes_max
        reason = f"a new leader learns a whole window of batches in one frame: {limit}"
        yield "window", f"must be at most {most} ({reason})"
    if config.queue_bytes_max < config.frame_bytes_max:
        yield "queue_bytes_max", f"must be at least frame_bytes_max = {config.frame_bytes_max}"
    if config.suspect_timeout_ms <= config.heartbeat_interval_ms:
        interval = _shown(config.heartbeat_interval_ms)
        yield "suspect_timeout_ms", f"must be more than heartbeat_interval_ms = {interval}"
    for key in ("warmup_s", "duration_s"):
        bins = getattr(config, key) / BIN_S
        if abs(bins - round(bins)) > 1e-6:
            yield key, f"must be a multiple of {BIN_S}, the resolution of the measurements"
    yield from _conflicts_about_time(config)
    yield from _conflicts_of_the_null_actor(config)
    yield from _conflicts_of_the_unreplicated(config)
    problems = fault_checks.check(
        faults.parse(config.faults),
        replicas=config.replicas,
        fleets=config.fleets,
        has_coordinators=PROTOCOLS[config.protocol].coordinator is not None,
        crash_model=config.crash_model,
        window_s=config.duration_s,
    )
    for problem in problems:
        yield "faults", problem


def _conflicts_of_the_unreplicated(config: RunConfig) -> Iterator[tuple[str, str]]:
    """Yield what asks for a second host where there is one."""
    if PROTOCOLS[config.protocol].is_replicated:
        return
    if config.replicas != 1:
        yield "replicas", f"must be 1: protocol {config.protocol} replicates nothing"
    if config.faults:
        yield "faults", f"must be empty: nothing of protocol {config.protocol} survives"
    if config.crash_model != "crash_stop":
        yield "crash_model", f"must be crash_stop: protocol {config.protocol} stores nothing"


def _conflicts_of_the_null_actor(config: RunConfig) -> Iterator[tuple[str, str]]:
    """Yield what would say that more happens than calls of an actor that does nothing."""
    if config.backend != "null_actor":
        return
    for key, value in (("protocol", "unreplicated"), ("transport", "ray")):
        if getattr(config, key) != value:
            yield key, f"must be {value} where the backend is a null actor"
    if config.arrival_rate_rps:
        yield "arrival_rate_rps", "must be 0: a null actor is called by closed-loop clients"
    if config.is_limited:
        yield "profile", "must be none: a null actor has no limits but the machine's"
    if config.cores_per_host:
        yield "cores_per_host", "must be 0: a null actor has all cores of its machine"
    default = RunConfig()
    for key in ("service", "request_bytes"):
        right = getattr(default, key)
        if getattr(config, key) != right:
            yield key, f"must be {_shown(right)}: calls of a null actor carry no requests"


def _conflicts_about_time(config: RunConfig) -> Iterator[tuple[str, str]]:
    """Yield what does not go with virtual time, or with time that is stretched."""
    if config.backend == "sim":
        if not config.network_delay_ms:
            yield "backend", "virtual time needs a network that takes time: set network_delay_ms"
        if config.faults:
            yield "faults", "only the live backend carries them out"
        if config.crash_model != "crash_stop":
            yield "crash_model", "only the live backend stores anything: must be crash_stop"
        if config.transport != "tcp":
            yield "transport", "only the live backend has actors to call: must be tcp"
    if config.dilation != 1 and config.faults:
        yield "dilation", "must be 1 where there are faults"
    if config.dilation != 1 and not config.is_limited:
        yield "dilation", "must be 1 where hosts have no limits: set a profile"


_FIELDS: dict[type, dict[str, Any]] = {
    struct: typing.get_type_hints(struct, include_extras=True) for struct in (RunConfig, Suite)
}

_WHERE_LISTED: dict[type, str] = {
    RunConfig: "docs/protocols.md lists all settings",
    Suite: "known are name, description, repeats, base, axes and cases",
}


def _parse_value(key: str, text: str) -> Any:
    """Read a TOML value or, for a setting that takes text, words without quotes.

    Raises TomlError.
    """
    try:
        return toml.parse_value(text)
    except toml.TomlError:
        if text.startswith(("[", '"', "'")) or not _takes_text(key):
            raise
        return text


def _takes_text(key: str) -> bool:
    return isinstance(_kind(_FIELDS[RunConfig].get(key)), msgspec.inspect.StrType)


def _checked(struct: type, key: str, setting: _Setting) -> Any:
    """Return the value as the type of the struct's field `key`; raises SuiteError."""
    hints = _FIELDS[struct]
    if key not in hints:
        raise setting.wrong(f"unknown key; {_suggestion(key, hints) or _WHERE_LISTED[struct]}")
    try:
        value = msgspec.convert(setting.value, hints[key])
    except msgspec.ValidationError as error:
        raise setting.wrong(f"must be {_right(hints[key])}") from error
    if key == "service":
        _check_service(setting)
    elif key == "faults":
        return _tidy_faults(setting)
    elif key in ("hosts_on", "fleets_on"):
        return _tidy_labels(key, setting)
    elif key == "protocol" and value not in PROTOCOLS:
        raise setting.wrong(_one_of(value, PROTOCOLS))
    elif key == "profile" and value not in PROFILES:
        raise setting.wrong(_one_of(value, PROFILES))
    return value


def _check_service(setting: _Setting) -> None:
    try:
        find(setting.value)
    except LookupError as error:
        own = ":" in setting.value
        reason = str(error) if own else _one_of(setting.value, [*all_kinds(), "module:NAME"])
        raise setting.wrong(reason) from error


def _tidy_labels(key: str, setting: _Setting) -> str:
    """Return the labels without what does not matter, so that the same are the same setting."""
    try:
        if key == "hosts_on":
            return labels.write(labels.parse_for_hosts(setting.value))
        return str(Selector.parse(setting.value))
    except LabelError as error:
        raise setting.wrong(str(error)) from error


def _tidy_faults(setting: _Setting) -> str:
    """Return the words on one line, so that the same faults are the same setting."""
    try:
        return faults.write(faults.parse(setting.value))
    except faults.FaultError as error:
        raise setting.wrong(str(error)) from error


def _right(hint: Any) -> str:
    """Say in words what values a field takes."""
    match _kind(hint):
        case msgspec.inspect.IntType(ge=low, le=high):
            return f"a whole number from {low:_} to {high:_}"
        case msgspec.inspect.FloatType(ge=low, le=high):
            return f"a number from {low:_g} to {high:_g}"
        case msgspec.inspect.LiteralType(values=values):
            return _listed(map(toml.write_value, values))
        case msgspec.inspect.StrType(pattern=str()):
            return "one line of text without a slash, and not . or .."
        case _:
            return "text in quotes"


def _kind(hint: Any) -> msgspec.inspect.Type:
    kind = msgspec.inspect.type_info(hint)
    return kind.type if isinstance(kind, msgspec.inspect.Metadata) else kind


def _one_of(wrong: str, known: Iterable[str]) -> str:
    parts = [f"must be {_listed(known)}", _suggestion(wrong, known)]
    return "; ".join(filter(None, parts))


def _suggestion(wrong: str, known: Iterable[str]) -> str:
    close = get_close_matches(wrong.lower(), list(known), n=1)
    return f"did you mean {close[0]}?" if close else ""


def _listed(names: Iterable[str], word: str = "or") -> str:
    *some, last = names
    return f"{', '.join(some)} {word} {last}" if some else last


def _printable(text: str) -> str:
    return text if text.isprintable() else repr(text)


def _shown(value: Any) -> str:
    try:
        text = toml.write_value(value)
    except ValueError:  # Python reads more digits in hexadecimal than it writes.
        text = "(a number of too many digits)"
    return text if len(text) <= 60 else f"{text[:57]}..."
