"""Routing decides: every notice once, the first channel that is left, and never one that it must not take."""

from collections import Counter
from copy import deepcopy
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.channel import ALL_CHANNELS, CHANNELS, TO_THE_ADDRESS, Channel
from services.core.notices import BLOCK_ENTRIES, FLAG_MAYBE_TOLD, FLAG_NOT_AT_ADDRESS, FLAG_SECRET_ADDRESS, Notices
from services.routing.domain import choices_of, for_want_of_closed, one_way, packed, passed_over, route

PORTAL, EMAIL, LETTER = ALL = Channel.PORTAL, Channel.EMAIL, Channel.LETTER
ORDERS = st.permutations(CHANNELS).flatmap(lambda order: st.integers(1, len(order)).map(lambda n: tuple(order[:n])))
COMPROMISED = st.sets(st.sampled_from(CHANNELS)).map(frozenset)
# What a notice's situation is made of: sets of channels, flags with bits that routing knows nothing of.
SETS = st.integers(0, ALL_CHANNELS)
SITUATIONS = st.tuples(SETS, SETS, st.integers(0, 15), st.integers(0, 3))


def allowed(channels: tuple[Channel, ...], compromised: frozenset[Channel]) -> tuple[Channel, ...]:
    """Return the channels that a document lets notices take."""
    return tuple(channel for channel in channels if channel not in compromised)


def notices_of(situations: list[tuple[int, int, int, int]], incident_id: str = "lab", version: int = 1) -> Notices:
    """Return a block of notices in these situations: channels, tried, flags, attempts; other values tell the row."""
    rows = range(len(situations))
    ids = [row.to_bytes(16, "big") for row in rows]
    return Notices(
        incident_id,
        version,
        ids=ids,
        members=[b"m" + i[1:] for i in ids],
        versions=[row + 1 for row in rows],
        slots=[row + 70_000 for row in rows],
        pseudonyms=[b"p" + i[1:] for i in ids],
        revisions=[1 for _ in rows],
        supersedes=[b"" for _ in rows],
        exposed=list(rows),
        confirmed=[0 for _ in rows],
        told_exposed=[0 for _ in rows],
        told_confirmed=[0 for _ in rows],
        channels=[s[0] for s in situations],
        flags=[s[2] for s in situations],
        languages=["nl" for _ in rows],
        cohorts=[f"c{row % 3}" for row in rows],
        accepted_at=list(rows),
        attempts=[s[3] for s in situations],
        tried=[s[1] for s in situations],
        carriers=[(f"c{row % 3}",) for row in rows],
    )


def rows_of(notices: Notices) -> list[tuple[object, ...]]:
    """Return the notices one by one, without the number of the attempt."""
    columns = [
        getattr(notices, name) for name in ("ids", "members", "versions", "slots", "pseudonyms", "exposed", "channels")
    ]
    return list(zip(*columns, notices.flags, notices.cohorts, notices.accepted_at, notices.tried, strict=True))


@given(st.lists(SITUATIONS, max_size=40), ORDERS, COMPROMISED)
def test_every_notice_comes_out_exactly_once(
    situations: list[tuple[int, int, int, int]], order: tuple[Channel, ...], compromised: frozenset[Channel]
) -> None:
    """No notice is lost, doubled or mixed with another, whatever its situation."""
    notices = notices_of(situations)

    out = [row for _, part in route(notices, choices_of(allowed(order, compromised))) for row in rows_of(part)]

    assert sorted(rows_of(notices)) == sorted(out)


@given(st.lists(SITUATIONS, min_size=1, max_size=40), ORDERS, COMPROMISED)
def test_a_notice_takes_the_first_channel_that_it_may(
    situations: list[tuple[int, int, int, int]], order: tuple[Channel, ...], compromised: frozenset[Channel]
) -> None:
    """The channel is the incident's first that is safe, that there is data for and that did not refuse."""
    notices = notices_of(situations)

    for channel, part in route(notices, choices_of(allowed(order, compromised))):
        for has, tried, flags in zip(part.channels, part.tried, part.flags, strict=True):
            away = bool(flags & FLAG_NOT_AT_ADDRESS)
            usable = [
                one
                for one in order
                if one not in compromised and has & one and not tried & one and not (away and one & TO_THE_ADDRESS)
            ]
            assert (usable[0] if usable else None) is channel


