"""What becomes of people who share a pseudonym, and of those who were told."""

from collections.abc import Sequence

from services.core.notices import FLAG_DECEASED, FLAG_RETRACTED
from services.deduplication.domain import Course, Member, Outcome, Terms, Waits
from services.deduplication.dossier import Decision, Dossier, decide, told_already
from tests.unit.deduplication.builders import IDS, a_member, an_id, terms
from tests.unit.deduplication.said import Said

PSEUDONYM = an_id("pseudonym")
JANSEN = Said((50, 1, 2), frozenset({"jan"}))
VRIES = Said((81, 3, 4), frozenset({"vri"}))
BARE = Said()
EVERYBODY, NOBODY = terms(), terms(released=())


class Life:
    """One pseudonym, to which things happen one after the other."""

    def __init__(self) -> None:
        self.dossier = Dossier.unknown(PSEUDONYM, 0)

    def hears(self, *members: Member, under: Terms = EVERYBODY) -> list[tuple[str, int]]:
        """Take members in one block; return who bears what is told."""
        return self._decide([members], under)

    def waits(self, under: Terms) -> list[tuple[str, int]]:
        """Be decided again."""
        return self._decide([()], under)

    def begins(self) -> None:
        """Hear that all its notices are handed over."""
        heard = dict.fromkeys((claim.notice for claim in self.dossier.claims), Course.BEGUN)
        self.dossier = decide(self.dossier, [()], EVERYBODY, heard).dossier

    def _decide(self, blocks: Sequence[Sequence[Member]], under: Terms) -> list[tuple[str, int]]:
        self.decision: Decision = decide(self.dossier, blocks, under)
        self.dossier = self.decision.dossier
        return [(one.bearer.member.decode().rstrip("."), one.exposed) for one in self.decision.released]

    @property
    def outcomes(self) -> dict[str, Outcome]:
        """Where each member stands, by name."""
        return {name.decode().rstrip("."): Outcome(one.outcome) for name, one in self.dossier.standings.items()}

    @property
    def notices(self) -> dict[str, bytes]:
        """The first notice that each bearer bore."""
        return {one.bearer.decode().rstrip("."): one.notice for one in self.dossier.claims if one.revision == 1}


def test_people_who_contradict_are_told_apart() -> None:
    """Each what their own record says."""
    life = Life()

    assert [("a", 1), ("b", 2)] == life.hears(a_member("a", said=JANSEN), a_member("b", said=VRIES, exposed=2))
    assert {True} == {standing.conflict for standing in life.dossier.standings.values()}
    assert [("c", 3)] == life.hears(a_member("c", said=VRIES, exposed=1))
    assert {"a": Outcome.RELEASED, "b": Outcome.RELEASED, "c": Outcome.RELEASED} == life.outcomes


def test_one_of_them_is_one_person_again_once_the_other_left() -> None:
    """A correction to another number ends the conflict."""
    life = Life()
    life.hears(a_member("a", said=JANSEN), a_member("b", said=VRIES))
    life.hears(a_member("b", version=2, flags=FLAG_RETRACTED))

    assert {False} == {standing.conflict for standing in life.dossier.standings.values()}


def test_a_member_told_already_is_one_who_agrees() -> None:
    """The short cut decides nothing where somebody contradicts somebody."""
    life = Life()
    life.hears(a_member("a", said=JANSEN))
    one = life.dossier.claims[0]

    assert (
        one
        == told_already(life.dossier, a_member("b", said=JANSEN), EVERYBODY)
        == told_already(life.dossier, a_member("b"), EVERYBODY)
    )
    assert told_already(life.dossier, a_member("b", said=VRIES), EVERYBODY) is None
    life.hears(a_member("b", said=VRIES))
    assert told_already(life.dossier, a_member("c", said=JANSEN), EVERYBODY) is None


def test_a_member_is_decided_about_where_another_stands_as_taken_back() -> None:
    """A cohort that counts as cancelled under some terms and not under others: its people stand elsewhere then."""
    life = Life()
    life.hears(a_member("a"))
    life.waits(terms(cancelled={1}))

    assert Outcome.TAKEN_BACK == life.outcomes["a"]
    assert told_already(life.dossier, a_member("b"), EVERYBODY) is None


def test_who_is_torn_is_held_whatever_it_says() -> None:
    """It waits for nothing but another record: a tick need not look at it."""
    life = Life()
    life.hears(a_member("a", said=JANSEN), a_member("b", said=VRIES))

    assert [] == life.hears(a_member("t", said=BARE, exposed=2), a_member("u", said=BARE, flags=FLAG_DECEASED))
    assert [Outcome.HELD_IDENTITY_CONFLICT] * 2 == [life.outcomes["t"], life.outcomes["u"]]
    assert Waits.NOTHING == life.dossier.standings[an_id("t")].waits


def test_whoever_becomes_torn_before_the_release_is_told_nothing() -> None:
    """It was one with the first; then somebody came who contradicts that one, and fits it too."""
    life = Life()
    life.hears(a_member("t", at=1, said=BARE), a_member("a", at=2, said=JANSEN, exposed=2), under=NOBODY)
    life.hears(a_member("b", at=3, said=VRIES, exposed=4), under=NOBODY)

    assert [("a", 2), ("b", 4)] == life.waits(EVERYBODY)
    assert Outcome.HELD_IDENTITY_CONFLICT == life.outcomes["t"]


