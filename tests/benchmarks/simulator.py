"""How many seeds a second one process simulates and judges: run by hand.

    python -m tests.benchmarks.simulator [--requests 50] [--faults all] [--seconds 5] [--profile]

Prints, for each protocol and number of replicas, seeds/s of processor time and milliseconds a seed:
building the system, faults, healing and checks are all in it. `--profile` then prints where the
time went.
"""

import argparse
import cProfile
import pstats
import time

from actors.core.registry import PROTOCOLS
from actors.sim.mix import MIXES, REQUESTS, Case, run


def measure(protocol: str, replicas: int, mix: str, requests: int, seconds: float) -> None:
    """Run cases for so many seconds of processor time and print how many there were."""
    cases = failures = 0
    began = time.process_time()
    while (elapsed_s := time.process_time() - began) < seconds:
        failures += bool(run(Case(cases, protocol, replicas, mix, requests)).problems)
        cases += 1
    print(
        f"{protocol:10} n = {replicas}: {cases / elapsed_s:7.1f} seeds/s "
        f"{elapsed_s / cases * 1e3:6.1f} ms a seed, {failures} of {cases} failed"
    )


def main() -> None:
    """Measure every protocol with 3, 5 and 7 replicas."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=REQUESTS, help="answered requests a seed")
    parser.add_argument("--faults", choices=MIXES, default="all", help="what goes wrong")
    parser.add_argument("--seconds", type=float, default=5.0, help="time for each line")
    parser.add_argument("--profile", action="store_true", help="print the costliest functions")
    arguments = parser.parse_args()
    profile = cProfile.Profile()
    if arguments.profile:
        profile.enable()
    for protocol in PROTOCOLS:
        for replicas in (3, 5, 7):
            measure(protocol, replicas, arguments.faults, arguments.requests, arguments.seconds)
    if arguments.profile:
        profile.disable()
        pstats.Stats(profile).sort_stats("tottime").print_stats(40)


if __name__ == "__main__":
    main()
