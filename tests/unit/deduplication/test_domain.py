"""What becomes of one person."""

from collections.abc import Sequence

from services.core.channel import Channel
from services.core.ids import notice_id
from services.core.notices import FLAG_DECEASED, FLAG_NOT_AT_ADDRESS, FLAG_RETRACTED, FLAG_WITHDRAWN
from services.deduplication.domain import Claim, Member, NoticeIds, Outcome, Terms, Waits
from services.deduplication.dossier import Decision, Dossier, decide
from tests.unit.deduplication.builders import INCIDENT, a_member, an_id, terms
from tests.unit.deduplication.said import Said

PERSON = an_id("person")
EVERYBODY = terms()
NOBODY = terms(released=())


class Life:
    """One person, to whom things happen one after the other."""

    def __init__(self) -> None:
        self.dossier = Dossier.unknown(PERSON, 0)

    def hears(self, *members: Member, under: Terms = EVERYBODY) -> Decision:
        """Take members in one block."""
        return self._decide([members], under)

    def waits(self, under: Terms) -> Decision:
        """Be decided again."""
        return self._decide([()], under)

    def _decide(self, blocks: Sequence[Sequence[Member]], under: Terms) -> Decision:
        decision = decide(self.dossier, blocks, under)
        self.dossier = decision.dossier
        return decision

    @property
    def outcomes(self) -> dict[str, Outcome]:
        """Where each member stands, by name."""
        return {
            name.decode().rstrip("."): Outcome(standing.outcome) for name, standing in self.dossier.standings.items()
        }

    @property
    def waiting(self) -> set[int]:
        """What its members wait for."""
        return {standing.waits for standing in self.dossier.standings.values()}


def _released(decision: Decision) -> list[tuple[int, bytes, int]]:
    return [(claim.revision, claim.bearer, claim.exposed) for claim, *_ in decision.released]


def test_new_person_of_a_released_cohort_is_told_at_once() -> None:
    """One reachable member of a released cohort bears the first notice."""
    life = Life()

    assert [(1, an_id("a"), 1)] == _released(life.hears(a_member("a")))
    assert {"a": Outcome.RELEASED} == life.outcomes


def test_notice_ids_are_those_of_core() -> None:
    """The fast way to make ids makes the same ones."""
    ids = NoticeIds(INCIDENT)

    assert notice_id(INCIDENT, PERSON, 3) == ids.of(PERSON, 3)
    assert [notice_id(INCIDENT, PERSON, 1)] == ids.first([PERSON])


def test_same_facts_again_are_merged() -> None:
    """A second source that says the same gives no second notice."""
    life = Life()
    life.hears(a_member("a"))

    assert [] == _released(life.hears(a_member("b", cohort=2)))
    assert {"a": Outcome.RELEASED, "b": Outcome.MERGED} == life.outcomes
    assert an_id("a") == life.dossier.standings[an_id("b")].merged_into


def test_new_facts_are_a_supplement_borne_by_who_brings_them() -> None:
    """A later source with more gives revision 2, which names revision 1 and says all."""
    life = Life()
    life.hears(a_member("a", exposed=1))
    decision = life.hears(a_member("b", cohort=2, exposed=2))

    assert [(2, an_id("b"), 3)] == _released(decision)
    assert notice_id(INCIDENT, PERSON, 1) == decision.released[0][0].supersedes
    assert [] == decision.superseded
    assert {"a": Outcome.RELEASED, "b": Outcome.RELEASED} == life.outcomes


def test_confirmed_after_possible_is_a_supplement() -> None:
    """Certainty is news."""
    life = Life()
    life.hears(a_member("a", exposed=3, confirmed=0))

    assert [(2, an_id("b"), 3)] == _released(life.hears(a_member("b", cohort=2, exposed=3)))


def test_possible_after_confirmed_is_none() -> None:
    """Less certainty is no news."""
    life = Life()
    life.hears(a_member("a", exposed=3))

    assert [] == _released(life.hears(a_member("b", cohort=2, exposed=3, confirmed=0)))
    assert Outcome.MERGED == life.outcomes["b"]


def test_twice_in_one_block_is_told_everything_at_once() -> None:
    """A source that has a person on two lines causes one notice with both."""
    life = Life()

    assert [(1, an_id("a"), 3)] == _released(life.hears(a_member("a", exposed=1), a_member("b", exposed=2)))
    assert {"a": Outcome.RELEASED, "b": Outcome.MERGED} == life.outcomes


