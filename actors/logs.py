"""What is said in the logs of an actor: by whom, and in which run.

Ray writes them as JSON, a line a record, if the driver asks for that (`experiments.connection`).
"""

import logging
from typing import Any

from actors.core.ids import Address


def sign(run_id: str, me: Address) -> None:
    """Have all that this process logs from now on say that `me` of this run has said it."""
    make = logging.getLogRecordFactory()

    def signed(*arguments: Any, **facts: Any) -> logging.LogRecord:
        record = make(*arguments, **facts)
        record.run_id, record.actor = run_id, str(me)
        return record

    logging.setLogRecordFactory(signed)
