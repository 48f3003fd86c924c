"""What becomes of one person."""

from collections.abc import Mapping, Sequence

from services.core.channel import Channel
from services.core.ids import notice_id
from services.core.notices import FLAG_DECEASED, FLAG_NOT_AT_ADDRESS, FLAG_RETRACTED
from services.deduplication.domain import Claim, Course, Member, NoticeIds, Outcome, Terms, Waits
from services.deduplication.dossier import Decision, Dossier, decide
from tests.keys import a_key
from tests.unit.deduplication.builders import IDS, INCIDENT, a_member, an_id, terms

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

    def hears_of_all(self, course: Course, under: Terms = EVERYBODY) -> Decision:
        """Hear the same of all its notices."""
        return self.hears_of({claim.notice: course for claim in self.dossier.claims}, under)

    def hears_of(self, heard: Mapping[bytes, Course], under: Terms = EVERYBODY) -> Decision:
        """Hear how far some of its notices have come."""
        decision = decide(self.dossier, [()], under, heard)
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


def released_by(decision: Decision) -> list[tuple[int, bytes, int]]:
    """Return revision, bearer and facts of each notice that went out."""
    return [(claim.revision, claim.bearer, claim.exposed) for claim, *_ in decision.released]


def test_new_person_of_a_released_cohort_is_told_at_once() -> None:
    """One reachable member of a released cohort bears the first notice."""
    life = Life()

    assert [(1, an_id("a"), 1)] == released_by(life.hears(a_member("a")))
    assert {"a": Outcome.RELEASED} == life.outcomes


def test_notice_ids_are_those_of_core() -> None:
    """The fast way to make ids makes the same ones."""
    ids = NoticeIds(a_key("notice"), INCIDENT)

    assert notice_id(a_key("notice"), INCIDENT, PERSON, 3) == ids.of(PERSON, 3)
    assert [notice_id(a_key("notice"), INCIDENT, PERSON, 1)] == ids.first([PERSON])


def test_same_facts_again_are_merged() -> None:
    """A second source that says the same gives no second notice."""
    life = Life()
    life.hears(a_member("a"))

    assert [] == released_by(life.hears(a_member("b", cohort=2)))
    assert {"a": Outcome.RELEASED, "b": Outcome.MERGED} == life.outcomes
    assert an_id("a") == life.dossier.standings[an_id("b")].merged_into


def test_new_facts_are_a_supplement_borne_by_who_brings_them() -> None:
    """A later source with more gives revision 2, which names revision 1 and says all."""
    life = Life()
    life.hears(a_member("a", exposed=1))
    decision = life.hears(a_member("b", cohort=2, exposed=2))

    assert [(2, an_id("b"), 3)] == released_by(decision)
    assert IDS.of(PERSON, 1) == decision.released[0][0].supersedes
    assert [] == decision.superseded
    assert {"a": Outcome.RELEASED, "b": Outcome.RELEASED} == life.outcomes


def test_confirmed_after_possible_is_a_supplement() -> None:
    """Certainty is news."""
    life = Life()
    life.hears(a_member("a", exposed=3, confirmed=0))

    assert [(2, an_id("b"), 3)] == released_by(life.hears(a_member("b", cohort=2, exposed=3)))


def test_possible_after_confirmed_is_none() -> None:
    """Less certainty is no news."""
    life = Life()
    life.hears(a_member("a", exposed=3))

    assert [] == released_by(life.hears(a_member("b", cohort=2, exposed=3, confirmed=0)))
    assert Outcome.MERGED == life.outcomes["b"]


def test_twice_in_one_block_is_told_everything_at_once() -> None:
    """A source that has a person on two lines causes one notice with both."""
    life = Life()

    assert [(1, an_id("a"), 3)] == released_by(life.hears(a_member("a", exposed=1), a_member("b", exposed=2)))
    assert {"a": Outcome.RELEASED, "b": Outcome.MERGED} == life.outcomes