def test_who_was_told_together_stays_together() -> None:
    """A bearer's correction turns nobody out who was merged with it."""
    life = Life()
    life.hears(a_member("a", said=JANSEN), a_member("b", said=JANSEN))

    assert [] == life.hears(a_member("a", version=2, said=VRIES))
    assert {"a": Outcome.RELEASED, "b": Outcome.MERGED} == life.outcomes
    assert {1} == {standing.told_with for standing in life.dossier.standings.values()}


def test_a_correction_to_somebody_else_leaves_the_told() -> None:
    """Its news is never joined with theirs: it is told on its own what its own record says."""
    life = Life()
    life.hears(a_member("a", said=JANSEN), a_member("b", said=JANSEN))

    assert [("b", 2)] == life.hears(a_member("b", version=2, said=VRIES, exposed=2))
    assert [1, 2] == [life.dossier.standings[an_id(name)].told_with for name in "ab"]


def test_two_who_fit_the_told_and_contradict_each_other_are_on_their_own() -> None:
    """In one block, neither is first: neither joins."""
    life = Life()
    life.hears(a_member("a", said=BARE))

    assert [("b", 2), ("c", 4)] == life.hears(
        a_member("b", at=2, said=JANSEN, exposed=2), a_member("c", at=3, said=VRIES, exposed=4)
    )


def test_a_supplement_says_what_the_group_says_now() -> None:
    """What only a record said that left the group meanwhile is not said again."""
    life = Life()
    life.hears(a_member("a", said=JANSEN), a_member("b", said=JANSEN, exposed=2))
    life.begins()
    life.hears(a_member("b", version=2, flags=FLAG_RETRACTED))

    assert [("c", 1 | 4)] == life.hears(a_member("c", said=JANSEN, exposed=4))
    assert 1 | 2 | 4 == life.dossier.claims[-1].exposed  # all that it was told, so that nothing is told again


def test_ids_do_not_depend_on_who_was_told_first() -> None:
    """The group of the pseudonym's oldest member has the pseudonym's id, whenever it is told; others have others."""
    one, other = a_member("a", at=1, cohort=1, said=JANSEN), a_member("b", at=2, cohort=2, said=VRIES)
    early, late = Life(), Life()
    early.hears(one)
    early.hears(other)
    late.hears(one, under=NOBODY)
    late.hears(other, under=terms(released={2}))
    late.waits(EVERYBODY)

    assert {
        "a": IDS.of(PSEUDONYM, 1),
        "b": IDS.of(PSEUDONYM + an_id("b"), 1),
    } == early.notices
    assert early.notices == late.notices


def test_later_revisions_follow_from_the_first_notice() -> None:
    """So they are a group's own, and nothing has to be remembered but its notices."""
    life = Life()
    life.hears(a_member("a", said=JANSEN), a_member("b", said=VRIES))
    life.hears(a_member("c", said=VRIES, exposed=2))

    assert IDS.of(life.notices["b"], 2) == life.dossier.claims[-1].notice


def test_a_bearer_that_left_and_came_back_gets_an_id_of_its_own() -> None:
    """Its first notice is void, and its id is never given again."""
    life = Life()
    life.hears(a_member("a"))
    life.hears(a_member("a", version=2, flags=FLAG_RETRACTED))
    life.hears(a_member("a", version=3))
    life.hears(a_member("a", version=4, flags=FLAG_RETRACTED))
    life.hears(a_member("a", version=5))

    assert [(1, 1), (2, 1), (3, 1)] == [(one.group, one.revision) for one in life.dossier.claims]
    assert 3 == len({one.notice for one in life.dossier.claims})


def test_policy_holds_those_who_contradict_until_it_changes() -> None:
    """What was told stays told, and the others wait for another policy; the unreachable are still said to be so."""
    life, hold = Life(), terms(hold=True)
    life.hears(a_member("a", said=JANSEN), under=hold)
    life.hears(a_member("b", said=VRIES), a_member("c", said=Said((99, 9, 9)), channels=0), under=hold)
    held = life.outcomes

    assert {"a": Outcome.RELEASED, "b": Outcome.HELD_IDENTITY_CONFLICT, "c": Outcome.HELD_UNREACHABLE} == held
    assert Waits.POLICY == life.dossier.standings[an_id("b")].waits
    assert [("b", 1)] == life.waits(EVERYBODY)


def test_an_unreleased_cohort_lends_no_address() -> None:
    """The one whose news may go cannot be written to; the one that can is not released: that release is waited for."""
    life = Life()
    life.hears(a_member("a", cohort=1, channels=0), a_member("b", cohort=2, exposed=2), under=terms(released={1}))
    held, waiting = life.outcomes, {name: one.waits for name, one in life.dossier.standings.items()}

    assert {"a": Outcome.MERGED, "b": Outcome.HELD_UNRELEASED} == held
    assert {an_id("a"): Waits.NOTHING, an_id("b"): Waits.RELEASE} == waiting
    assert [("b", 3)] == life.waits(EVERYBODY)
