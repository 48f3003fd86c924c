"""Which channels were closed by which version: what a table of incidents tells, in any order."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from services.core.channel import CHANNELS, Channel
from services.core.closures import Closure, closures_of
from services.core.incident import VersionRules
from services.core.policy import Policy

PORTAL, EMAIL, LETTER = Channel.PORTAL, Channel.EMAIL, Channel.LETTER
_VERSIONS = st.lists(st.sets(st.sampled_from(CHANNELS)).map(lambda found: tuple(sorted(found))), min_size=1, max_size=6)


def _entries(incident_id: str, versions: Sequence[tuple[Channel, ...]]) -> list[tuple[tuple[str, ...], object]]:
    rules = [VersionRules(channels, Policy(), (), tied=False) for channels in versions]
    return [(("rules", incident_id, str(at)), one) for at, one in enumerate(rules, start=1)]


def test_each_version_that_allows_a_channel_no_more_closes_it() -> None:
    """Also one that is opened and closed again, in versions of two digits; another incident's versions are its own."""
    versions = [(PORTAL, EMAIL), (PORTAL,), (PORTAL, EMAIL), *[(PORTAL, EMAIL)] * 6, (LETTER,)]
    entries = [*_entries("lab", versions), *_entries("clinic", [(PORTAL,)]), (("incident", "lab"), None)]

    expected = [("lab", EMAIL, 2), ("lab", PORTAL, 10), ("lab", EMAIL, 10)]
    assert [Closure(*one) for one in expected] == closures_of(entries)
    assert ".email.2" == closures_of(entries)[0].pause_id


@given(versions=_VERSIONS, data=st.data())
def test_what_was_open_and_is_not_was_closed_last(versions: Sequence[tuple[Channel, ...]], data: st.DataObject) -> None:
    """By the versions alone, in whatever order they are known."""
    entries = data.draw(st.permutations(_entries("lab", versions)))
    latest: dict[Channel, int] = {one.channel: one.version for one in closures_of(entries)}

    for channel in {*CHANNELS}.difference(versions[-1]):
        allowed = [at for at, channels in enumerate(versions, start=1) if channel in channels]
        assert (allowed[-1] + 1 if allowed else None) == latest.get(channel)