def test_one_released_cohort_is_enough() -> None:
    """A person in two cohorts is told when either is released, of all facts, at an address of the released one."""
    life = Life()
    life.hears(a_member("a", cohort=1, at=1, exposed=1), under=NOBODY)

    assert [(1, an_id("b"), 3)] == released_by(
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
    assert [(2, an_id("b"), 3)] == released_by(life.waits(terms(released={1, 2})))
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

    assert [(1, an_id("a"), 1)] == released_by(life.hears(a_member("a", version=2)))
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

    assert [(2, an_id("a"), 3)] == released_by(decision)
    assert [IDS.of(PERSON, 1)] == [one.notice for one in decision.superseded]
    assert {"a": Outcome.RELEASED, "b": Outcome.MERGED} == life.outcomes


def test_bearer_that_becomes_unreachable_before_the_release_gives_way() -> None:
    """The next oldest that can be written to bears."""
    life = Life()
    life.hears(a_member("a", at=1), a_member("b", at=2), under=NOBODY)
    life.hears(a_member("a", at=3, version=2, channels=0), under=NOBODY)
    held = life.outcomes

    assert {"a": Outcome.MERGED, "b": Outcome.HELD_UNRELEASED} == held
    assert [(1, an_id("b"), 1)] == released_by(life.waits(EVERYBODY))


def test_deceased_before_the_release_is_told_nothing() -> None:
    """One source that says so is enough for all."""
    life = Life()
    life.hears(a_member("a"), a_member("b", cohort=2), under=NOBODY)
    life.hears(a_member("b", cohort=2, version=2, flags=FLAG_DECEASED), under=NOBODY)

    assert {"a": Outcome.SUPPRESSED, "b": Outcome.SUPPRESSED} == life.outcomes
    assert [] == released_by(life.waits(EVERYBODY))


def test_deceased_after_the_release_changes_no_notice_that_went_out() -> None:
    """The bearer stays released; nothing more is sent."""
    life = Life()
    life.hears(a_member("a"), a_member("b", cohort=2))
    decision = life.hears(a_member("b", cohort=2, version=2, exposed=3, flags=FLAG_DECEASED))

    assert [] == released_by(decision)
    assert {"a": Outcome.RELEASED, "b": Outcome.SUPPRESSED} == life.outcomes


def test_not_deceased_after_all_is_told() -> None:
    """A correction of a mistake lifts the suppression."""
    life = Life()
    life.hears(a_member("a", flags=FLAG_DECEASED))

    assert [(1, an_id("a"), 1)] == released_by(life.hears(a_member("a", version=2)))


def test_correction_with_new_facts_replaces_the_bearers_notice() -> None:
    """The same member bears both: the earlier notice counts no more, the member is released once."""
    life = Life()
    life.hears(a_member("a", exposed=1))
    life.hears_of_all(Course.BEGUN)
    decision = life.hears(a_member("a", version=2, exposed=3))

    assert [(2, an_id("a"), 3)] == released_by(decision)
    assert [IDS.of(PERSON, 1)] == [one.notice for one in decision.superseded]
    assert {"a": Outcome.RELEASED} == life.outcomes


def test_correction_with_the_same_or_fewer_facts_sends_nothing() -> None:
    """An address that changes after the notice went out, or facts taken back, are no news."""
    life = Life()
    life.hears(a_member("a", exposed=3))

    assert [] == released_by(life.hears(a_member("a", version=2, exposed=3, channels=Channel.EMAIL)))
    assert [] == released_by(life.hears(a_member("a", version=3, exposed=1)))
    assert {"a": Outcome.RELEASED} == life.outcomes


def test_bearer_with_news_that_has_to_wait_staysreleased_by() -> None:
    """What was told was told; the supplement is looked at again when something changes."""
    life = Life()
    life.hears(a_member("a", exposed=1))
    life.hears_of_all(Course.BEGUN)
    life.hears(a_member("a", version=2, exposed=3, channels=0))

    assert ({"a": Outcome.RELEASED}, {Waits.CHANNEL}) == (life.outcomes, life.waiting)
    assert [(2, an_id("a"), 3)] == released_by(life.hears(a_member("a", version=3, exposed=3)))


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
    assert [(1, an_id("a"), 1)] == released_by(life.waits(EVERYBODY))


def test_retraction_keeps_a_lower_version_out() -> None:
    """A version that was overtaken by its retraction brings nobody back."""
    life = Life()
    life.hears(a_member("a", version=2, flags=FLAG_RETRACTED))

    assert [] == released_by(life.hears(a_member("a", version=1)))
    assert {"a": Outcome.RETRACTED} == life.outcomes


def test_retracted_bearer_leaves_the_news_to_the_next() -> None:
    """What somebody else bore does not count as told: who was merged into it bears a first notice of its own."""
    life = Life()
    life.hears(a_member("a", at=1), a_member("b", at=2))
    decision = life.hears(a_member("a", version=2, flags=FLAG_RETRACTED))

    assert [(1, an_id("b"), 1)] == released_by(decision)
    assert (None, None) == (decision.released[0][0].supersedes, decision.released[0][1])
    assert [IDS.of(PERSON, 1)] == [one.notice for one in decision.superseded] == list(decision.recalled)
    assert [True] == [claim.void for claim in decision.turned]
    assert {"a": Outcome.RETRACTED, "b": Outcome.RELEASED} == life.outcomes


def test_member_that_comes_back_is_merged_into_whoever_was_told_meanwhile() -> None:
    """A void notice stays void."""
    life = Life()
    life.hears(a_member("a", at=1), a_member("b", at=2))
    life.hears(a_member("a", version=2, flags=FLAG_RETRACTED))

    assert [] == released_by(life.hears(a_member("a", version=3)))
    assert {"a": Outcome.MERGED, "b": Outcome.RELEASED} == life.outcomes
    assert [True, False] == [claim.void for claim in life.dossier.claims]


def test_channel_that_the_incident_gains_frees_the_unreachable() -> None:
    """Nothing arrives, but the terms are other ones."""
    life = Life()
    life.hears(a_member("a", channels=Channel.EMAIL), under=terms(usable=Channel.LETTER))
    held = life.outcomes

    assert {"a": Outcome.HELD_UNREACHABLE} == held
    assert [(1, an_id("a"), 1)] == released_by(life.waits(terms(usable=Channel.LETTER | Channel.EMAIL)))


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

    assert [Claim(1, IDS.of(PERSON, 1), an_id("a"), 4, 6, 2)] == list(life.dossier.claims)


def test_void_notice_is_called_back_once() -> None:
    """A member that leaves, comes back and leaves again had one notice, which was called back the first time."""
    life = Life()
    life.hears(a_member("a"), a_member("b", at=2000))
    life.hears(a_member("a", version=2, flags=FLAG_RETRACTED))
    life.hears(a_member("a", version=3))

    assert [] == life.hears(a_member("a", version=4, flags=FLAG_RETRACTED)).superseded
    assert [] == life.hears(a_member("a", version=5, exposed=3)).superseded
