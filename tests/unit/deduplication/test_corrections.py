"""Who was told what does not hold any more: when they hear of it, by whose contact data, and what is news after it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.core.channel import Channel
from services.core.notices import FLAG_DECEASED, FLAG_WITHDRAWN, Notices
from services.core.policy import Correction
from services.deduplication.domain import Course, Member, Outcome, Terms
from tests.unit.deduplication.builders import a_block, a_member, an_id, terms
from tests.unit.deduplication.memory import Tables

PERSON = an_id("person")
NEVER, WHOLLY, ALWAYS = Correction.NONE, Correction.WHEN_WHOLLY_WITHDRAWN, Correction.ALWAYS


def withdrawn(name: str, *, version: int = 2, cohort: int = 1) -> Member:
    """Return a member's withdrawal, as intake writes it."""
    return a_member(name, version=version, cohort=cohort, exposed=0, channels=0, flags=FLAG_WITHDRAWN)


class Told:
    """One person, whose records come and go under a policy."""

    def __init__(self, correction: Correction = ALWAYS) -> None:
        self.tables = Tables()
        self.terms = terms(correction=correction)

    def hears(self, *members: Member, under: Terms | None = None, stopped: bool = False) -> list[Notices]:
        """Take members of one cohort in a block; return the notices that go out.

        What is called back had begun, or is stopped.
        """
        self.tables.sent.clear()
        self.tables.take([a_block([(PERSON, member) for member in members])], under or self.terms)
        return self._answered(under or self.terms, stopped=stopped)

    def waits(self, under: Terms) -> list[Notices]:
        """Be decided again."""
        self.tables.sent.clear()
        self.tables.look_again(under)
        return self._answered(under, stopped=False)

    def _answered(self, under: Terms, *, stopped: bool) -> list[Notices]:
        while asked := dict.fromkeys(
            (notice for notice, _ in self.tables.recalled), Course.STOPPED if stopped else Course.BEGUN
        ):
            assert [] == self.tables.sent  # until the answer nothing goes out
            self.tables.recalled.clear()
            self.tables.hear(asked, under)
        return list(self.tables.sent)


def says(notices: list[Notices]) -> list[tuple[int, int, int, bytes]]:
    """Return of each notice revision, what it says, what the one before said, and the bearer."""
    return [(n.revisions[0], n.exposed[0], n.told_exposed[0], n.members[0]) for n in notices]


def test_whoever_is_not_affected_hears_so_by_the_record_that_told_them() -> None:
    """Nobody is left: the correction goes to the contact data that the withdrawn record had last."""
    told = Told()
    told.hears(a_member("a", exposed=3))
    told.hears(a_member("a", exposed=3, version=2, channels=Channel.EMAIL))
    first = told.tables.dossiers[PERSON].claims[0].notice

    (notice,) = told.hears(withdrawn("a", version=3))

    assert [(2, 0, 3, an_id("a"))] == says([notice])
    data = a_member("a", version=2)
    assert (first, [2], [data.slot], [Channel.EMAIL]) == (
        notice.supersedes[0], notice.versions, notice.slots, notice.channels,
    )  # fmt: skip
    assert [first] == told.tables.superseded
    assert {"released": 1} == {name: count for (_, _, name), count in told.tables.counts.items() if count}


@pytest.mark.parametrize(
    ("correction", "wholly", "partly", "less_sure"),
    [(NEVER, 0, 0, 0), (WHOLLY, 1, 0, 0), (ALWAYS, 1, 1, 1)],
)
def test_the_policy_decides_what_is_corrected(correction: Correction, wholly: int, partly: int, less_sure: int) -> None:
    """Never; where nothing is left; or also where some is left, or is less certain."""
    after = []
    less, less_certain = (a_member("a", version=2, exposed=bits, confirmed=1) for bits in (1, 3))
    for member in (withdrawn("a"), less, less_certain):
        told = Told(correction)
        told.hears(a_member("a", exposed=3))
        after.append(len(told.hears(member)))

    assert [wholly, partly, less_sure] == after


def test_another_member_that_says_it_all_leaves_nothing_to_correct() -> None:
    """What the person was told holds, whoever says it now."""
    told = Told()
    told.hears(a_member("a"), a_member("b", at=2000))

    assert [] == told.hears(withdrawn("a"))


def test_a_correction_goes_to_a_live_member_before_a_withdrawn_one() -> None:
    """The bearer is gone: another record of the person, of a released cohort, lends its contact data."""
    told = Told()
    told.hears(a_member("a", exposed=3))
    told.hears(a_member("b", cohort=2, exposed=1))

    assert [(2, 1, 3, an_id("b"))] == says(told.hears(withdrawn("a")))


def test_facts_that_hold_are_not_told_to_a_withdrawn_records_address() -> None:
    """The record that is left is not released: the correction waits until something more is heard."""
    told = Told()
    told.hears(a_member("a", exposed=3))
    told.hears(a_member("b", cohort=2, exposed=1))
    closed = terms(correction=ALWAYS, released={1})

    assert [] == told.hears(withdrawn("a"), under=closed)
    assert [(2, 1, 3, an_id("b"))] == says(told.waits(terms(correction=ALWAYS)))


