"""One figure a module: `draw` is a pure function from DataFrames to a Plotly figure.

Most take `points`, as `experiments.summarise.summary` makes them of the runs:

    from pathlib import Path
    from dashboards import figures
    from experiments import results, summarise

    runs = results.runs(Path("results/demo"))
    figures.throughput.draw(summarise.summary(runs)).show()

`dir(figures)` names them all, and `help(figures.throughput.draw)` says what one plots.
"""

import importlib
import pkgutil
from types import ModuleType

NAMES = tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))
"""All figures: they are found by being there."""


def __getattr__(name: str) -> ModuleType:
    """Import a figure when it is asked for; raises AttributeError where there is none."""
    if name not in NAMES:
        raise AttributeError(f"no figure {name!r}; there are {', '.join(NAMES)}")
    return importlib.import_module(f"{__name__}.{name}")


def __dir__() -> list[str]:
    return list(NAMES)
