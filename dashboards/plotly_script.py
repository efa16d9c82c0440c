"""Plotly's script for browsers, ready sooner: it takes up only what figures here are drawn with.

Half of the time in which a page of ours shows its first figure would go to kinds of traces that it
never draws (maps, three dimensions), and to parsing all of them twice. Both are settled in a few
characters of Plotly's text; text of a version that has them elsewhere is left as it is.
"""

import re
from functools import cache

from plotly.offline import get_plotlyjs

TRACES = frozenset({"bar", "heatmap"})
"""What figures are drawn with beside scatter, which Plotly's core has."""

_FACTORY = ('this, () => {\n"use strict";', 'this, (() => {\n"use strict";')
_FACTORY_ENDS = ("return Plotly;\n}));", "return Plotly;\n})));")
"""A function in brackets is compiled off the page's own thread; others, on it, when called."""

_TAKEN_UP = re.compile(r"\.register\(\[((?:[\w$]+\(\),?){20,})\]\)")
_EXPORTS = re.compile(r"[^{]*\{\"use strict\";[\w$]+\.exports=([\w$]+)\(\)")
_NAME = re.compile(r"\bname[:=]\"(\w+)\"")


@cache
def text() -> str:
    """Return the script; `window.Plotly` is there once it has run."""
    return lean(get_plotlyjs())


def lean(script: str) -> str:
    """Return Plotly's script without the traces that no figure here has."""
    found = _TAKEN_UP.search(script)
    if found is None or any(script.count(old) != 1 for old, _ in (_FACTORY, _FACTORY_ENDS)):
        return script
    kept = [entry for entry in found[1].split(",") if _trace(script, entry) in TRACES]
    if len(kept) != len(TRACES):
        return script
    script = script[: found.start(1)] + ",".join(kept) + script[found.end(1) :]
    return script.replace(*_FACTORY).replace(*_FACTORY_ENDS)


def _trace(script: str, entry: str) -> str | None:
    """Return the kind of trace of an entry of the list, a call of the module that passes it on."""
    passed_on = _EXPORTS.match(script, _module(script, entry.removesuffix("()")))
    if passed_on is None:
        return None
    start = _module(script, passed_on[1])
    named = _NAME.search(script, start, script.find("});var ", start))
    return named and named[1]


def _module(script: str, name: str) -> int:
    """Return where a module begins."""
    return script.find(f"var {name}=")
