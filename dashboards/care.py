"""Numbers that are to be read with care, in reports: what the linter says of them, as HTML."""

from html import escape

import pandas as pd

from experiments.linter import Summed, by_rule

HEADING = "Runs to read with care"


def listed(said: pd.DataFrame) -> str:
    """Return a list of what `experiments.linter.lint` says, a rule each.

    With a column `suite`, each names the suites of its runs.
    """
    items = "".join(f"<li>{_told(each)}{_where(said, each)}</li>" for each in by_rule(said))
    return f'<ul class="care">{items}</ul>'


def _told(summed: Summed) -> str:
    rule = summed.rule
    return (
        f'<span class="severity {rule.severity}">{rule.severity}</span> '
        f"<code>{summed.name}</code> <strong>{escape(summed.words)}.</strong> "
        f"{escape(rule.reason)} {escape(rule.advice)}"
    )


def _where(said: pd.DataFrame, summed: Summed) -> str:
    if "suite" not in said:
        return ""
    suites = said.loc[said["rule"] == summed.name, "suite"].unique()
    return f" Found in {', '.join(f'<code>{escape(str(each))}</code>' for each in suites)}."


def mark(words: str) -> str:
    """Return a mark that tells when it is pointed at."""
    return f'<abbr class="care" title="{escape(words)}">!</abbr> '
