"""Who was told by a record that turned out to be somebody else's: what its people hear, and what is listed."""

import pytest
from hypothesis import given, settings

from services.core.channel import ALL_CHANNELS
from services.core.ledger import UNCORRECTED
from services.core.notices import FLAG_DECEASED, FLAG_RETRACTED
from services.core.policy import Correction
from services.core.unsettled import Unsettled
from services.deduplication.corrections import wants_correction
from services.deduplication.domain import Course, Member, Outcome, Waits
from services.deduplication.dossier import Dossier
from tests.unit.deduplication.builders import a_member, an_id, terms
from tests.unit.deduplication.model import Control
from tests.unit.deduplication.said import Said
from tests.unit.deduplication.test_corrections import ALWAYS, NEVER, PERSON, WHOLLY, Told, says
from tests.unit.deduplication.test_properties import CORRECTED, Event, happen, under

BORN, OTHERWISE = Said((70, 3, 5)), Said((81, 3, 5))


def left(name: str, *, version: int = 2, cohort: int = 1) -> Member:
    """Return what intake says of a member whose identity was corrected, where it was before."""
    return a_member(name, version=version, cohort=cohort, exposed=0, channels=0, flags=FLAG_RETRACTED)


def uncorrected(told: Told) -> int:
    """Return how many records are counted as having told what was not corrected."""
    return sum(count for (_, _, counter), count in told.tables.counts.items() if counter == UNCORRECTED)


def begin(told: Told) -> None:
    """Have all notices begun: it is not asked for them not to."""
    told.tables.hear({claim.notice: Course.BEGUN for claim in told.tables.dossiers[PERSON].claims}, told.terms)


def test_the_others_of_a_retracted_bearers_person_hear_what_does_not_hold() -> None:
    """By their own contact data: the notice names the void one, and what of it is wrong."""
    told = Told()
    told.hears(a_member("a", exposed=3), a_member("b", at=2000, exposed=1))
    first = told.tables.dossiers[PERSON].claims[0].notice

    (notice,) = told.hears(left("a"))

    assert [(2, 1, 3, an_id("b"))] == says([notice])
    assert ([first], [a_member("b").slot]) == (notice.supersedes, notice.slots)
    assert 0 == uncorrected(told)
    assert [] == told.waits(told.terms)


@pytest.mark.parametrize(("correction", "expected"), [(NEVER, (1, 1, 0)), (WHOLLY, (2, 1, 0)), (ALWAYS, (2, 1, 3))])
def test_where_no_correction_is_due_they_are_told_as_if_for_the_first_time(
    correction: Correction, expected: tuple[int, int, int]
) -> None:
    """The policy decides; whoever says all that was told anyway was not told by the void notice either."""
    told = Told(correction)
    told.hears(a_member("a", exposed=3), a_member("b", at=2000, exposed=1))
    begin(told)

    assert [(*expected, an_id("b"))] == says(told.hears(left("a")))
    assert [] == told.waits(told.terms)


@pytest.mark.parametrize(("before", "revision"), [(NEVER, 2), (WHOLLY, 3)])
def test_a_policy_that_comes_to_want_it_corrects_who_was_told_past_the_void_notice(
    before: Correction, revision: int
) -> None:
    """Nobody, or whoever has some of it left, was corrected then: they hear now what of it is wrong, once."""
    told = Told(before)
    told.hears(a_member("a", exposed=3), a_member("b", at=2000, exposed=1))
    first = told.tables.dossiers[PERSON].claims[0].notice
    begin(told)
    told.hears(left("a"))
    (notice,) = told.waits(terms(correction=ALWAYS))

    assert [(revision, 1, 3, an_id("b"))] == says([notice])
    assert [first] == notice.supersedes
    assert ([], 0) == (told.waits(terms(correction=ALWAYS)), uncorrected(told))


def test_what_was_told_since_is_no_news_in_a_late_correction() -> None:
    """Told past the void notice, then more: the correction says what holds of all that was told."""
    told = Told(NEVER)
    told.hears(a_member("a", exposed=3), a_member("b", at=2000, exposed=1))
    begin(told)
    told.hears(left("a"))
    told.hears(a_member("b", version=2, exposed=5))

    assert [(3, 5, 7, an_id("b"))] == says(told.waits(terms(correction=ALWAYS)))
    assert [] == told.waits(terms(correction=ALWAYS))
    assert [(4, 7, 5, an_id("b"))] == says(told.hears(a_member("b", version=3, exposed=7)))


def test_who_says_all_of_it_since_needs_no_late_correction() -> None:
    """What was told in error came to be true of them."""
    told = Told(NEVER)
    told.hears(a_member("a", exposed=3), a_member("b", at=2000, exposed=1))
    begin(told)
    told.hears(left("a"))
    told.hears(a_member("b", version=2, exposed=3))

    assert ([], 0) == (told.waits(terms(correction=ALWAYS)), uncorrected(told))


def test_who_waited_while_nobody_was_to_be_corrected_is_corrected_once_told() -> None:
    """The release comes after the policy: their first notice is the correction of what they read."""
    told = Told(NEVER)
    told.hears(a_member("a", exposed=3))
    closed = terms(correction=NEVER, released={1})
    told.hears(a_member("b", cohort=2, exposed=1), under=closed)
    begin(told)
    told.hears(left("a"), under=closed)
    told.waits(closed)

    assert [(2, 1, 3, an_id("b"))] == says(told.waits(terms(correction=ALWAYS)))
    assert 0 == uncorrected(told)