@given(st.lists(SITUATIONS, min_size=1, max_size=8), ORDERS, st.sets(st.sampled_from(CHANNELS)))
def test_notices_that_go_one_way_go_where_each_of_them_would(
    situations: list[tuple[int, int, int, int]], order: tuple[Channel, ...], closed: set[Channel]
) -> None:
    """A look at what decides says the same as reading them, or that they have to be read."""
    choices = choices_of(order, ALL_CHANNELS & ~sum(closed))
    found = one_way({situation[:3] for situation in situations}, choices)
    ways = [channel for channel, _ in route(notices_of(situations), choices)]

    assert (ways[0] if len(ways) == 1 and not choices.closed else None) is found


@given(st.lists(SITUATIONS, min_size=1, max_size=20), ORDERS)
def test_only_a_notice_that_goes_out_gets_another_attempt(
    situations: list[tuple[int, int, int, int]], order: tuple[Channel, ...]
) -> None:
    """The attempt is numbered from the one before; an exhausted notice keeps the number of its last."""
    notices = notices_of(situations)
    before = dict(zip(notices.ids, notices.attempts, strict=True))

    for channel, part in route(notices, choices_of(order)):
        assert [before[i] + (channel is not None) for i in part.ids] == part.attempts


@given(st.lists(SITUATIONS, max_size=20))
def test_a_block_can_be_routed_again_with_the_same_result(situations: list[tuple[int, int, int, int]]) -> None:
    """Deciding changes nothing of the block, so a transaction that is tried again numbers no attempt twice."""
    notices = notices_of(situations)
    kept = deepcopy(notices)
    choices = choices_of(ALL)
    first = [(channel, list(packed([part]))) for channel, part in route(notices, choices)]

    assert kept == notices
    assert first == [(channel, list(packed([part]))) for channel, part in route(notices, choices)]


@pytest.mark.parametrize(
    ("has", "tried", "flags", "expected"),
    [
        (PORTAL | EMAIL | LETTER, 0, 0, PORTAL),
        (PORTAL | EMAIL | LETTER, PORTAL, 0, EMAIL),  # refused once: the next one
        (PORTAL | EMAIL | LETTER, PORTAL | EMAIL, FLAG_SECRET_ADDRESS, LETTER),  # a secret address gets its letter
        (PORTAL | LETTER, PORTAL, FLAG_NOT_AT_ADDRESS, None),  # nobody there to open it
        (LETTER, LETTER, 0, None),
        (0, 0, 0, None),
        (128 | LETTER, 0, 0, LETTER),  # a channel of a later version of Heraut is not a reason to fail
    ],
)
def test_a_refusal_leads_to_the_next_channel(has: int, tried: int, flags: int, expected: Channel | None) -> None:
    """The cascade goes down the incident's order and ends."""
    notices = notices_of([(has, tried, flags, 1)])

    assert [expected] == [channel for channel, _ in route(notices, choices_of(ALL))]


@given(st.lists(st.tuples(st.integers(0, 1300), st.sampled_from(["lab", "shop"]), st.integers(1, 2)), max_size=5))
def test_packing_keeps_every_notice_and_mixes_no_incident_versions(parts: list[tuple[int, str, int]]) -> None:
    """Blocks are as full as they may be, and each is of one incident version."""
    made = [notices_of([(4, 0, 0, 0)] * size, incident, version) for size, incident, version in parts]

    blocks = list(packed(made))

    wanted = [(part.incident_id, part.incident_version, row) for part in made for row in rows_of(part)]
    assert sorted(wanted) == sorted((b.incident_id, b.incident_version, row) for b in blocks for row in rows_of(b))
    assert all(0 < len(block) <= BLOCK_ENTRIES for block in blocks)


