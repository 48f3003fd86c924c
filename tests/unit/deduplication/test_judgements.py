"""What an operator says of records: who is one person then, and what becomes of them."""

import pytest

from services.core.channel import Channel
from services.core.notices import FLAG_DECEASED, FLAG_NOT_DECEASED, FLAG_WITHDRAWN
from services.deduplication.domain import Member, Outcome, Terms, Waits
from services.deduplication.dossier import Decision, Dossier, decide, told_already
from services.deduplication.judgements import Judgement, Judgements, Seen
from tests.unit.deduplication.builders import a_member, an_id, judged, terms
from tests.unit.deduplication.said import Said

PSEUDONYM = an_id("pseudonym")
JANSEN = Said((50, 1, 2), frozenset({"jan"}))
JANSSEN = Said((50, 2, 1), frozenset({"jan"}))  # day and month swapped
VRIES = Said((81, 3, 4), frozenset({"vri"}))
BARE = Said()
ONE, TWO = a_member("a", exposed=1, said=JANSEN), a_member("b", at=2000, exposed=2, said=JANSSEN)


class Life:
    """One pseudonym, under a policy that holds who contradict each other, unless it is said otherwise."""

    def __init__(self, *, hold: bool = True) -> None:
        self.dossier, self.said, self.hold = Dossier.unknown(PSEUDONYM, 0), list[Judgement](), hold

    @property
    def terms(self) -> Terms:
        """What holds now."""
        return terms(hold=self.hold, judgements=self.said)

    def hears(self, *members: Member) -> dict[str, int]:
        """Take members; return who bears what is told."""
        return self._decided(decide(self.dossier, [members], self.terms))

    def judges(self, *judgements: Judgement) -> dict[str, int]:
        """Take what an operator says; return who bears what is told."""
        self.said += judgements
        return self._decided(decide(self.dossier, [()], self.terms))

    def _decided(self, decision: Decision) -> dict[str, int]:
        self.dossier = decision.dossier
        return {name(release.bearer.member): release.exposed for release in decision.released}

    def stands(self) -> dict[str, str]:
        """Return where everybody stands; with a `!` behind it who is in conflict."""
        return {name(m): Outcome(s.outcome).name.lower() + "!" * s.conflict for m, s in self.dossier.standings.items()}


def name(member: bytes) -> str:
    """Return the name that a test gave."""
    return member.rstrip(b".").decode()


def test_held_people_who_are_different_are_each_told_what_their_own_record_says() -> None:
    """Nobody is in conflict any more."""
    life = Life()
    life.hears(ONE, TWO)
    assert {"a": "held_identity_conflict!", "b": "held_identity_conflict!"} == life.stands()

    assert {"a": 1, "b": 2} == life.judges(*judged(ONE, TWO, are_one=False))
    assert {"a": "released", "b": "released"} == life.stands()


def test_held_records_of_one_person_are_told_together() -> None:
    """One notice has the union; the other one is merged with its bearer, who is the oldest as always."""
    life = Life()
    life.hears(ONE, TWO)

    assert {"a": 3} == life.judges(*judged(ONE, TWO, are_one=True))
    assert {"a": "released", "b": "merged"} == life.stands()


def test_what_is_said_before_the_records_come_holds_as_well() -> None:
    """It is a function of the set of both."""
    life = Life()
    life.judges(*judged(ONE, TWO, are_one=True))

    assert {"a": 3} == life.hears(ONE, TWO)


@pytest.mark.parametrize(("knows", "stands"), [(True, "merged"), (False, "held_identity_conflict!")])
def test_a_correction_of_the_address_leaves_what_was_said(*, knows: bool, stands: str) -> None:
    """Where it is known what the record said of whom it is about; else any other version has to be looked at again."""
    life = Life()
    one, two = (Seen(m.member, 1, m.witnesses if knows else b"") for m in (ONE, TWO))
    life.said.append(Judgement(one, two, are_one=True))
    life.hears(TWO._replace(version=2, channels=int(Channel.EMAIL)), ONE)

    assert stands == life.stands()["b"]


