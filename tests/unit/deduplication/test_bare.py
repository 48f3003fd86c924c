"""Records that share an identity and say nothing else: they join by it alone, counted, or are held, as policy says."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.core.ledger import BARE_JOINED, CONFLICTING
from services.core.unsettled import Unsettled
from services.core.witnesses import is_bare
from services.deduplication.domain import Member, Outcome, Terms, Waits
from tests.unit.deduplication.builders import a_block, a_member, an_id, terms
from tests.unit.deduplication.memory import Tables
from tests.unit.deduplication.model import Control
from tests.unit.deduplication.said import Said, packed
from tests.unit.deduplication.test_properties import CONTROLS, free_versions, under

PERSON = an_id("person")
NAMED, OTHER = Said((70, 3, 5), frozenset({"vri"})), Said((81, 3, 5), frozenset({"ber"}))
HOLD = terms(hold_bare=True)
CLOSED = terms(released=())


def after(*blocks: list[Member], ruled: Terms) -> Tables:
    """Return the tables once these members of one person were heard of, block by block."""
    tables = Tables()
    for members in blocks:
        tables.take([a_block([(PERSON, member) for member in members])], ruled)
    return tables


def unsaid(member: Member) -> Member:
    """Return a member that says nothing of who it is about."""
    return member._replace(witnesses=packed(Said()))


def places(tables: Tables) -> dict[str, Outcome]:
    """Return where everybody stands, by name."""
    standings = tables.dossiers[PERSON].standings
    return {member.rstrip(b".").decode(): Outcome(one.outcome) for member, one in standings.items()}


def joined(tables: Tables) -> int:
    """Return how many records are counted as having joined by their identity alone."""
    return sum(count for (_, _, counter), count in tables.counts.items() if counter == BARE_JOINED)


@pytest.mark.parametrize(
    ("said", "bare"),
    [
        (Said(), True), (Said(identified=False), True), (Said(initials="a"), True), (Said(given_name="a"), True),
        (NAMED, False), (Said((70, 0, 0)), False), (Said((0, 0, 5)), False), (Said(names=frozenset({"vri"})), False),
    ],
)  # fmt: skip
def test_a_record_is_bare_that_says_neither_name_nor_birth(said: Said, *, bare: bool) -> None:
    """Initials alone tell nobody apart by a number."""
    assert bare == is_bare(packed(said))


def test_bare_records_join_and_are_counted() -> None:
    """Whoever comes first of those who say nothing has nobody to join; once somebody speaks, it has."""
    alone = after([a_member("a")], ruled=terms())
    together = after([a_member("a")], [a_member("b", at=2000)], ruled=terms())
    spoken = after([a_member("a")], [a_member("b", at=2000)], [a_member("c", at=3000, said=NAMED)], ruled=terms())

    assert [0, 1, 2] == [joined(tables) for tables in (alone, together, spoken)]
    assert {"a": Outcome.RELEASED, "b": Outcome.MERGED, "c": Outcome.MERGED} == places(spoken)


def test_an_older_one_that_comes_late_is_the_one_that_joined_nobody() -> None:
    """The figure does not depend on the order in which they were heard of."""
    tables = after([a_member("a", at=2000, exposed=3)], [a_member("b", at=1000)], ruled=terms())

    assert (1, True) == (joined(tables), tables.dossiers[PERSON].standings[an_id("a")].joined)


def test_who_left_has_joined_no_more() -> None:
    """A record that says more now, or that was taken back, is not counted."""
    tables = after([a_member("a", said=NAMED)], [a_member("b", at=2000)], ruled=terms())
    tables.take([a_block([(PERSON, a_member("b", version=2, at=2000, said=NAMED))])], terms())

    assert 0 == joined(tables)


def test_where_policy_holds_them_they_join_nobody() -> None:
    """The person is told by the records that say who it is; the bare one is held, and listed to its source."""
    tables = after([a_member("a", said=NAMED, exposed=1)], [a_member("b", at=2000, exposed=2)], ruled=HOLD)
    standing = tables.dossiers[PERSON].standings[an_id("b")]

    assert {"a": Outcome.RELEASED, "b": Outcome.HELD_IDENTITY_CONFLICT} == places(tables)
    assert ([1], 0, Waits.BARE) == ([n.exposed[0] for n in tables.sent], joined(tables), standing.waits)
    assert {an_id("b"): Unsettled.IDENTITY_CONFLICT} == tables.listed()
    assert 0 == sum(count for (_, _, counter), count in tables.counts.items() if counter == CONFLICTING)


def test_of_those_who_all_say_nothing_the_oldest_is_told() -> None:
    """Whether the others are the same person nobody can tell; the same facts again are not merged either."""
    tables = after([a_member("a"), a_member("b", at=2000)], [a_member("c", at=3000, exposed=2)], ruled=HOLD)

    assert {"a": Outcome.RELEASED} | dict.fromkeys("bc", Outcome.HELD_IDENTITY_CONFLICT) == places(tables)


def test_nobody_joins_who_was_told_by_records_that_say_nothing() -> None:
    """Whether somebody with a name is who was told cannot be told: held, and not told the same again."""
    tables = after([a_member("a")], [a_member("c", at=2000, said=NAMED, exposed=2)], ruled=HOLD)

    assert {"a": Outcome.RELEASED, "c": Outcome.HELD_IDENTITY_CONFLICT} == places(tables)


def test_a_record_that_says_more_is_held_no_more() -> None:
    """It agrees now: its news goes out."""
    tables = after([a_member("a", said=NAMED)], [a_member("b", at=2000, exposed=2)], ruled=HOLD)
    tables.take([a_block([(PERSON, a_member("b", version=2, at=2000, exposed=2, said=NAMED))])], HOLD)

    assert {"a": Outcome.RELEASED, "b": Outcome.RELEASED} == places(tables)


def test_another_policy_frees_them() -> None:
    """They join, and are counted from then on; who was told together before a stricter one stays so."""
    tables = after([a_member("a", said=NAMED)], [a_member("b", at=2000, exposed=2)], ruled=HOLD)
    tables.look_again(terms())
    freed = places(tables), joined(tables)
    tables.look_again(HOLD)

    assert ({"a": Outcome.RELEASED, "b": Outcome.RELEASED}, 1) == freed == (places(tables), joined(tables))


@settings(max_examples=100, deadline=None)
@given(
    versions=st.lists(st.one_of(free_versions(), free_versions().map(unsaid)), max_size=8),
    controls=st.lists(CONTROLS, min_size=1, max_size=4),
    hold=st.booleans(),
)
def test_the_figure_is_what_the_rows_come_to(versions: list[Member], controls: list[Control], *, hold: bool) -> None:
    """Whatever comes in whatever steps: only bare ones are counted, and nobody is held for it who says who they are.

    But for those who cannot be told from whoever was told by records that say nothing.
    """
    tables = Tables()
    for number, member in enumerate(versions):
        ruled = under(controls[number % len(controls)]._replace(hold_bare=hold))
        tables.take([a_block([(PERSON, member)])], ruled)
        tables.look_again(ruled)
        dossier = tables.dossiers[PERSON]

        assert joined(tables) == sum(one.joined for one in dossier.standings.values())
        assert all(is_bare(dossier.members[m].witnesses) for m, one in dossier.standings.items() if one.joined)
        told = {one.told_with for one in dossier.standings.values() if one.told_with}
        assert not any(
            one.waits == Waits.BARE and not is_bare(dossier.members[m].witnesses) and not told
            for m, one in dossier.standings.items()
        )