@pytest.mark.parametrize(
    ("channels", "flags", "attempts", "expected"),
    [
        (EMAIL | LETTER, FLAG_MAYBE_TOLD, 1, LETTER),  # another way is left: it is taken
        (EMAIL, FLAG_MAYBE_TOLD, 1, EMAIL),  # none is: told twice is better than never
        (EMAIL | LETTER, FLAG_MAYBE_TOLD | FLAG_NOT_AT_ADDRESS, 1, EMAIL),
        (EMAIL, FLAG_MAYBE_TOLD, 4, None),  # a mail server that never answers is not asked for ever
        (EMAIL, 0, 1, None),  # a refusal is an answer
    ],
)
def test_an_email_that_ended_unknown_is_repeated_where_nothing_else_is_left(
    channels: int, flags: int, attempts: int, expected: Channel | None
) -> None:
    """Whoever can be reached by e-mail alone is not given up on because an answer was lost."""
    notices = notices_of([(channels, int(EMAIL), flags, attempts)])

    assert [expected] == [way for way, _ in route(notices, choices_of(ALL))]


def test_an_email_is_not_repeated_over_a_compromised_channel() -> None:
    """What the incident forbids stays forbidden."""
    notices = notices_of([(int(EMAIL), int(EMAIL), FLAG_MAYBE_TOLD, 1)])
    choices = choices_of((PORTAL, LETTER))

    assert [None] == [way for way, _ in route(notices, choices)]


NEWEST = st.integers(0, ALL_CHANNELS)  # what the newest version still allows


@given(st.lists(SITUATIONS, min_size=1, max_size=40), ORDERS, NEWEST)
def test_nobody_takes_a_closed_channel_or_comes_back_to_it(
    situations: list[tuple[int, int, int, int]], order: tuple[Channel, ...], newest: int
) -> None:
    """Each takes the first that is open; once that refuses, nothing that was passed over, open again or not."""
    notices = notices_of(situations)
    choices = choices_of(order, newest)

    for channel, part in route(notices, choices):
        if channel is None:
            continue
        before = [one for one in order[: order.index(channel)] if not one & newest]
        assert channel & newest
        refused = replace(part, tried=[tried | channel for tried in part.tried])
        for following, rest in route(refused, choices_of(order)):
            # Where nothing else is left, an e-mail that ended unknown is made again: that is no return.
            again = [row for row, flags in enumerate(rest.flags) if flags & FLAG_MAYBE_TOLD]
            assert following not in before or following is None or len(again) == len(rest)


@given(st.lists(SITUATIONS, min_size=1, max_size=40), ORDERS, NEWEST)
def test_what_a_closed_channel_costs_is_counted_and_named(
    situations: list[tuple[int, int, int, int]], order: tuple[Channel, ...], newest: int
) -> None:
    """Whose next channel is closed is counted by it; who is given up for want of one is told from the others."""
    notices = notices_of(situations)
    closed = [channel for channel in order if not channel & newest]
    unclosed = [way for way, part in route(notices, choices_of(order)) for _ in part.ids if way in closed]
    choices = choices_of(order, newest)

    assert Counter(unclosed) == passed_over(notices, choices_of(order), choices)
    for way, part in route(notices, choices):
        if way is None:
            wanting = [
                row for row, (c, t) in enumerate(zip(part.channels, part.tried, strict=True)) if c & ~t & sum(closed)
            ]
            assert wanting == for_want_of_closed(part, choices)


def test_an_opened_channel_takes_whoever_did_not_pass_it() -> None:
    """A channel that was closed below the one that was taken, and is open again, is the next one as before."""
    notices = notices_of([(PORTAL | LETTER, 0, 0, 0)])
    ((first, part),) = route(notices, choices_of(ALL, int(PORTAL | EMAIL)))
    part.tried = [int(PORTAL)]

    assert (PORTAL, [LETTER]) == (first, [way for way, _ in route(part, choices_of(ALL))])
