"""Contact data that is corrected after a release: who hears of it, and when not."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.channel import Channel
from services.core.notices import FLAG_DECEASED, FLAG_RETRACTED, FLAG_WITHDRAWN
from services.deduplication.domain import Course, Member, Terms
from tests.unit.deduplication.builders import a_block, a_member, an_id, terms
from tests.unit.deduplication.memory import Tables

PERSON = an_id("person")


class Told:
    """One person who was told by member `a`, as its later versions are heard."""

    def __init__(self) -> None:
        self.tables = Tables()
        self.hears(a_member("a"))

    def hears(self, member: Member, *, since: int | None = None, under: Terms | None = None) -> list[tuple[int, int]]:
        """Take a version of a member; return version and since of the notices that are readdressed by it."""
        block, cohort = a_block([(PERSON, member)])
        if since is not None:
            block = replace(block, contact_since={0: since})
        self.tables.readdressed.clear()
        self.tables.take([(block, cohort)], under or terms())
        return [(one.version, one.since) for one in self.tables.readdressed]


def test_other_contact_data_readdresses_the_notice() -> None:
    """Routing hears of the new version: where its data lies, and over which channels that may be used."""
    told = Told()
    told.hears(a_member("a", version=2, channels=Channel.LETTER | Channel.EMAIL), under=terms(usable=Channel.EMAIL))
    (one,) = told.tables.readdressed

    assert (told.tables.sent[0].ids[0], 2, 2) == (one.notice, one.version, one.since)
    assert (a_member("a", version=2).slot, Channel.EMAIL) == (one.slot, one.channels)


def test_other_facts_alone_readdress_nothing() -> None:
    """Intake says that the contact data is that of the first version."""
    assert [] == Told().hears(a_member("a", version=2, exposed=1, confirmed=0), since=1)


def test_the_version_that_brought_it_may_be_heard_late() -> None:
    """A later version says since when its data stands; what comes after it says nothing more."""
    told = Told()

    assert [(3, 2)] == told.hears(a_member("a", version=3), since=2)
    assert [] == told.hears(a_member("a", version=2))


@pytest.mark.parametrize("flags", [FLAG_DECEASED, FLAG_RETRACTED, FLAG_WITHDRAWN])
def test_whoever_is_to_be_told_no_more_is_not_readdressed(flags: int) -> None:
    """The dead, records that were taken back, and those of somebody else."""
    assert [] == Told().hears(a_member("a", version=2, flags=flags))


def test_whoever_died_by_another_record_is_not_readdressed() -> None:
    """Deceased counts for the whole person."""
    told = Told()
    told.hears(a_member("b", cohort=2, flags=FLAG_DECEASED))

    assert [] == told.hears(a_member("a", version=2))


def test_a_notice_with_the_new_data_is_all_that_is_needed() -> None:
    """News that comes with it goes out as a supplement, to the new address, and says all that was said before."""
    told = Told()
    told.tables.hear({told.tables.sent[0].ids[0]: Course.BEGUN}, terms())

    assert [] == told.hears(a_member("a", version=2, exposed=3))


def test_no_bearer_is_no_address() -> None:
    """Whoever was merged lends the notice no contact data, corrected or not."""
    told = Told()
    told.hears(a_member("b", cohort=2))

    assert [] == told.hears(a_member("b", cohort=2, version=2))


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=8))
def test_each_new_address_is_told_once(steps: list[tuple[bool, bool]]) -> None:
    """Whatever is repeated: the notice is readdressed by each version that has other data than it was released with."""
    told, version, since = Told(), 1, 1
    for moved, repeated in steps:
        version += 1
        since = version if moved else since
        expected = [(version, since)] if since > 1 else []
        assert expected == told.hears(a_member("a", version=version), since=since)
        if repeated:
            assert [] == told.hears(a_member("a", version=version), since=since)
