"""What is written down of people, and read back: most first notices have no row of their own."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.core.channel import Channel
from services.core.notices import FLAG_NOT_AT_ADDRESS, FLAG_RETRACTED, FLAG_WITHDRAWN
from services.deduplication.batch import decide_batch
from services.deduplication.domain import Course, Member, Terms
from services.deduplication.dossier import Dossier, decide
from services.deduplication.packing import packed_members
from services.deduplication.rows import Row
from tests.unit.deduplication.builders import IDS, a_block, a_member, an_id, terms
from tests.unit.deduplication.memory import Tables, as_decided
from tests.unit.deduplication.test_withdrawals import taken_back

PERSON = an_id("p")
FIRST = IDS.of(PERSON, 1)
WAITING = terms(released=())


class Written(Tables):
    """Tables of one pseudonym, with what its notices have for rows."""

    def hears(self, *members: Member, under: Terms = terms()) -> Sequence[tuple[int, int, int, bool]]:  # noqa: B008 - frozen
        """Take a block; return (revision, version, facts, void) of each row of a notice that it writes."""
        return self._claimed(self.take([a_block([(PERSON, m) for m in members])], under).claims)

    def comes_to(self, course: Course) -> Sequence[tuple[int, int, int, bool]]:
        """Hear how far the first notice has come; return what is written."""
        return self._claimed(self.hear({FIRST: course}, terms()).claims)

    @staticmethod
    def _claimed(rows: Sequence[Row]) -> list[tuple[int, int, int, bool]]:
        return [(row[1], row[4], row[5], row[8]) for row in rows]

    @property
    def is_implied(self) -> bool:
        """Whether the first notice is read from its bearer's row."""
        return self.dossiers[PERSON].implied


def test_a_first_notice_has_no_row() -> None:
    """Whoever is told at once, and whoever waited for a release: the notice is known by its bearer's row."""
    at_once, waited = Written(), Written()
    rows = [*at_once.hears(a_member("a")), *waited.hears(a_member("a"), under=WAITING)]
    rows += waited.look_again(terms()).claims

    assert [] == rows
    assert [[FIRST]] * 2 == [[claim.notice for claim in one.dossiers[PERSON].claims] for one in (at_once, waited)]


def test_who_comes_later_leaves_it_so() -> None:
    """A member that says the same is merged, one with news bears a second notice, and that alone has a row."""
    written = Written()
    written.hears(a_member("a"))

    assert [] == written.hears(a_member("b", at=2))
    assert [(2, 1, 3, False)] == written.hears(a_member("c", at=3, exposed=2))
    assert written.is_implied


@pytest.mark.parametrize(
    ("arrives", "void"),
    [
        (a_member("a", version=2, exposed=4), False),
        (a_member("a", version=2, channels=Channel.EMAIL), False),
        (taken_back("a"), False),
        (a_member("a", version=2, flags=FLAG_RETRACTED), True),
    ],
    ids=["other facts", "another address", "withdrawn", "somebody else"],
)
def test_it_gets_a_row_before_its_bearer_says_something_else(arrives: Member, void: bool) -> None:  # noqa: FBT001 - drawn
    """What was told is what the bearer said then, in the version of then."""
    written = Written()
    written.hears(a_member("a"))

    assert (1, 1, 1, void) in written.hears(arrives)
    assert not written.is_implied


@pytest.mark.parametrize("course", [Course.BEGUN, Course.STOPPED])
def test_it_gets_a_row_once_it_is_heard_how_far_it_came(course: Course) -> None:
    """Begun or stopped, whoever bears it: the bearer's row has no place for that."""
    written = Written()
    written.hears(a_member("a"))

    assert (1, 1, 1, course == Course.STOPPED) in written.comes_to(course)
    assert not written.is_implied


def test_what_has_a_row_keeps_it() -> None:
    """A bearer that says again what it was told with is no reason to write it twice, or to take the row away."""
    written = Written()
    written.hears(a_member("a"))
    written.comes_to(Course.BEGUN)

    assert ([], []) == (written.hears(a_member("a", version=2)), written.hears(a_member("b", at=3)))
    assert not written.is_implied


def test_a_first_notice_of_two_records_has_a_row() -> None:
    """It says more than its bearer does."""
    assert [(1, 1, 3, False)] == Written().hears(a_member("a"), a_member("b", exposed=2))


FLAGS = st.sampled_from([0, 0, 0, FLAG_RETRACTED, FLAG_WITHDRAWN])
SAYINGS = st.builds(
    lambda name, version, exposed, flags: a_member(
        name, version=version, exposed=0 if flags else exposed, channels=0 if flags else Channel.LETTER, flags=flags
    ),
    st.sampled_from("abc"),
    st.integers(1, 3),
    st.integers(1, 3),
    FLAGS,
)
EVENTS = st.one_of(SAYINGS, st.sampled_from(Course), st.sampled_from([terms(), WAITING]))


@settings(max_examples=300, deadline=None)
@given(st.lists(EVENTS, min_size=2, max_size=8))
def test_what_is_read_back_is_what_was_decided(events: Sequence[Member | Course | Terms]) -> None:
    """Whatever happens to somebody: claims and members are the same as if nothing were left out of the tables."""
    tables, dossier, said = Tables(), Dossier.unknown(PERSON, 0), set[tuple[bytes, int]]()
    for event in events:
        if isinstance(event, Member) and (event.member, event.version) not in said:
            said.add((event.member, event.version))
            tables.take([a_block([(PERSON, event)])], terms())
            dossier = decide(dossier, [[event]], terms()).dossier
        elif isinstance(event, Course):
            heard = {claim.notice: event for claim in dossier.claims}
            tables.hear(heard, terms())
            dossier = decide(dossier, [()], terms(), heard).dossier
        elif isinstance(event, Terms):
            tables.look_again(event)
            dossier = decide(dossier, [()], event).dossier
        found = tables.dossiers.get(PERSON, Dossier.unknown(PERSON, 0))

        assert as_decided(dossier) == as_decided(found)


@pytest.mark.parametrize(
    "under", [terms(), WAITING, terms(usable=Channel.LETTER)], ids=["told", "waiting", "by letter"]
)
def test_columns_are_packed_as_rows_are(under: Terms) -> None:
    """People who are new in a block come to the same bytes as one by one, in the order of their persons."""
    said = [(1, 1), (3, 1), (2, 0)]
    members = [
        a_member(f"{flags}-{channels}-{exposed}", exposed=exposed, confirmed=sure, channels=channels, flags=flags)
        for flags in (0, FLAG_RETRACTED, FLAG_NOT_AT_ADDRESS)
        for channels in (0, Channel.LETTER, Channel.EMAIL)
        for exposed, sure in said
    ]
    block, cohort = a_block((one.member[::-1], one) for one in members)
    moved = replace(block, pseudonyms=[an_id("other"), *block.persons[1:]])
    for one in (block, moved):
        (new,) = decide_batch([(one, cohort)], {}, under).new

        packed = packed_members(7, [], [new])
        assert sorted(packed_members(7, new.rows(), [])) == packed == sorted(packed)
        assert sorted(block.persons) == [row[6:22] for row in packed]
