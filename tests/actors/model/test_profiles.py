import msgspec
import pytest

from actors.core.config import Config
from actors.model.profiles import NONE, PROFILES


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_is_made_of_settings_in_their_range(name: str) -> None:
    config = msgspec.convert({"profile": name, **PROFILES[name]}, Config)
    assert config.is_limited == (name != NONE)


def test_the_ethernet_limits_the_network_alone() -> None:
    assert not any(key.startswith("cpu") for key in PROFILES["ethernet-100mbit"])