def test_one_released_cohort_is_enough() -> None:
    """A person in two cohorts is told when either is released, of all facts, at an address of the released one."""
    life = Life()
    life.hears(a_member("a", cohort=1, at=1, exposed=1), under=NOBODY)

    assert [(1, an_id("b"), 3)] == _released(
        life.hears(a_member("b", cohort=2, at=2, exposed=2), under=terms(released={2}))
    )
    assert {"a": Outcome.MERGED, "b": Outcome.RELEASED} == life.outcomes


def test_unreleased_person_waits_and_is_told_at_the_release() -> None:
    """Held until the release, then one notice; the mark to be looked at is gone after it."""
    life = Life()
    life.hears(a_member("a", cohort=1), a_member("b", cohort=1), under=NOBODY)
    before = (life.outcomes, life.waiting)
    life.waits(terms(released={1}))

    assert ({"a": Outcome.HELD_UNRELEASED, "b": Outcome.MERGED}, {Waits.RELEASE}) == before
    assert ({"a": Outcome.RELEASED, "b": Outcome.MERGED}, {Waits.NOTHING}) == (life.outcomes, life.waiting)


def test_new_facts_of_an_unreleased_cohort_hold_that_member_alone() -> None:
    """Whoever was told stays released; the supplement waits for a cohort that carries the news."""
    life = Life()
    life.hears(a_member("a", cohort=1, exposed=1), under=terms(released={1}))
    life.hears(a_member("b", cohort=2, exposed=2), under=terms(released={1}))
    held = life.outcomes

    assert {"a": Outcome.RELEASED, "b": Outcome.HELD_UNRELEASED} == held
    assert [(2, an_id("b"), 3)] == _released(life.waits(terms(released={1, 2})))
    assert {"a": Outcome.RELEASED, "b": Outcome.RELEASED} == life.outcomes


def test_unreachable_is_said_before_unreleased() -> None:
    """The source can be asked for an address before anything is released."""
    life = Life()
    life.hears(a_member("a", channels=0), under=NOBODY)

    assert {"a": Outcome.HELD_UNREACHABLE} == life.outcomes


def test_only_a_letter_to_where_nobody_lives_is_a_hold_of_its_own() -> None:
    """Not at address is told apart; another channel makes it no hold at all."""
    life, other = Life(), Life()
    life.hears(a_member("a", flags=FLAG_NOT_AT_ADDRESS))
    other.hears(a_member("a", flags=FLAG_NOT_AT_ADDRESS, channels=Channel.LETTER | Channel.EMAIL))

    assert ({"a": Outcome.HELD_NOT_AT_ADDRESS}, {"a": Outcome.RELEASED}) == (life.outcomes, other.outcomes)


def test_correction_makes_an_unreachable_member_reachable() -> None:
    """The held member's next version is told."""
    life = Life()
    life.hears(a_member("a", channels=0))

    assert [(1, an_id("a"), 1)] == _released(life.hears(a_member("a", version=2)))
    assert 1000 == life.dossier.members[an_id("a")].accepted_at


def test_another_members_address_will_do() -> None:
    """Who cannot be written to is told through who can: the reachable one bears, the older one is merged."""
    life = Life()
    life.hears(a_member("a", at=1, channels=0))
    life.hears(a_member("b", at=2))

    assert {"a": Outcome.MERGED, "b": Outcome.RELEASED} == life.outcomes


def test_unreachable_news_goes_to_whoever_was_told_before() -> None:
    """A supplement whose own member has no address goes to the person's known address, and replaces its notice."""
    life = Life()
    life.hears(a_member("a", at=1, exposed=1))
    decision = life.hears(a_member("b", at=2, exposed=2, channels=0))

    assert [(2, an_id("a"), 3)] == _released(decision)
    assert [notice_id(INCIDENT, PERSON, 1)] == [one.notice for one in decision.superseded]
    assert {"a": Outcome.RELEASED, "b": Outcome.MERGED} == life.outcomes


def test_bearer_that_becomes_unreachable_before_the_release_gives_way() -> None:
    """The next oldest that can be written to bears."""
    life = Life()
    life.hears(a_member("a", at=1), a_member("b", at=2), under=NOBODY)
    life.hears(a_member("a", at=3, version=2, channels=0), under=NOBODY)
    held = life.outcomes

    assert {"a": Outcome.MERGED, "b": Outcome.HELD_UNRELEASED} == held
    assert [(1, an_id("b"), 1)] == _released(life.waits(EVERYBODY))


