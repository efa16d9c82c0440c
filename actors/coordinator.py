"""The coordinator as an actor."""

from actors.core.config import Config
from actors.core.ids import Address, ReplicaId
from actors.core.registry import PROTOCOLS
from actors.hosted import Hosted


class Coordinator(Hosted):
    """The coordinator of a host, for a protocol that has one."""

    def __init__(self, host: ReplicaId, config: Config, secret: bytes) -> None:
        build = PROTOCOLS[config.protocol].coordinator
        assert build is not None, f"{config.protocol} has no coordinators"
        super().__init__(Address("coordinator", host), build(host, config, ()), config, secret)
