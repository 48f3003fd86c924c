"""The table of first decisions is the rules: over every channel and flag that there is, and one more of each."""

from collections.abc import Callable, Iterator
from itertools import product

import pytest

from services.core.channel import ALL_CHANNELS, CHANNEL_BITS, CHANNELS
from services.core.ledger import BARE_JOINED, CONFLICTING, COUNTERS, HoldReason
from services.core.notices import MEMBER_FLAG_BITS, MEMBER_FLAGS
from services.deduplication import standings
from services.deduplication.batch import decide_batch
from services.deduplication.domain import COUNTED_AS, Member, Outcome, Standing, Waits
from services.deduplication.dossier import Dossier, decide
from services.deduplication.standings import first_standings, looked_up
from tests.unit.deduplication.builders import a_block, a_member, an_id, terms

PERSON = an_id("p")


def _sets(bits: int) -> Iterator[tuple[int, int]]:
    """Return every set of flags with every set of channels, in so many bits each beyond those of today."""
    return product(range(1 << MEMBER_FLAG_BITS + bits), range(1 << CHANNEL_BITS + bits))


def _by_the_rules(flags: int, channels: int, *, usable: int, released: bool) -> Standing:
    member = a_member("m", cohort=1, channels=channels, flags=flags)
    under = terms(usable=usable, released={1} if released else ())
    return decide(Dossier.unknown(PERSON, 0), [[member]], under).dossier.standings[member.member]


@pytest.mark.parametrize("released", [True, False], ids=["released", "held"])
@pytest.mark.parametrize("more", [0, 1], ids=["as-it-is", "one-more-channel-and-flag"])
def test_the_table_says_what_the_rules_say(more: int, released: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """No fact is read as another: not one of today's, and not one of a channel or a flag that is still to come."""
    for usable in range(1 << CHANNEL_BITS + more):
        table = first_standings(
            usable, released=released, channel_bits=CHANNEL_BITS + more, flag_bits=MEMBER_FLAG_BITS + more
        )
        flags, channels = zip(*_sets(more), strict=True)

        found = looked_up(table, flags, channels)

        assert [_by_the_rules(*one, usable=usable, released=released) for one in _sets(more)] == found


@pytest.mark.parametrize("released", [True, False], ids=["released", "held"])
def test_a_block_of_new_people_is_decided_as_the_rules_say(released: bool) -> None:  # noqa: FBT001 - as above
    """Whole blocks: all that intake may say of channels and flags, under every set of channels that may be used."""
    said = [(f, c) for f, c in _sets(0) if not f & ~MEMBER_FLAGS and not c & ~ALL_CHANNELS]
    members = [a_member(f"{f}-{c}", cohort=1, channels=c, flags=f) for f, c in said]
    block, cohort = a_block((one.member, one) for one in members)
    for usable in range(ALL_CHANNELS + 1):
        effects = decide_batch([(block, cohort)], {}, terms(usable=usable, released={1} if released else ()))

        assert [_by_the_rules(*one, usable=usable, released=released) for one in said] == [
            Standing._make(row[4 + len(Member._fields) :]) for new in effects.new for row in new.rows()
        ]


def test_everybody_new_in_a_cancelled_cohort_is_withdrawn() -> None:
    """Blocks that were on their way when the cohort was cancelled: whatever they say, nobody is told by them."""
    table = first_standings(ALL_CHANNELS, released=False, cancelled=True)
    outcomes = {standing for row in table for standing in row}

    assert {Standing(Outcome.WITHDRAWN), Standing(Outcome.RETRACTED)} == outcomes


def test_nobody_new_in_a_paused_cohort_is_released() -> None:
    """Blocks that come while the cohort is paused: who may be told but for that is held, and marked for its end."""
    free, still = (first_standings(ALL_CHANNELS, released=True, paused=paused) for paused in (False, True))
    held = Standing(Outcome.HELD_PAUSED, Waits.PAUSE, ALL_CHANNELS)

    assert [[held if s.outcome == Outcome.RELEASED else s for s in row] for row in free] == still


@pytest.mark.parametrize(
    "ask", [bool, str, hash, lambda of: of == "nl", lambda of: of in {"nl", "en"}, lambda of: of > 1]
)
def test_a_rule_cannot_ask_for_what_the_table_has_no_place_for(ask: Callable[[object], object]) -> None:
    """Nearly everybody is decided by the table: a rule on anything else than its keys must not be missed there."""
    with pytest.raises(TypeError, match="widen"):
        ask(standings._Unasked())


def test_a_bit_that_the_table_has_not_is_an_error() -> None:
    """A channel or a flag beyond the table is never read as another one."""
    table = first_standings(ALL_CHANNELS, released=True)

    for flags, channels in ((1 << MEMBER_FLAG_BITS, 0), (0, 1 << CHANNEL_BITS)):
        with pytest.raises(IndexError):
            looked_up(table, [flags], [channels])


def test_the_table_has_room_for_every_channel_and_flag() -> None:
    """The width follows from the types: nobody has to remember it."""
    table = first_standings(ALL_CHANNELS, released=True)

    assert len(table) > MEMBER_FLAGS
    assert all(len(row) > max(CHANNELS, default=0) | ALL_CHANNELS for row in table)


def test_stored_outcomes_keep_their_numbers() -> None:
    """A row that was written as one outcome is never read as another; what is new gets the next number."""
    stored = (
        "RELEASED",
        "MERGED",
        "SUPPRESSED",
        "HELD_UNRELEASED",
        "HELD_UNREACHABLE",
        "HELD_NOT_AT_ADDRESS",
        "RETRACTED",
        "HELD_IDENTITY_CONFLICT",
        "WITHDRAWN",
        "HELD_DECEASED_CONFLICT",
        "TAKEN_BACK",
        "HELD_PAUSED",
        "UNCORRECTED",
    )

    assert stored == tuple(outcome.name for outcome in sorted(Outcome))


def test_every_place_but_retracted_is_counted_once() -> None:
    """Each outcome has a counter of its own, and no counter is without one but the figure that stands beside them."""
    assert set(Outcome) - {Outcome.RETRACTED} == COUNTED_AS.keys()
    assert sorted(COUNTERS["deduplication"]) == sorted({*COUNTED_AS.values(), CONFLICTING, BARE_JOINED})
    assert {reason.counter for reason in HoldReason if reason.stage == "deduplication"} == {
        counter for outcome, counter in COUNTED_AS.items() if Outcome(outcome).name.startswith("HELD_")
    }
