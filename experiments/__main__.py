"""Makes `python -m experiments` the same as `paxoscope`."""

from experiments.cli import main

main()