def test_a_correction_of_who_it_is_ends_what_was_said() -> None:
    """The conflict is there again; and what was said holds again once the record says the same as then."""
    life = Life()
    life.said += judged(ONE, TWO, are_one=False)
    other = a_member("b", version=2, exposed=2, said=VRIES)
    third = TWO._replace(version=3)
    life.hears(other, ONE)
    assert {"a": "held_identity_conflict!", "b": "held_identity_conflict!"} == life.stands()

    assert {"a": 1, "b": 2} == life.hears(third)


def test_a_third_person_has_to_be_settled_too() -> None:
    """Who was told apart from one is held for the other, until that is settled as well."""
    third = a_member("c", at=3000, exposed=4, said=VRIES)
    life = Life()
    life.hears(ONE, TWO, third)

    assert {} == life.judges(*judged(ONE, TWO, are_one=False))
    assert {"a": 1, "b": 2, "c": 4} == life.judges(*judged(ONE, TWO, third, are_one=False))


def test_who_says_too_little_is_with_whom_the_operator_says() -> None:
    """It was torn between two: one with the first, or somebody else than the first; others of its like stay torn."""
    bare, like = a_member("n", at=3000, exposed=4), a_member("o", at=4000, exposed=8)
    with_first, not_first = Life(hold=False), Life(hold=False)
    for life in (with_first, not_first):
        assert {"a": 1, "v": 2} == life.hears(ONE, a_member("v", at=2000, exposed=2, said=VRIES), bare, like)

    assert {"n": 5} == with_first.judges(*judged(ONE, bare, are_one=True))
    assert {"n": 6} == not_first.judges(*judged(ONE, bare, are_one=False))
    assert {"held_identity_conflict!"} == {life.stands()["o"] for life in (with_first, not_first)}


def test_a_later_record_that_says_what_one_of_them_says_is_the_same_person() -> None:
    """In either way, whatever else it says; who says a third thing is somebody else."""
    life = Life()
    life.hears(ONE, TWO)
    life.judges(*judged(ONE, TWO, are_one=True))

    assert {} == life.hears(a_member("c", at=3000, exposed=2, said=JANSSEN))
    assert {"d": 7} == life.hears(a_member("d", at=4000, exposed=4, said=Said((50, 1, 2), frozenset({"jan", "mol"}))))
    assert {} == life.hears(a_member("e", at=5000, exposed=8, said=VRIES))
    assert ("merged!", "held_identity_conflict!") == (life.stands()["c"], life.stands()["e"])


def test_only_what_was_looked_at_is_explained() -> None:
    """Two records with another year are one person's; who was born on another day is not, though one says no day."""
    year = a_member("a", said=Said((50, 0, 0), frozenset({"jan"})))
    day = a_member("b", at=2000, exposed=2, said=Said((51, 3, 5), frozenset({"jan"})))
    life = Life(hold=False)
    life.hears(year, day)
    life.judges(*judged(year, day, are_one=True))
    life.hears(a_member("c", at=3000, exposed=2, said=Said((50, 7, 7), frozenset({"jan"}))))
    life.hears(a_member("d", at=4000, exposed=2, said=Said((50, 3, 5), frozenset({"jan"}))))

    assert ("released!", "merged!") == (life.stands()["c"], life.stands()["d"])


def test_two_records_that_agree_can_be_different_people() -> None:
    """Each is told its own; a third that says the same could be either, and is held."""
    alike = TWO._replace(witnesses=ONE.witnesses)
    life = Life(hold=False)
    life.judges(*judged(ONE, alike, are_one=False))

    assert {"a": 1, "b": 2} == life.hears(ONE, alike)
    assert {} == life.hears(a_member("c", at=3000, exposed=1, said=JANSEN))
    assert {"a": "released!", "b": "released!", "c": "held_identity_conflict!"} == life.stands()


def test_one_who_died_and_one_who_did_not_are_two() -> None:
    """Each counts for its own record: suppressed, and told."""
    died = a_member("a", flags=FLAG_DECEASED, said=JANSEN)
    lives = a_member("b", at=2000, exposed=2, flags=FLAG_NOT_DECEASED, said=JANSEN)
    life = Life()
    life.hears(died, lives)
    assert {"held_deceased_conflict"} == set(life.stands().values())

    assert {"b": 2} == life.judges(*judged(died, lives, are_one=False))
    assert {"a": "suppressed", "b": "released"} == life.stands()


