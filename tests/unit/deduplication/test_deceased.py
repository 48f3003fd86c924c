"""One record says that a person died, another that they did not: neither told nor suppressed."""

from services.core.notices import FLAG_DECEASED, FLAG_NEXT_OF_KIN, FLAG_NOT_DECEASED, FLAG_WITHDRAWN
from services.core.unsettled import Unsettled
from services.deduplication.domain import Member, Outcome
from tests.unit.deduplication.builders import a_block, a_member, an_id, terms
from tests.unit.deduplication.memory import Tables

DEAD = a_member("a", flags=FLAG_DECEASED)
ALIVE = a_member("b", cohort=2, flags=FLAG_NOT_DECEASED)
KIN = a_member("k", cohort=3, flags=FLAG_DECEASED | FLAG_NEXT_OF_KIN)


def outcomes(tables: Tables) -> dict[bytes, int]:
    """Return where each member stands."""
    return {member: standing.outcome for member, standing in tables.dossiers[an_id("p")].standings.items()}


def heard(*members: Member) -> Tables:
    """Return what these records of one person come to, a block each."""
    tables = Tables()
    for member in members:
        tables.take([a_block([(an_id("p"), member)])], terms())
    return tables


def test_the_conflict_holds_both_and_both_are_listed() -> None:
    """In either order, nobody is told, and each source sees its own record."""
    both = {an_id("a"), an_id("b")}
    for order in ((DEAD, ALIVE), (ALIVE._replace(channels=0), DEAD)):
        tables = heard(*order)

        assert dict.fromkeys(both, Outcome.HELD_DECEASED_CONFLICT) == outcomes(tables)
        assert dict.fromkeys(both, Unsettled.DECEASED_CONFLICT) == tables.listed()
        assert [] == tables.sent


def test_silence_contradicts_nobody() -> None:
    """A record that does not say whether somebody died leaves the person suppressed."""
    tables = heard(DEAD, a_member("b", cohort=2))

    assert {Outcome.SUPPRESSED} == set(outcomes(tables).values())


def test_a_correction_of_either_source_settles_it() -> None:
    """The person died after all, and is suppressed; or did not, and is told; or one record is taken back."""
    died = heard(DEAD, ALIVE, ALIVE._replace(version=2, flags=FLAG_DECEASED))
    lives = heard(DEAD, ALIVE, DEAD._replace(version=2, flags=FLAG_NOT_DECEASED))
    taken_back = heard(DEAD, ALIVE, DEAD._replace(version=2, flags=FLAG_WITHDRAWN))

    assert {Outcome.SUPPRESSED} == set(outcomes(died).values())
    assert {an_id("a"): Outcome.RELEASED, an_id("b"): Outcome.MERGED} == outcomes(lives)
    assert {an_id("a"): Outcome.WITHDRAWN, an_id("b"): Outcome.RELEASED} == outcomes(taken_back)
    assert [{}, {}, {}] == [died.listed(), lives.listed(), taken_back.listed()]


def test_who_was_told_stays_told() -> None:
    """A death that is said later holds back what is new, and takes no notice back that went out."""
    tables = heard(ALIVE, DEAD)

    assert {an_id("b"), an_id("a")} == outcomes(tables).keys()
    assert Outcome.HELD_DECEASED_CONFLICT == outcomes(tables)[an_id("a")]


def test_of_the_dead_the_next_of_kin_is_told() -> None:
    """Whatever else says that the person died, and in either order: nothing goes to the address of the dead."""
    for order in ((KIN,), (DEAD, KIN), (KIN, DEAD), (KIN, a_member("b", cohort=2))):
        tables = heard(*order)

        assert Outcome.RELEASED == outcomes(tables)[an_id("k")]
        assert [an_id("k")] == [member for notices in tables.sent for member in notices.members][-1:]


def test_who_is_said_to_live_has_no_next_of_kin_told() -> None:
    """One of the two is wrong, so nobody is told until it is settled."""
    tables = heard(ALIVE._replace(channels=0), KIN)

    assert {Outcome.HELD_DECEASED_CONFLICT} == set(outcomes(tables).values())
    assert [] == tables.sent


def test_next_of_kin_who_cannot_be_written_to_are_the_work_of_their_source() -> None:
    """The address of the dead is no way to them."""
    tables = heard(DEAD, KIN._replace(channels=0))

    assert Outcome.HELD_UNREACHABLE == outcomes(tables)[an_id("k")]
    assert [] == tables.sent
