"""Notices that are called back: which ones, what is told meanwhile, and what becomes of their people afterwards."""

import pytest

from services.core.channel import Channel
from services.core.notices import FLAG_DECEASED, FLAG_RETRACTED
from services.deduplication.domain import Course, Member, Outcome
from tests.unit.deduplication.builders import IDS, a_member, an_id, terms
from tests.unit.deduplication.test_domain import EVERYBODY, PERSON, Life, released_by
from tests.unit.deduplication.test_withdrawals import taken_back

FIRST = IDS.of(PERSON, 1)


@pytest.mark.parametrize(
    "arrives",
    [
        taken_back("a"),
        a_member("a", version=2, channels=Channel.EMAIL),
        a_member("b", flags=FLAG_DECEASED),
        a_member("a", version=2, flags=FLAG_RETRACTED),
    ],
    ids=["withdrawn", "corrected", "deceased", "somebody else"],
)
def test_a_notice_that_should_not_go_is_called_back_once(arrives: Member) -> None:
    """Its bearer was withdrawn or corrected, the person died, or it is somebody else's."""
    life = Life()
    life.hears(a_member("a"))

    assert [FIRST] == list(life.hears(arrives).recalled)
    assert [] == list(life.waits(EVERYBODY).recalled)


def test_a_notice_that_names_what_nobody_says_any_more_is_called_back() -> None:
    """Another member brought the facts; the bearer is still there, and its notice goes again without them."""
    life = Life()
    life.hears(a_member("a", at=1, exposed=1), a_member("b", at=2, cohort=2, exposed=2))

    assert [FIRST] == list(life.waits(terms(released={1}, cancelled={2})).recalled)
    assert [(1, an_id("a"), 1)] == released_by(life.hears_of_all(Course.STOPPED, terms(released={1}, cancelled={2})))


@pytest.mark.parametrize("course", [Course.BEGUN, Course.STOPPED])
def test_nothing_is_called_back_of_which_the_end_is_known(course: Course) -> None:
    """What has begun cannot be stopped, and what was stopped need not be."""
    life = Life()
    life.hears(a_member("a"))
    life.hears_of_all(course)

    assert FIRST not in life.hears(taken_back("a")).recalled


def test_a_stopped_notice_told_nobody() -> None:
    """Its bearer is withdrawn, and who said the same bears a first notice of its own."""
    life = Life()
    life.hears(a_member("a"), a_member("b", at=2000, exposed=1))
    life.hears(taken_back("a"))
    waiting = dict(life.outcomes)
    decision = life.hears_of_all(Course.STOPPED)

    assert {"a": Outcome.TAKEN_BACK, "b": Outcome.MERGED} == waiting
    assert [(1, an_id("b"), 1)] == released_by(decision)
    assert None is decision.released[0].claim.supersedes
    assert {"a": Outcome.WITHDRAWN, "b": Outcome.RELEASED} == life.outcomes


def test_nothing_goes_out_before_the_answer() -> None:
    """News of the same person waits: it would name a notice before it that may never have gone."""
    life = Life()
    life.hears(a_member("a"))
    life.hears(taken_back("a"))
    held = life.hears(a_member("b", cohort=2, exposed=2))
    places = dict(life.outcomes)

    assert ([], Outcome.HELD_UNRELEASED) == (released_by(held), places["b"])
    assert [(2, an_id("b"), 3)] != released_by(life.hears_of_all(Course.STOPPED)) != []
    assert {"a": Outcome.WITHDRAWN, "b": Outcome.RELEASED} == life.outcomes


def test_too_late_stays_told_and_lets_the_news_go() -> None:
    """Who was told by a record that was withdrawn since stays told; what waited goes as a supplement."""
    life = Life()
    life.hears(a_member("a"))
    life.hears(taken_back("a"))
    life.hears(a_member("b", cohort=2, exposed=2))

    assert [(2, an_id("b"), 3)] == released_by(life.hears_of_all(Course.BEGUN))
    assert {"a": Outcome.TAKEN_BACK, "b": Outcome.RELEASED} == life.outcomes


def test_a_corrected_bearer_is_told_at_the_new_address() -> None:
    """Where the notice was stopped in time it goes anew, with the version that holds now."""
    life = Life()
    life.hears(a_member("a"))
    life.hears(a_member("a", version=2, channels=Channel.EMAIL))
    decision = life.hears_of_all(Course.STOPPED)

    assert [(2, Channel.EMAIL)] == [(one.claim.version, one.bearer.channels) for one in decision.released]
    assert [] == list(life.waits(EVERYBODY).recalled)


def test_a_supplement_is_called_back_with_the_notice_that_it_names() -> None:
    """Where neither went, the person is told all at once."""
    life = Life()
    life.hears(a_member("a"))
    life.hears(a_member("b", cohort=2, exposed=2))

    assert 2 == len(life.hears(taken_back("a")).recalled)
    assert [(1, an_id("b"), 2)] == released_by(life.hears_of_all(Course.STOPPED))


def test_the_notice_before_a_stopped_one_stands_again() -> None:
    """A bearer that was told once, and whose second notice was stopped, counts by the first; by a third one then."""
    life = Life()
    life.hears(a_member("a"))
    life.hears_of_all(Course.BEGUN)
    second = life.hears(a_member("a", version=2, exposed=3))
    life.hears(taken_back("a", version=3))
    notice = second.released[0].claim.notice
    stopped = life.hears_of({notice: Course.STOPPED})
    third = life.hears(a_member("a", version=4, exposed=3))

    marks = [one.mark for decision in (second, stopped, third) for one in decision.superseded if one.notice == FIRST]
    assert [1, 0, 1] == [mark % 2 for mark in marks]
    assert sorted(set(marks)) == marks


def test_an_answer_that_comes_again_changes_nothing() -> None:
    """Whatever is replayed: the same answer, or a late other one."""
    life = Life()
    life.hears(a_member("a"), a_member("b", at=2000))
    life.hears(taken_back("a"))
    life.hears_of_all(Course.STOPPED)
    before = life.dossier
    again = life.hears_of({FIRST: Course.STOPPED})
    late = life.hears_of({FIRST: Course.BEGUN})

    assert ([], [], []) == (list(again.turned), list(again.released), list(again.changed))
    assert ([], before) == (list(late.turned), life.dossier)