def test_that_they_died_counts_for_all_who_are_one() -> None:
    """Nobody is told."""
    died = a_member("a", flags=FLAG_DECEASED, said=JANSEN)
    life = Life()
    life.hears(died, TWO)

    assert {} == life.judges(*judged(died, TWO, are_one=True))
    assert {"a": "suppressed", "b": "suppressed"} == life.stands()


def test_who_was_told_with_somebody_else_is_told_by_itself() -> None:
    """It was merged with the bearer of another person: nobody had told it. The bearer keeps its notice."""
    alike = TWO._replace(witnesses=ONE.witnesses, exposed=1, confirmed=1)
    life = Life()
    assert {"a": 1} == life.hears(ONE, alike)

    assert {"b": 1} == life.judges(*judged(ONE, alike, are_one=False))
    assert {"a": "released", "b": "released"} == life.stands()


def test_those_who_were_told_apart_are_not_told_again() -> None:
    """They are one from then on, each keeps what it was told, and news is only what neither was told."""
    life = Life(hold=False)
    assert {"a": 1, "b": 2} == life.hears(ONE, TWO)

    assert {} == life.judges(*judged(ONE, TWO, are_one=True))
    assert {"a": "released", "b": "released"} == life.stands()
    assert {} == life.hears(a_member("c", at=3000, exposed=3, said=JANSSEN))
    assert "merged" == life.stands()["c"]


def test_undoing_it_changes_nothing_of_what_was_told() -> None:
    """Who was told as one stays so; who was told as two is told nothing again."""
    one, two = Life(), Life()
    for life, are_one in ((one, True), (two, False)):
        life.hears(ONE, TWO)
        life.judges(*judged(ONE, TWO, are_one=are_one))
        life.said.clear()

    assert ({}, {}) == (one.judges(), two.judges())
    assert {"a": "released", "b": "merged"} == one.stands()
    assert {"a": "released!", "b": "released!"} == two.stands()


def test_undoing_it_before_anybody_was_told_brings_the_conflict_back() -> None:
    """As if it had never been said."""
    life = Life()
    life.said += judged(ONE, TWO, are_one=True)
    waiting = terms(released=(), hold=True, judgements=life.said)
    life.dossier = decide(life.dossier, [[ONE, TWO]], waiting).dossier
    assert {"a": "held_unreleased", "b": "merged"} == life.stands()
    life.said.clear()

    assert {} == life.judges()
    assert {Waits.POLICY} == {standing.waits for standing in life.dossier.standings.values()}


def test_what_cannot_be_true_together_holds_everybody() -> None:
    """Two are one with a third, and different: nobody can tell whose records they are."""
    third = a_member("c", at=3000, exposed=4, said=JANSEN)
    life = Life(hold=False)
    life.said += judged(ONE, third, are_one=True) + judged(TWO, third, are_one=True) + judged(ONE, TWO, are_one=False)

    assert {} == life.hears(ONE, TWO, third)
    assert {"held_identity_conflict!"} == set(life.stands().values())


def test_who_was_withdrawn_is_of_no_conflict() -> None:
    """What was said of it is said of nobody who is there."""
    life = Life()
    life.said += judged(ONE, TWO, are_one=True)

    assert {"a": 1} == life.hears(ONE, TWO._replace(version=2, flags=FLAG_WITHDRAWN))


def test_a_member_of_whom_something_was_said_is_decided() -> None:
    """The short cut of those who were told already does not know what operators say."""
    alike = TWO._replace(witnesses=ONE.witnesses, exposed=1, confirmed=1)
    life = Life()
    life.hears(ONE)
    said = Judgements(judged(ONE, alike, are_one=False))

    assert told_already(life.dossier, alike, terms()) is not None
    assert told_already(life.dossier, alike, terms(judgements=judged(ONE, alike, are_one=False))) is None
    assert said.concern([alike.member])
