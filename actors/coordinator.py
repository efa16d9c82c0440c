"""The coordinator as an actor."""

from actors.core.config import Config
from actors.core.ids import Address, ReplicaId
from actors.core.registry import PROTOCOLS
from actors.hosted import Hosted, restored


class Coordinator(Hosted):
    """The coordinator of a host, for a protocol that has one; it stores in `folder`, if in any."""

    def __init__(
        self,
        host: ReplicaId,
        config: Config,
        secret: bytes,
        folder: str | None = None,
        *,
        run_id: str = "",
    ) -> None:
        build = PROTOCOLS[config.protocol].coordinator
        assert build is not None, f"{config.protocol} has no coordinators"
        node, journal = restored(folder, lambda records: build(host, config, records))
        me = Address("coordinator", host)
        super().__init__(me, node, config, secret, journal, run_id=run_id)