def test_deceased_before_the_release_is_told_nothing() -> None:
    """One source that says so is enough for all."""
    life = Life()
    life.hears(a_member("a"), a_member("b", cohort=2), under=NOBODY)
    life.hears(a_member("b", cohort=2, version=2, flags=FLAG_DECEASED), under=NOBODY)

    assert {"a": Outcome.SUPPRESSED, "b": Outcome.SUPPRESSED} == life.outcomes
    assert [] == _released(life.waits(EVERYBODY))


def test_deceased_after_the_release_changes_no_notice_that_went_out() -> None:
    """The bearer stays released; nothing more is sent."""
    life = Life()
    life.hears(a_member("a"), a_member("b", cohort=2))
    decision = life.hears(a_member("b", cohort=2, version=2, exposed=3, flags=FLAG_DECEASED))

    assert [] == _released(decision)
    assert {"a": Outcome.RELEASED, "b": Outcome.SUPPRESSED} == life.outcomes


def test_not_deceased_after_all_is_told() -> None:
    """A correction of a mistake lifts the suppression."""
    life = Life()
    life.hears(a_member("a", flags=FLAG_DECEASED))

    assert [(1, an_id("a"), 1)] == _released(life.hears(a_member("a", version=2)))


def test_correction_with_new_facts_replaces_the_bearers_notice() -> None:
    """The same member bears both: the earlier notice counts no more, the member is released once."""
    life = Life()
    life.hears(a_member("a", exposed=1))
    decision = life.hears(a_member("a", version=2, exposed=3))

    assert [(2, an_id("a"), 3)] == _released(decision)
    assert [notice_id(INCIDENT, PERSON, 1)] == [one.notice for one in decision.superseded]
    assert {"a": Outcome.RELEASED} == life.outcomes


def test_correction_with_the_same_or_fewer_facts_sends_nothing() -> None:
    """An address that changes after the notice went out, or facts taken back, are no news."""
    life = Life()
    life.hears(a_member("a", exposed=3))

    assert [] == _released(life.hears(a_member("a", version=2, exposed=3, channels=Channel.EMAIL)))
    assert [] == _released(life.hears(a_member("a", version=3, exposed=1)))
    assert {"a": Outcome.RELEASED} == life.outcomes


def test_bearer_with_news_that_has_to_wait_stays_released() -> None:
    """What was told was told; the supplement is looked at again when something changes."""
    life = Life()
    life.hears(a_member("a", exposed=1))
    life.hears(a_member("a", version=2, exposed=3, channels=0))

    assert ({"a": Outcome.RELEASED}, {Waits.CHANNEL}) == (life.outcomes, life.waiting)
    assert [(2, an_id("a"), 3)] == _released(life.hears(a_member("a", version=3, exposed=3)))


def test_same_version_again_changes_nothing() -> None:
    """A dead letter that is replayed finds its member as it is."""
    life = Life()
    life.hears(a_member("a"), a_member("b"))
    decision = life.hears(a_member("a"), a_member("b"))

    assert ([], [], [], []) == (decision.new, decision.changed, decision.released, decision.superseded)


def test_lower_version_that_comes_late_changes_nothing() -> None:
    """The highest version holds, whatever the order."""
    life = Life()
    life.hears(a_member("a", version=2, exposed=2), under=NOBODY)
    decision = life.hears(a_member("a", version=1, exposed=1), under=NOBODY)

    assert ([], []) == (decision.changed, decision.released)


def test_retracted_member_leaves_the_person() -> None:
    """A held member that is somebody else's takes its facts along."""
    life = Life()
    life.hears(a_member("a", exposed=1), a_member("b", exposed=2), under=NOBODY)
    life.hears(a_member("b", version=2, exposed=2, flags=FLAG_RETRACTED), under=NOBODY)

    assert {"a": Outcome.HELD_UNRELEASED, "b": Outcome.RETRACTED} == life.outcomes
    assert [(1, an_id("a"), 1)] == _released(life.waits(EVERYBODY))


def test_retraction_keeps_a_lower_version_out() -> None:
    """A version that was overtaken by its retraction brings nobody back."""
    life = Life()
    life.hears(a_member("a", version=2, flags=FLAG_RETRACTED))

    assert [] == _released(life.hears(a_member("a", version=1)))
    assert {"a": Outcome.RETRACTED} == life.outcomes


