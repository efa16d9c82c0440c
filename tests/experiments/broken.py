"""A service of one's own that breaks the one rule there is: its `execute` raises."""

from actors.core.columns import Cells
from actors.services.null import NullService, NullWorkload
from actors.services.registry import ServiceKind


class BrokenService(NullService):
    def execute(self, commands: Cells) -> Cells:
        raise ZeroDivisionError(f"{commands.count} / 0")


SERVICE = ServiceKind(
    name="broken", description="raises", service=BrokenService, workload=NullWorkload
)
