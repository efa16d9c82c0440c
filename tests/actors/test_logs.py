"""The log of an actor says by whom and in which run."""

import logging
from collections.abc import Iterator

import pytest

from actors import logs
from actors.core.ids import Address


@pytest.fixture(autouse=True)
def _signs_for_this_test_only() -> Iterator[None]:
    before = logging.getLogRecordFactory()
    yield
    logging.setLogRecordFactory(before)


def test_whoever_logs_in_the_process_of_an_actor_signs(caplog: pytest.LogCaptureFixture) -> None:
    logs.sign("0123456789ab", Address("replica", 1))
    for name in ("actors.host", "somebody.else"):
        logging.getLogger(name).warning("%d %s", 3, "frames")
    for record in caplog.records:
        said = record.__dict__
        assert (said["run_id"], said["actor"]) == ("0123456789ab", "replica-1")
        assert record.getMessage() == "3 frames"
    assert [record.name for record in caplog.records] == ["actors.host", "somebody.else"]


def test_what_others_add_to_records_stays(caplog: pytest.LogCaptureFixture) -> None:
    """Ray adds the time in nanoseconds."""
    make = logging.getLogRecordFactory()

    def stamped(*arguments: object, **facts: object) -> logging.LogRecord:
        record = make(*arguments, **facts)
        record.stamp = 7
        return record

    logging.setLogRecordFactory(stamped)
    logs.sign("0123456789ab", Address("fleet", 0))
    logging.getLogger("any").warning("said")
    assert {"stamp": 7, "actor": "fleet-0"}.items() <= caplog.records[0].__dict__.items()
