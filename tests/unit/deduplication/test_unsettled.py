"""What is said of members that are their source's work."""

import pytest

from services.core.channel import Channel
from services.core.notices import FLAG_NOT_AT_ADDRESS, FLAG_RETRACTED
from services.core.unsettled import Unsettled
from services.deduplication.batch import Effects, decide_batch
from tests.unit.deduplication.builders import a_block, a_member, an_id, terms
from tests.unit.deduplication.memory import Tables
from tests.unit.deduplication.said import Said

NOBODY = 0


def said_in(effects: Effects) -> list[tuple[int, int]]:
    """Return version and reason of all that is said, in one partition."""
    return [(version, reason) for said in effects.unsettled.values() for _, version, reason in said]


def test_nothing_is_said_of_people_who_only_wait() -> None:
    """A block of people who are told, or wait for a release, costs not a byte of the topic."""
    block = a_block([(an_id("p"), a_member("a")), (an_id("q"), a_member("b"))])

    assert {} == decide_batch([block], {}, terms(released=())).unsettled
    assert {} == decide_batch([block], {}, terms()).unsettled


@pytest.mark.parametrize(
    ("channels", "flags", "reason"),
    [
        (NOBODY, 0, Unsettled.UNREACHABLE),
        (int(Channel.LETTER), FLAG_NOT_AT_ADDRESS, Unsettled.NOT_AT_ADDRESS),
    ],
)
def test_held_members_are_named_until_they_are_corrected(channels: int, flags: int, reason: Unsettled) -> None:
    """First sight and correction: named with their version, and once more when they are held no longer."""
    tables = Tables()
    held = a_member("a", channels=channels, flags=flags)
    first = tables.take([a_block([(an_id("p"), held)])], terms())
    again = tables.take([a_block([(an_id("p"), held._replace(version=2))])], terms())
    mended = tables.take([a_block([(an_id("p"), a_member("a", version=3))])], terms())

    assert ([(1, reason)], [(2, reason)], [(3, 0)]) == (said_in(first), said_in(again), said_in(mended))


def test_who_left_is_settled_as_of_the_version_before() -> None:
    """So that it cannot hide what the other partition says of the version with which the member came there."""
    here, there = Tables(), Tables()
    here.take([a_block([(an_id("p"), a_member("a", channels=NOBODY))])], terms())
    came = there.take([a_block([(an_id("q"), a_member("a", version=2, channels=NOBODY))])], terms())
    left = here.take([a_block([(an_id("p"), a_member("a", version=2, flags=FLAG_RETRACTED))])], terms())

    assert ([(2, Unsettled.UNREACHABLE)], [(1, 0)]) == (said_in(came), said_in(left))


def test_one_number_with_two_birth_dates_is_two_people_and_work_for_both_sources() -> None:
    """Nobody can tell which date is right: each is told what their own record says, and both records are listed."""
    born, otherwise = Said((70, 3, 5)), Said((70, 5, 3))
    tables = Tables()
    tables.take([a_block([(an_id("p"), a_member("a", said=born))])], terms())
    tables.take([a_block([(an_id("p"), a_member("b", cohort=2, exposed=2, said=otherwise))])], terms())

    assert [1, 2] == [exposed for notices in tables.sent for exposed in notices.exposed]
    assert dict.fromkeys((an_id("a"), an_id("b")), Unsettled.TOLD_APART) == tables.listed()
