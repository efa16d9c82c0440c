"""How many seeds a second one process simulates: run by hand.

    python -m tests.benchmarks.simulator [--requests 50] [--seconds 5] [--profile]

A seed builds a system of 5 clients, sends its requests through a lossy network while two leaders
are suspected without cause and a host is cut off, heals, settles and is judged. Prints, for each
protocol and number of replicas, seeds/s of processor time, messages a seed and microseconds a
message, all included. `--profile` prints instead where the time goes.
"""

import argparse
import cProfile
import pstats
import time

from actors.core.config import LoadConfig
from actors.core.registry import PROTOCOLS
from actors.sim.network import Network
from actors.sim.system import System

PATIENCE_S = 60.0
FAULTS_S = 0.1


def simulate(protocol: str, replicas: int, seed: int, requests: int) -> int:
    """Simulate one seed; return how many messages were sent."""
    config = LoadConfig(
        protocol=protocol,
        replicas=replicas,
        clients=5,
        seed=seed,
        heartbeat_interval_ms=20,
        suspect_timeout_ms=60,
        retransmit_timeout_ms=20,
        client_timeout_ms=60,
    )
    network = Network(delay_max_s=0.003, loss=0.05, duplication=0.05)
    system = System(config, network)
    for turn, host in enumerate((seed % replicas, (seed + 1) % replicas)):
        system.world.at(turn * FAULTS_S / 2, lambda host=host: system.suspect(host))
    system.world.at(FAULTS_S / 4, lambda: system.cut(seed // 2 % replicas))
    system.world.at(FAULTS_S, network.heal)
    assert system.run_until(requests, PATIENCE_S), seed
    network.heal()
    assert system.settle(PATIENCE_S), seed
    assert system.verdict() == "ok", seed
    return system.world.sent.total()


def measure(protocol: str, replicas: int, requests: int, seconds: float) -> None:
    """Simulate seeds for so many seconds of processor time and print how many there were."""
    seeds = messages = 0
    began = time.process_time()
    while (elapsed_s := time.process_time() - began) < seconds:
        messages += simulate(protocol, replicas, seeds, requests)
        seeds += 1
    print(
        f"{protocol:10} n = {replicas}: {seeds / elapsed_s:7.1f} seeds/s "
        f"{messages / seeds:7,.0f} messages a seed {elapsed_s / messages * 1e6:5.1f} us a message"
    )


def main() -> None:
    """Measure every protocol with 3, 5 and 7 replicas."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=50, help="answered requests a seed")
    parser.add_argument("--seconds", type=float, default=5.0, help="time for each line")
    parser.add_argument("--profile", action="store_true", help="print the costliest functions")
    arguments = parser.parse_args()
    profile = cProfile.Profile()
    if arguments.profile:
        profile.enable()
    for protocol in PROTOCOLS:
        for replicas in (3, 5, 7):
            measure(protocol, replicas, arguments.requests, arguments.seconds)
    if arguments.profile:
        profile.disable()
        pstats.Stats(profile).sort_stats("tottime").print_stats(40)


if __name__ == "__main__":
    main()