def test_who_was_told_past_a_void_notice_and_cannot_be_reached_is_counted() -> None:
    """Until a correction can go out, the record that told them is listed."""
    told = Told(NEVER)
    told.hears(a_member("a", exposed=3), a_member("b", at=2000, exposed=1))
    begin(told)
    told.hears(left("a"))
    nowhere = terms(correction=ALWAYS, usable=0)

    assert ([], 1, {an_id("a"): Unsettled.UNCORRECTED}) == (
        told.waits(nowhere), uncorrected(told), told.tables.listed(),
    )  # fmt: skip
    assert [(2, 1, 3, an_id("b"))] == says(told.waits(terms(correction=ALWAYS)))
    assert (0, {}) == (uncorrected(told), told.tables.listed())


def test_a_notice_that_was_stopped_needs_no_correction() -> None:
    """Nobody read it: the others are told as if for the first time."""
    told = Told()
    told.hears(a_member("a", exposed=3), a_member("b", at=2000, exposed=1))

    assert [(1, 1, 0, an_id("b"))] == says(told.hears(left("a"), stopped=True))
    assert 0 == uncorrected(told)


def test_whoever_was_told_before_hears_what_the_void_notice_added_wrongly() -> None:
    """The supplement was somebody else's; the bearer of the first notice is corrected."""
    told = Told()
    told.hears(a_member("b", exposed=1))
    told.hears(a_member("a", at=2000, exposed=2))

    assert [(3, 1, 3, an_id("b"))] == says(told.hears(left("a")))
    assert [] == told.waits(told.terms)


def test_where_nobody_is_left_it_is_counted_and_listed() -> None:
    """The address of the record is not written to: whose it is says its other identity."""
    told = Told()
    told.hears(a_member("a", exposed=3))

    assert [] == told.hears(left("a"))
    assert (1, {an_id("a"): Unsettled.UNCORRECTED}) == (uncorrected(told), told.tables.listed())


def test_who_cannot_be_told_yet_is_held_and_corrected_once_released() -> None:
    """Until then it is counted and listed, and then no more."""
    told = Told()
    told.hears(a_member("a", exposed=3))
    closed = terms(correction=ALWAYS, released={1})
    told.hears(a_member("b", cohort=2, exposed=1), under=closed)

    assert [] == told.hears(left("a"), under=closed)
    standing = told.tables.dossiers[PERSON].standings[an_id("b")]
    assert (Outcome.HELD_UNRELEASED, Waits.RELEASE) == (standing.outcome, standing.waits)
    assert (1, {an_id("a"): Unsettled.UNCORRECTED}) == (uncorrected(told), told.tables.listed())
    assert [(2, 1, 3, an_id("b"))] == says(told.waits(told.terms))
    assert (0, {}) == (uncorrected(told), told.tables.listed())


def test_who_cannot_be_written_to_is_held_for_that() -> None:
    """The reason is the member's own, as for any news."""
    told = Told()
    told.hears(a_member("a", exposed=3), a_member("b", at=2000, exposed=1, channels=0))
    told.hears(left("a"))

    assert Outcome.HELD_UNREACHABLE == told.tables.dossiers[PERSON].standings[an_id("b")].outcome
    assert [(2, 1, 3, an_id("b"))] == says(told.hears(a_member("b", version=2, exposed=1)))


def test_people_who_contradict_the_retracted_bearers_person_are_not_corrected() -> None:
    """Only who was of its person when it was told; the other one of the pseudonym was never told of it."""
    told = Told()
    told.hears(a_member("a", exposed=3, said=BORN), a_member("b", at=2000, exposed=1, said=BORN))
    told.hears(a_member("c", cohort=2, exposed=4, said=OTHERWISE))

    assert [(2, 1, 3, an_id("b"))] == says(told.hears(left("a")))


def test_whoever_comes_back_is_told_what_it_says() -> None:
    """The record was theirs after all: what was called wrong is news again."""
    told = Told()
    told.hears(a_member("a", exposed=3), a_member("b", at=2000, exposed=1))
    told.hears(left("a"))

    assert [(3, 3, 1, an_id("a"))] == says(told.hears(a_member("a", version=3, exposed=3)))


def test_nobody_who_died_is_corrected_for_a_retracted_bearer() -> None:
    """Their people get no letter about it, and nobody has to look at it."""
    told = Told()
    told.hears(a_member("a", exposed=3), a_member("b", at=2000, exposed=1))
    told.hears(a_member("b", version=2, exposed=1, flags=FLAG_DECEASED))

    assert ([], 0) == (told.hears(left("a")), uncorrected(told))


@settings(max_examples=200, deadline=None)
@given(CORRECTED)
def test_whatever_was_told_in_error_is_corrected_or_listed(events: list[Event]) -> None:
    """Nobody's is forgotten: of each group whose last notice was somebody else's, its bearer is marked for that.

    Unless nobody is to be corrected: what its people say is all that was said, or one of them died. No notice goes to
    the contact data of a record that left.
    """
    dossier = Dossier.unknown(an_id("p"), 0)
    control = Control(ALL_CHANNELS, frozenset({1, 2}))
    for event in events:
        control = event if isinstance(event, Control) else control
        decision = happen(dossier, event, control)
        dossier = decision.dossier

        assert not any(one.bearer.flags & FLAG_RETRACTED for one in decision.released)
        last = {c.group: c for c in dossier.claims if c.course != Course.STOPPED}
        for claim in last.values():
            bearer = dossier.members[claim.bearer]
            mates = [m for m in dossier.members.values() if dossier.standings[m.member].told_with == claim.group]
            heirs = [c for c in dossier.claims if c.supersedes == claim.notice and c.group != claim.group]
            if claim.void and claim.course == Course.BEGUN and bearer.flags & FLAG_RETRACTED and not (mates or heirs):
                due = wants_correction(under(control).correction, claim, 0, 0)
                assert due == (dossier.standings[claim.bearer].outcome == Outcome.UNCORRECTED)
