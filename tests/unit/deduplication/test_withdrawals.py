"""Members and cohorts that are taken back: what becomes of them, and of the others of their person."""

from services.core.notices import FLAG_DECEASED, FLAG_WITHDRAWN
from services.deduplication.domain import Course, Member, Outcome, Waits
from tests.unit.deduplication.builders import a_member, an_id, terms
from tests.unit.deduplication.said import Said
from tests.unit.deduplication.test_domain import EVERYBODY, NOBODY, Life, released_by


def taken_back(name: str, *, version: int = 2, cohort: int = 1) -> Member:
    """Return the version of a member that withdraws it, as intake writes it."""
    return a_member(name, version=version, cohort=cohort, exposed=0, channels=0, flags=FLAG_WITHDRAWN)


def test_whoever_was_withdrawn_in_time_is_not_told() -> None:
    """A member that was taken back before its release counts as withdrawn, and a release passes it by."""
    life = Life()
    life.hears(a_member("a"), under=NOBODY)
    life.hears(taken_back("a"), under=NOBODY)

    assert [] == released_by(life.waits(EVERYBODY))
    assert ({"a": Outcome.WITHDRAWN}, {Waits.NOTHING}) == (life.outcomes, life.waiting)


def test_a_withdrawal_that_comes_before_its_member_holds() -> None:
    """It is a later version: what it takes back does not come to life when it is heard of afterwards."""
    life = Life()
    life.hears(taken_back("a"))

    assert [] == released_by(life.hears(a_member("a")))
    assert {"a": Outcome.WITHDRAWN} == life.outcomes


def test_a_withdrawn_member_brings_no_facts_and_lends_no_address() -> None:
    """Its person is decided again from the others: the oldest of them that can be written to bears the notice."""
    life = Life()
    life.hears(a_member("a", exposed=3), under=NOBODY)
    life.hears(a_member("b", at=2, exposed=1, channels=0), under=NOBODY)
    life.hears(a_member("c", at=3000, exposed=1), under=NOBODY)
    life.hears(taken_back("a"), under=NOBODY)

    assert [(1, an_id("c"), 1)] == released_by(life.waits(EVERYBODY))
    assert {"a": Outcome.WITHDRAWN, "b": Outcome.MERGED, "c": Outcome.RELEASED} == life.outcomes


def test_members_merged_into_a_withdrawn_one_are_freed() -> None:
    """One of those that waited behind it is held in its place, for what it waits for itself."""
    life = Life()
    life.hears(a_member("a"), under=NOBODY)
    life.hears(a_member("b", cohort=2, at=2000, channels=0), under=NOBODY)
    before = dict(life.outcomes)
    life.hears(taken_back("a"), under=NOBODY)

    assert {"a": Outcome.HELD_UNRELEASED, "b": Outcome.MERGED} == before
    assert {"a": Outcome.WITHDRAWN, "b": Outcome.HELD_UNREACHABLE} == life.outcomes


def test_withdrawn_after_being_told_stays_told() -> None:
    """Nobody is told again what was said by a record that was taken back since; news is told to the same person."""
    life = Life()
    life.hears(a_member("a"))
    life.hears_of_all(Course.BEGUN)
    life.hears(taken_back("a"))

    assert [] == released_by(life.hears(a_member("b", cohort=2)))
    assert [(2, an_id("c"), 3)] == released_by(life.hears(a_member("c", cohort=3, exposed=2, at=2000)))
    assert {"a": Outcome.TAKEN_BACK, "b": Outcome.MERGED, "c": Outcome.RELEASED} == life.outcomes


def test_a_later_record_brings_the_person_back() -> None:
    """It is the member's next version; what was told already is not told again."""
    life = Life()
    life.hears(a_member("a"), under=NOBODY)
    life.hears(taken_back("a"), under=NOBODY)
    life.hears(a_member("a", version=3), under=NOBODY)

    assert [(1, an_id("a"), 1)] == released_by(life.waits(EVERYBODY))
    life.hears(taken_back("a", version=4))
    assert [] == released_by(life.hears(a_member("a", version=5)))


def test_whoever_died_by_a_withdrawn_record_lives() -> None:
    """What was taken back keeps nobody's notice back either."""
    life = Life()
    life.hears(a_member("a"), a_member("b", flags=FLAG_DECEASED))

    assert [(1, an_id("a"), 1)] == released_by(life.hears(taken_back("b")))
    assert {"a": Outcome.RELEASED, "b": Outcome.WITHDRAWN} == life.outcomes


def test_a_torn_member_is_whole_once_the_others_are_withdrawn() -> None:
    """Who contradicted each other do no more, once one of them was taken back: one person, and no conflict."""
    life = Life()
    one, other = Said((70, 3, 5), frozenset({"vri"})), Said((81, 3, 5), frozenset({"ber"}))
    life.hears(a_member("a", said=one), a_member("b", said=other), a_member("t", at=2000, exposed=2), under=NOBODY)
    before = {name for name, outcome in life.outcomes.items() if outcome == Outcome.HELD_IDENTITY_CONFLICT}
    life.hears(taken_back("b"), under=NOBODY)

    assert ({"t"}, False) == (before, any(s.conflict for s in life.dossier.standings.values()))
    assert [(1, an_id("a"), 3)] == released_by(life.waits(EVERYBODY))


def test_who_was_told_by_a_withdrawn_record_contradicts_nobody() -> None:
    """The told stays a person of its own, but holds nobody back: nothing but a notice says that somebody is there."""
    life, hold = Life(), terms(hold=True)
    life.hears(a_member("a", said=Said((70, 3, 5))), under=hold)
    life.hears(a_member("b", cohort=2, said=Said((81, 3, 5))), under=hold)
    before = dict(life.outcomes)
    decision = life.hears(taken_back("a"), under=hold)

    assert Outcome.HELD_IDENTITY_CONFLICT == before["b"]
    assert [(1, an_id("b"), 1)] == released_by(decision)
    assert not any(s.conflict for s in life.dossier.standings.values())


def test_a_cancelled_cohort_tells_nobody_any_more() -> None:
    """All its members count as withdrawn, those that come later too; who was told by it stays told."""
    life, cancelled = Life(), terms(cancelled={1})
    life.hears(a_member("a"))
    life.hears(a_member("b", exposed=2), under=terms(released={2}))
    life.hears(a_member("c", at=2000), under=cancelled)

    assert {"a": Outcome.TAKEN_BACK, "b": Outcome.WITHDRAWN, "c": Outcome.WITHDRAWN} == life.outcomes
    assert {Waits.NOTHING} == life.waiting


def test_who_is_in_another_cohort_is_told_by_that_one() -> None:
    """The person of a cancelled cohort hears the news from the others alone, by their address."""
    life = Life()
    life.hears(a_member("a", exposed=3), under=NOBODY)
    life.hears(a_member("b", cohort=2, at=2000), under=NOBODY)

    assert [(1, an_id("b"), 1)] == released_by(life.waits(terms(released={1, 2}, cancelled={1})))
    assert {"a": Outcome.WITHDRAWN, "b": Outcome.RELEASED} == life.outcomes
