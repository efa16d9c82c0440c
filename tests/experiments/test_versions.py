"""What a head says of what is installed there."""

import pytest

from experiments import parcel, versions


def test_what_is_installed_is_told_as_it_is_pinned(capsys: pytest.CaptureFixture[str]) -> None:
    versions.main()
    *told, end = capsys.readouterr().out.splitlines()
    assert {*parcel.pins()} <= {*told}
    assert end == versions.END
