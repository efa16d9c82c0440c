"""Which tests two processes may carry out side by side: `pytest --numprocesses=2`.

A file is one process's work, and all files with tests on Ray are the same one's: they share a local
Ray, count what is left of it, and want a core for what they measure. That is read off a file's
text, since who deals tests out knows no more of a test than its name.
"""

import re
from functools import cache
from pathlib import Path

from xdist.scheduler import LoadScopeScheduling

_ON_RAY = re.compile(r"pytest\.mark\.(ray|testbed)\b")


class FilesApart(LoadScopeScheduling):
    """Deals out files, those with Ray together."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "ray" if _is_on_ray(self.config.rootpath / file) else file


@cache
def _is_on_ray(path: Path) -> bool:
    return _ON_RAY.search(path.read_text(encoding="utf-8")) is not None
