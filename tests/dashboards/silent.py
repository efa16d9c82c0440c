"""An observer of a sweep that shows nothing."""

from experiments.results import Row
from experiments.sweep import Run


class Silent:
    """Nothing is shown."""

    def started(self, run: Run) -> None: ...

    def finished(self, run: Run, row: Row) -> None: ...