def test_retracted_bearer_leaves_the_news_to_the_next() -> None:
    """What somebody else bore does not count as told: who was merged into it bears a first notice of its own."""
    life = Life()
    life.hears(a_member("a", at=1), a_member("b", at=2))
    decision = life.hears(a_member("a", version=2, flags=FLAG_RETRACTED))

    assert [(1, an_id("b"), 1)] == _released(decision)
    assert (None, None) == (decision.released[0][0].supersedes, decision.released[0][1])
    assert (1, [notice_id(INCIDENT, PERSON, 1)]) == (len(decision.voided), [one.notice for one in decision.superseded])
    assert {"a": Outcome.RETRACTED, "b": Outcome.RELEASED} == life.outcomes


def test_member_that_comes_back_is_merged_into_whoever_was_told_meanwhile() -> None:
    """A void notice stays void."""
    life = Life()
    life.hears(a_member("a", at=1), a_member("b", at=2))
    life.hears(a_member("a", version=2, flags=FLAG_RETRACTED))

    assert [] == _released(life.hears(a_member("a", version=3)))
    assert {"a": Outcome.MERGED, "b": Outcome.RELEASED} == life.outcomes
    assert [True, False] == [claim.void for claim in life.dossier.claims]


def test_channel_that_the_incident_gains_frees_the_unreachable() -> None:
    """Nothing arrives, but the terms are other ones."""
    life = Life()
    life.hears(a_member("a", channels=Channel.EMAIL), under=terms(usable=Channel.LETTER))
    held = life.outcomes

    assert {"a": Outcome.HELD_UNREACHABLE} == held
    assert [(1, an_id("a"), 1)] == _released(life.waits(terms(usable=Channel.LETTER | Channel.EMAIL)))


def test_channel_that_is_compromised_makes_a_waiting_person_unreachable() -> None:
    """Why a member is held follows the incident."""
    life = Life()
    life.hears(a_member("a", channels=Channel.EMAIL), under=NOBODY)
    life.waits(terms(usable=Channel.LETTER, released=()))

    assert ({"a": Outcome.HELD_UNREACHABLE}, {Waits.CHANNEL}) == (life.outcomes, life.waiting)


def test_claim_of_the_first_notice_says_what_was_told() -> None:
    """The row that claims a person holds everything that a later decision needs."""
    life = Life()
    life.hears(a_member("a", version=4, exposed=6, confirmed=2))

    assert [Claim(1, notice_id(INCIDENT, PERSON, 1), an_id("a"), 4, 6, 2)] == list(life.dossier.claims)


def test_void_notice_is_called_back_once() -> None:
    """A member that leaves, comes back and leaves again had one notice, which was called back the first time."""
    life = Life()
    life.hears(a_member("a"), a_member("b", at=2000))
    life.hears(a_member("a", version=2, flags=FLAG_RETRACTED))
    life.hears(a_member("a", version=3))

    assert [] == life.hears(a_member("a", version=4, flags=FLAG_RETRACTED)).superseded
    assert [] == life.hears(a_member("a", version=5, exposed=3)).superseded


def taken_back(name: str, *, version: int = 2, cohort: int = 1) -> Member:
    """Return the version of a member that withdraws it, as intake writes it."""
    return a_member(name, version=version, cohort=cohort, exposed=0, channels=0, flags=FLAG_WITHDRAWN)


def test_whoever_was_withdrawn_in_time_is_not_told() -> None:
    """A member that was taken back before its release counts as withdrawn, and a release passes it by."""
    life = Life()
    life.hears(a_member("a"), under=NOBODY)
    life.hears(taken_back("a"), under=NOBODY)

    assert [] == _released(life.waits(EVERYBODY))
    assert ({"a": Outcome.WITHDRAWN}, {Waits.NOTHING}) == (life.outcomes, life.waiting)


def test_a_withdrawal_that_comes_before_its_member_holds() -> None:
    """It is a later version: what it takes back does not come to life when it is heard of afterwards."""
    life = Life()
    life.hears(taken_back("a"))

    assert [] == _released(life.hears(a_member("a")))
    assert {"a": Outcome.WITHDRAWN} == life.outcomes


