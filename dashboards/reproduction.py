"""The report of a reproduction: what holds, the scorecard, every figure, and how it came about.

A reproduction is a folder with the results of suites, a folder each, and beside them:

    scorecard.json             the claims and what became of them: a row each
    commands.txt               what was asked for
    messages/counts.parquet    messages of a request: `experiments.messages.Count`, formula_text
    messages/request.parquet   every message of one request: protocol, and what
                               `dashboards.figures.space_time` draws
"""

import json
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import plotly.graph_objects as go

from dashboards import care, provenance, record, theme
from dashboards.figures import (
    ablation,
    balance,
    batch_window,
    calibration,
    equal_latency,
    hosts,
    latency_throughput,
    model_check,
    percentiles,
    replicas,
    request_size,
    same_load,
    space_time,
    throughput,
    timeline,
    unloaded,
)
from dashboards.page import drawing, page, paragraph, section, table, words
from dashboards.report import OverTime, read_over_time
from experiments import results, summarise
from experiments.evaluation import FIGURES, KIND, MESSAGES, SCORECARD, Figure
from experiments.linter import lint
from experiments.results import RUNS_FILE, ResultsError

COUNTS = Path(MESSAGES) / "counts.parquet"
REQUEST = Path(MESSAGES) / "request.parquet"

TITLE = "Paxoscope: the S-Paxos evaluation, reproduced"
_SCORE = ("id", "claim", "paper", "ours", "verdict", "reason")
NOT_COUNTED = "not-counted"
"""Names the section that lists them."""

_HEADER = (
    f"<header><h1>{TITLE}</h1><p>JPaxos and S-Paxos (SRDS 2012) on one machine, on hosts whose CPU "
    "and network are modelled.</p></header>"
)

_VERDICTS = {
    "reproduced": ("Holds", "holds"),
    "trend": ("Holds as a trend", "partly"),
    "not reproduced": ("Does not hold", "fails"),
    "not measured": ("Not measured", "untold"),
}
"""What a verdict of the scorecard is called, and its style on the page."""


class Material:
    """The results that a figure is drawn from: those of one suite, or of several put together."""

    def __init__(self, folder: Path, suites: Sequence[str]) -> None:
        self.folder = folder
        self._suites = suites

    @cached_property
    def runs(self) -> pd.DataFrame:
        """Every run, of any outcome."""
        return _joined([results.runs(self.folder / suite) for suite in self._suites])

    @cached_property
    def points(self) -> pd.DataFrame:
        """What `experiments.summarise.summary` makes of them."""
        return summarise.summary(self.runs)

    @cached_property
    def sound_runs(self) -> pd.DataFrame:
        """Those whose numbers count."""
        return self.runs[summarise.is_sound(self.runs)]

    @property
    def counters(self) -> pd.DataFrame:
        """What the actors of the sound runs counted."""
        return _joined([results.counters(*each) for each in self._by_folder()])

    @property
    def over_time(self) -> OverTime:
        """What happened over time in the runs with faults that are shown."""
        parts = [read_over_time(self.folder / suite, self.sound_runs) for suite in self._suites]
        return OverTime(*map(_joined, zip(*parts, strict=True)))

    def _by_folder(self) -> Iterator[tuple[Path, list[str]]]:
        for suite in self._suites:  # What the table calls it might lead elsewhere.
            run_ids = self.sound_runs.loc[self.sound_runs["suite"] == suite, "run_id"]
            if len(run_ids):
                yield self.folder / suite, run_ids.tolist()


