"""Prints the versions of what is installed: what a job on the head of a cluster says of itself.

Runs there alone (`experiments.errand`), whatever is installed: Python's own library will do.
A line is `name==version`, as `experiments.parcel` writes it. The last is `END`: that the job has
ended Ray says seconds later.
"""

import re
from importlib import metadata

END = "paxoscope-versions end"


def main() -> None:
    """Print what a program imports that is started here."""
    found: dict[str, str] = {}
    for each in metadata.distributions():
        found.setdefault(re.sub(r"[-_.]+", "-", each.name).lower(), each.version)
    for name, version in found.items():
        print(f"{name}=={version}")
    print(END, flush=True)


if __name__ == "__main__":
    main()
