import pytest

from dashboards.settings import differing, facts, named
from experiments.spec import RunConfig, Suite


def point(**base: object) -> dict[str, object]:
    """Return the settings of a point, by name."""
    config = next(Suite(name="x", base=base).points())
    return {key: getattr(config, key) for key in RunConfig.__struct_fields__}


@pytest.mark.parametrize("profile", ["none", "ethernet-100mbit"])
def test_the_limits_of_a_profile_are_not_told_one_by_one(profile: str) -> None:
    told = {"window": "3"} if profile == "none" else {"profile": profile, "window": "3"}
    assert differing(point(profile=profile, window=3)) == told


def test_what_is_usual_for_no_version_is_told_as_it_is() -> None:
    assert differing({**point(window=3), "profile": "gone"}) == {"profile": "gone", "window": "3"}


def test_facts_tell_two_settings_a_line() -> None:
    said = facts(point(profile="ethernet-100mbit", request_bytes=64, window=3))
    assert len(said) == 2
    assert "window: 3" in "; ".join(f"{key}: {value}" for key, value in said.items())


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("replicas", 3, "n = 3"),
        ("arrival_rate_rps", 0.0, "closed loop"),
        ("arrival_rate_rps", 20_000.0, "20.0 k requests/s offered"),
        ("request_bytes", 20, "request size = 20 bytes"),
        ("duration_s", 3.0, "duration_s = 3"),
        ("protocol", "spaxos", "protocol = S-Paxos"),
        ("case", "", "none"),
        ("service", "<b>", "service = &lt;b&gt;"),
    ],
)
def test_a_setting_is_named_as_readers_know_it(key: str, value: object, words: str) -> None:
    assert named(key, value) == words