def _joined(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(tables, ignore_index=True) if len(tables) > 1 else tables[0]


Draw = Callable[[Material], Iterable[go.Figure]]


def write(folder: Path, figure_ids: Sequence[str]) -> Path:
    """Write `report.html` of a reproduction, with the figures asked for; return where it is.

    Raises ResultsError where the folder lacks something, or it cannot be read or written.
    """
    figures = [figure for figure in FIGURES.values() if figure.figure_id in figure_ids]
    html = render(folder, figures)
    path = folder / "report.html"
    try:
        path.write_text(html, encoding="utf-8")
    except OSError as error:
        raise ResultsError(f"{path}: cannot be written: {error.strerror}") from error
    return path


def drawable(folder: Path) -> list[Figure]:
    """Return the figures of which a reproduction's folder has the results."""
    return [each for each in FIGURES.values() if all(map(Path.exists, _sources(folder, each)))]


def _sources(folder: Path, figure: Figure) -> list[Path]:
    return [folder / each / RUNS_FILE for each in figure.suites] or [
        folder / each for each in (COUNTS, REQUEST)
    ]


def command(folder: Path) -> str:
    """Return the command that makes what a reproduction lacks, and keeps what it has."""
    kind = _kind(folder)
    backend = kind.get("backend")
    return shlex.join(
        [
            *("paxoscope", "reproduce"),
            *(["--quick"] if kind.get("quick") is True else []),
            *(["--backend", backend] if isinstance(backend, str) else []),
            *("--out", str(folder)),
        ]
    )


def _kind(folder: Path) -> Mapping[str, object]:
    """Return of which kind a reproduction is; nothing where that is not known."""
    try:
        kind = json.loads((folder / KIND).read_bytes())
    except (OSError, ValueError):
        return {}
    return kind if isinstance(kind, dict) else {}


def render(folder: Path, figures: Sequence[Figure]) -> str:
    """Return the report as HTML; raises ResultsError where the folder lacks something."""
    scores = read_scores(folder)
    suites = dict.fromkeys(suite for figure in figures for suite in figure.suites)
    sections = [
        ("scorecard", "Scorecard", _scorecard(scores)),
        *((each.figure_id, each.title, _figure(folder, each)) for each in figures),
        *(_provenance(Material(folder, list(suites)).runs, figures) if suites else []),
        ("again", "Run it again", provenance.commands(folder, list(suites))),
    ]
    body = [
        _HEADER,
        words(_headline(scores)),
        _contents([(anchor, heading) for anchor, heading, _ in sections]),
        *(section(heading, content, anchor) for anchor, heading, content in sections),
    ]
    return page(TITLE, "\n".join(body))


def _provenance(runs: pd.DataFrame, figures: Sequence[Figure]) -> list[tuple[str, str, str]]:
    said = _said(runs)
    return [
        ("fitted", "What is fitted, what is assumed", provenance.calibration(runs)),
        (NOT_COUNTED, "Runs that do not count", provenance.unsound(runs, figures)),
        *([("care", care.HEADING, care.listed(said))] if len(said) else []),
        ("durations", "How long it took", provenance.durations(runs)),
        ("environment", "Environment", record.environment(runs)),
    ]


def _said(runs: pd.DataFrame) -> pd.DataFrame:
    """Return what the linter says of the runs of each suite, with their suite.

    Runs of different suites are not compared with each other; those that do not count are listed
    elsewhere.
    """
    sound = runs[summarise.is_sound(runs)]
    parts = [lint(rows).assign(suite=suite) for suite, rows in sound.groupby("suite", sort=False)]
    return _joined([lint(sound.head(0)), *parts])


# --- What comes first ---------------------------------------------------------------------------


def _headline(scores: Sequence[Mapping[str, str]]) -> Iterator[tuple[str, str, list[str]]]:
    yield (
        "What this is",
        "Every claim of the S-Paxos paper and of its critics that can be tested here, held against "
        "runs of the real protocols. Hosts are modelled, so that one machine can stand for many: "
        "<strong>one number is fitted</strong> (the CPU of a request at JPaxos's leader), all "
        "else is a prediction.",
        [],
    )
    for verdict, (heading, _) in _VERDICTS.items():
        items = [_told(score) for score in scores if score["verdict"] == verdict]
        if items:
            yield f"{heading}: {len(items)} of {len(scores)} claims", "", items


def _told(score: Mapping[str, str]) -> str:
    return (
        f"{escape(score['claim'])}: <strong>{escape(score['ours'])}</strong> "
        f"(claimed: {escape(score['paper'])})"
    )


def _contents(sections: Iterable[tuple[str, str]]) -> str:
    items = "".join(
        f'<li><a href="#{escape(anchor)}">{heading}</a></li>' for anchor, heading in sections
    )
    return f'<nav><ol class="contents">{items}</ol></nav>'


def read_scores(folder: Path) -> list[dict[str, str]]:
    """Return the rows of the scorecard of a reproduction, all texts; raises ResultsError."""
    path = folder / SCORECARD
    try:
        return [_checked(score) for score in json.loads(path.read_text(encoding="utf-8"))]
    except OSError as error:
        raise ResultsError(f"{path}: cannot be read: {error.strerror}") from error
    except (TypeError, ValueError, KeyError) as error:
        raise ResultsError(f"{path}: not a scorecard: {error}") from error


def _checked(score: Mapping[str, object]) -> dict[str, str]:
    """Return a row of a scorecard; raises TypeError, ValueError or KeyError if it is none."""
    checked = {key: str(score[key]) for key in _SCORE}
    if checked["verdict"] not in _VERDICTS:
        raise ValueError(f"no such verdict: {checked['verdict']}")
    return checked


def _scorecard(scores: Iterable[Mapping[str, str]]) -> str:
    heads = ["id", "claim", "claimed", "ours", "verdict", "reason"]
    rows = [
        [
            f"<code>{escape(score['id'])}</code>",
            escape(score["claim"]),
            escape(score["paper"]),
            f"<strong>{escape(score['ours'])}</strong>",
            f'<span class="verdict {_VERDICTS[score["verdict"]][1]}">{score["verdict"]}</span>',
            escape(score["reason"]),
        ]
        for score in scores
    ]
    return table(heads, rows)


# --- Figures ------------------------------------------------------------------------------------


def figures(folder: Path, figure: Figure) -> list[go.Figure]:
    """Draw what belongs to a figure of the evaluation; nothing where no run of it counts.

    `figure` is one that is drawn from suites. Raises ResultsError.
    """
    material = Material(folder, figure.suites)
    return [] if material.points.empty else list(DRAWN[figure.figure_id].draw(material))


def _figure(folder: Path, figure: Figure) -> str:
    material = Material(folder, figure.suites)
    lines = [paragraph(figure.see, "see")]
    if not figure.suites:
        return "".join([*lines, *_messages(material)])
    lines.append(paragraph(_source(material, figure), "source"))
    if material.points.empty:
        return "".join([*lines, paragraph("No run of this figure counts: there is none to draw.")])
    drawn = DRAWN[figure.figure_id]
    reading = paragraph(f"<b>To read it:</b> {drawn.what_to_see}", "source")
    return "".join([*lines, *map(drawing, drawn.draw(material)), reading])


def _source(material: Material, figure: Figure) -> str:
    """Say which runs a figure stands on, and how many of them do not count."""
    runs = material.runs
    suites = ", ".join(f"<code>{suite}</code>" for suite in figure.suites)
    where = " and ".join(provenance.BACKENDS[each] for each in sorted(runs["backend"].unique()))
    profiles = ", ".join(f"<code>{escape(each)}</code>" for each in sorted(set(runs["profile"])))
    lost = len(runs) - len(material.sound_runs)
    care = f'; <a href="#{NOT_COUNTED}">{lost} of them do not count</a>' if lost else ""
    repeats = runs["repeat"].nunique()
    return (
        f"From {suites}: {len(runs)} runs ({repeats} of each point); {where}; host profile "
        f"{profiles}{care}."
    )


class Drawn(NamedTuple):
    """How a figure is drawn, and how it is read."""

    draw: Draw
    what_to_see: str


def _of_points(module: Any) -> Drawn:
    return Drawn(lambda material: [module.draw(material.points)], module.WHAT_TO_SEE)


def _of_hosts(module: Any) -> Drawn:
    return Drawn(
        lambda material: [module.draw(material.sound_runs, material.counters)], module.WHAT_TO_SEE
    )


_OVER_TIME = Drawn(
    lambda material: [timeline.draw(material.runs, *material.over_time)], timeline.WHAT_TO_SEE
)

DRAWN: dict[str, Drawn] = {
    "throughput-clients": _of_points(throughput),
    "response-clients": _of_points(percentiles),
    "latency-throughput": _of_points(latency_throughput),
    "throughput-replicas": _of_points(replicas),
    "host-load": _of_hosts(hosts),
    "balance": _of_hosts(balance),
    "calibration": _of_points(calibration),
    "unloaded-latency": _of_points(unloaded),
    "same-load": _of_points(same_load),
    "equal-latency": _of_points(equal_latency),
    "request-size": _of_points(request_size),
    "batch-window": _of_points(batch_window),
    "ablation": _of_points(ablation),
    "leader-crash": _OVER_TIME,
    "follower-crash": _OVER_TIME,
    "false-suspicion": _OVER_TIME,
    "model-check": _of_points(model_check),
}
"""All that are drawn from the results of suites."""


def _messages(material: Material) -> Iterator[str]:
    counts, flows = (_read(material.folder / path) for path in (COUNTS, REQUEST))
    heads = ["protocol", "accept_to", "n", "formula", "gives", "counted", "over the network", ""]
    rows = [
        [
            theme.label(row["protocol"]),
            escape(row["accept_to"]),
            str(row["replicas"]),
            escape(row["formula_text"]),
            str(row["formula"]),
            f"<strong>{row['messages']}</strong>",
            str(row["network_messages"]),
            _match(row["messages"] == row["formula"]),
        ]
        for row in counts.to_dict("records")
    ]
    yield table(heads, rows, numeric=heads[2:-1])
    for protocol, flow in flows.groupby("protocol"):
        yield f"<h3>{theme.label(str(protocol))}</h3>"
        yield drawing(space_time.draw(flow, str(protocol)))
    yield paragraph(f"<b>To read it:</b> {space_time.WHAT_TO_SEE}", "source")


def _match(is_equal: bool) -> str:
    style, word = ("holds", "equal") if is_equal else ("fails", "differs")
    return f'<span class="verdict {style}">{word}</span>'


def _read(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise ResultsError(f"{path}: cannot be read: {reason}") from error