def test_a_withdrawn_member_brings_no_facts_and_lends_no_address() -> None:
    """Its person is decided again from the others: the oldest of them that can be written to bears the notice."""
    life = Life()
    life.hears(a_member("a", exposed=3), under=NOBODY)
    life.hears(a_member("b", at=2, exposed=1, channels=0), under=NOBODY)
    life.hears(a_member("c", at=3000, exposed=1), under=NOBODY)
    life.hears(taken_back("a"), under=NOBODY)

    assert [(1, an_id("c"), 1)] == _released(life.waits(EVERYBODY))
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
    life.hears(taken_back("a"))

    assert [] == _released(life.hears(a_member("b", cohort=2)))
    assert [(2, an_id("c"), 3)] == _released(life.hears(a_member("c", cohort=3, exposed=2, at=2000)))
    assert {"a": Outcome.RELEASED, "b": Outcome.MERGED, "c": Outcome.RELEASED} == life.outcomes


def test_a_later_record_brings_the_person_back() -> None:
    """It is the member's next version; what was told already is not told again."""
    life = Life()
    life.hears(a_member("a"), under=NOBODY)
    life.hears(taken_back("a"), under=NOBODY)
    life.hears(a_member("a", version=3), under=NOBODY)

    assert [(1, an_id("a"), 1)] == _released(life.waits(EVERYBODY))
    life.hears(taken_back("a", version=4))
    assert [] == _released(life.hears(a_member("a", version=5)))


def test_whoever_died_by_a_withdrawn_record_lives() -> None:
    """What was taken back keeps nobody's notice back either."""
    life = Life()
    life.hears(a_member("a"), a_member("b", flags=FLAG_DECEASED))

    assert [(1, an_id("a"), 1)] == _released(life.hears(taken_back("b")))
    assert {"a": Outcome.RELEASED, "b": Outcome.WITHDRAWN} == life.outcomes


def test_a_torn_member_is_whole_once_the_others_are_withdrawn() -> None:
    """Who contradicted each other do no more, once one of them was taken back: one person, and no conflict."""
    life = Life()
    one, other = Said((70, 3, 5), frozenset({"vri"})), Said((81, 3, 5), frozenset({"ber"}))
    life.hears(a_member("a", said=one), a_member("b", said=other), a_member("t", at=2000, exposed=2), under=NOBODY)
    before = {name for name, outcome in life.outcomes.items() if outcome == Outcome.HELD_IDENTITY_CONFLICT}
    life.hears(taken_back("b"), under=NOBODY)

    assert ({"t"}, False) == (before, any(s.conflict for s in life.dossier.standings.values()))
    assert [(1, an_id("a"), 3)] == _released(life.waits(EVERYBODY))


def test_who_was_told_by_a_withdrawn_record_contradicts_nobody() -> None:
    """The told stays a person of its own, but holds nobody back: nothing but a notice says that somebody is there."""
    life, hold = Life(), terms(hold=True)
    life.hears(a_member("a", said=Said((70, 3, 5))), under=hold)
    life.hears(a_member("b", cohort=2, said=Said((81, 3, 5))), under=hold)
    before = dict(life.outcomes)
    decision = life.hears(taken_back("a"), under=hold)

    assert Outcome.HELD_IDENTITY_CONFLICT == before["b"]
    assert [(1, an_id("b"), 1)] == _released(decision)
    assert not any(s.conflict for s in life.dossier.standings.values())


def test_a_cancelled_cohort_tells_nobody_any_more() -> None:
    """All its members count as withdrawn, those that come later too; who was told by it stays told."""
    life, cancelled = Life(), terms(cancelled={1})
    life.hears(a_member("a"))
    life.hears(a_member("b", exposed=2), under=terms(released={2}))
    life.hears(a_member("c", at=2000), under=cancelled)

    assert {"a": Outcome.RELEASED, "b": Outcome.WITHDRAWN, "c": Outcome.WITHDRAWN} == life.outcomes
    assert {Waits.NOTHING} == life.waiting


def test_who_is_in_another_cohort_is_told_by_that_one() -> None:
    """The person of a cancelled cohort hears the news from the others alone, by their address."""
    life = Life()
    life.hears(a_member("a", exposed=3), under=NOBODY)
    life.hears(a_member("b", cohort=2, at=2000), under=NOBODY)

    assert [(1, an_id("b"), 1)] == _released(life.waits(terms(released={1, 2}, cancelled={1})))
    assert {"a": Outcome.WITHDRAWN, "b": Outcome.RELEASED} == life.outcomes
