"""Profiles: the limits of a host by name, as settings that a suite may also set one by one."""

from types import MappingProxyType

Settings = MappingProxyType[str, float]

NONE = "none"

PROFILES: dict[str, Settings] = {
    NONE: MappingProxyType({}),
    "ethernet-100mbit": MappingProxyType(
        {"egress_mbit_s": 100.0, "ingress_mbit_s": 100.0, "network_delay_ms": 0.1}
    ),
    # One number is fitted: the CPU of a client request, so that JPaxos peaks at 70,000 requests/s
    # with 3 replicas. All others are assumptions: docs/reproduction.md says which.
    "srds12": MappingProxyType(
        {
            "egress_mbit_s": 1000.0,
            "ingress_mbit_s": 1000.0,
            "network_delay_ms": 0.1,
            "cpu_us_per_client_request": 12.7,
            "cpu_us_per_executed_request": 1.4,
            "cpu_us_per_message": 5.0,
            "cpu_ns_per_byte": 1.0,
        }
    ),
}