def test_news_that_waits_is_not_told_by_a_correction() -> None:
    """A correction says of what was told what holds; what else there is waits for its release."""
    told = Told()
    told.hears(a_member("a", exposed=3))
    closed = terms(correction=ALWAYS, released={1})
    told.hears(a_member("b", cohort=2, exposed=5), under=closed)

    (notice,) = told.hears(a_member("a", version=2, exposed=1), under=closed)

    assert [(2, 1, 3, an_id("a"))] == says([notice])
    assert Outcome.HELD_UNRELEASED == told.tables.dossiers[PERSON].standings[an_id("b")].outcome


def test_news_and_what_is_wrong_go_in_one_notice() -> None:
    """It names what is new, and has what does not hold any more."""
    told = Told()
    told.hears(a_member("a", exposed=3))

    assert [(2, 5, 3, an_id("a"))] == says(told.hears(a_member("a", version=2, exposed=5)))


def test_without_a_correction_a_supplement_names_what_still_holds() -> None:
    """The notice before is not called wrong where the policy does not want it."""
    told = Told(NEVER)
    told.hears(a_member("a", exposed=3))

    assert [(2, 5, 1, an_id("a"))] == says(told.hears(a_member("a", version=2, exposed=5)))


def test_facts_that_come_back_are_news_again() -> None:
    """Told, corrected, told again; a further record of another source that says the same is merged."""
    told = Told()
    told.hears(a_member("a"))
    told.hears(withdrawn("a"))

    assert [(3, 1, 0, an_id("b"))] == says(told.hears(a_member("b", cohort=2)))
    assert [] == told.hears(a_member("c", cohort=3))


def test_facts_that_come_back_and_wait_are_held() -> None:
    """Nobody is merged into what was corrected."""
    told = Told()
    told.hears(a_member("a"))
    told.hears(withdrawn("a"))
    told.hears(a_member("b", cohort=2), under=terms(correction=ALWAYS, released={1}))

    assert Outcome.HELD_UNRELEASED == told.tables.dossiers[PERSON].standings[an_id("b")].outcome


def test_a_cancelled_cohort_is_corrected_once() -> None:
    """When its people are looked at again; a second look gives nothing."""
    told = Told()
    told.hears(a_member("a"))
    cancelled = terms(correction=WHOLLY, cancelled={1})

    assert [(2, 0, 1, an_id("a"))] == says(told.waits(cancelled))
    assert [] == told.waits(cancelled)
    assert Outcome.TAKEN_BACK == told.tables.dossiers[PERSON].standings[an_id("a")].outcome


def test_what_was_stopped_in_time_needs_no_correction() -> None:
    """Nobody was told: the record counts as withdrawn."""
    told = Told()
    told.hears(a_member("a"))

    assert [] == told.hears(withdrawn("a"), stopped=True)
    assert Outcome.WITHDRAWN == told.tables.dossiers[PERSON].standings[an_id("a")].outcome


def test_nobody_who_died_is_corrected() -> None:
    """A letter about it would reach the next of kin."""
    told = Told()
    told.hears(a_member("a", exposed=3))

    assert [] == told.hears(a_member("a", version=2, exposed=1, flags=FLAG_DECEASED))


def test_a_withdrawal_of_a_version_that_was_not_heard_of_has_no_address() -> None:
    """Where the data of the version before lies is not known here: an older one is not written to."""
    told = Told()
    told.hears(a_member("a"))

    assert [] == told.hears(withdrawn("a", version=3))


STEPS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 7), st.integers(0, 7)), max_size=10)


@settings(max_examples=150, deadline=None)
@given(STEPS, st.sampled_from(Correction))
def test_what_people_believe_follows_what_is_said(steps: list[tuple[str, int, int]], correction: Correction) -> None:
    """Facts told, withdrawn and told again: after each step the person believes what the plain rule says.

    The rule: believed is what was told in all. News adds to it. Where the policy wants a correction, it is what holds.
    """
    told = Told(correction)
    said: dict[str, tuple[int, int]] = {}
    believed: tuple[int, int] | None = None
    versions = dict.fromkeys("abc", 0)
    for name, exposed, confirmed in steps:
        if not exposed and name not in said:
            continue  # intake tells of no second withdrawal
        version = versions[name] = versions[name] + 1
        sure = exposed & confirmed
        gone = withdrawn(name, version=version)
        member = a_member(name, version=version, exposed=exposed, confirmed=sure) if exposed else gone
        said.pop(name, None)
        if exposed:
            said[name] = exposed, sure
        now = [0, 0]
        for facts in said.values():
            now = [now[0] | facts[0], now[1] | facts[1]]
        notices = told.hears(member)
        before = believed or (0, 0)
        news = now[0] & ~before[0] or now[1] & ~before[1]
        lost = {
            NEVER: False,
            WHOLLY: bool(before[0] and not before[0] & now[0]),
            ALWAYS: bool(before[0] & ~now[0] or before[1] & ~now[1]),
        }[correction]
        if lost:
            believed = now[0], now[1]
        elif news:
            believed = before[0] | now[0], before[1] | now[1]
        assert (believed != before and believed is not None) == bool(notices)
        for notice in notices:
            assert (now[0], now[1]) == (notice.exposed[0], notice.confirmed[0])
            wrong = before[0] & ~now[0] if lost else 0
            assert wrong == notice.told_exposed[0] & ~notice.exposed[0]
