"""`heraut ledger --recount` in tracking: from the rows alone, whatever is kept in blocks and whatever beside them."""

from collections.abc import Mapping

import pytest

from services.cli.recount import recount
from services.core.channel import Channel
from services.core.ledger import COUNTERS
from services.core.receipts import ReceiptKind
from services.kit.postgres import Connection
from services.kit.stage.totals import sum_totals
from services.tracking.store import Store
from tests.integration.tracking.test_handlers import (
    ACCEPTED,
    REFUSED,
    UNKNOWN,
    Room,
    attempted,
    exhausted,
    received,
    room,
    superseded,
)

__all__ = ["room"]  # the fixture

Odd = Mapping[tuple[str, str], int]


async def _hear_all_kinds(room: Room) -> None:
    """Hear of two blocks of forty, of different states, and of some of them what stands beside a block."""
    await room.hear(attempted(dict.fromkeys(range(40), ACCEPTED), channel="email"))
    await room.hear(attempted({n: ACCEPTED if n % 2 else UNKNOWN for n in range(40, 80)}, cohort="d"))
    await room.hear(received([1, 2], ReceiptKind.BOUNCED), received([3], ReceiptKind.DELIVERED), superseded([5, 6]))
    await room.hear(received([4], ReceiptKind.COMPLAINED), attempted({2: ACCEPTED}, attempt=2))
    await room.hear(received([42], ReceiptKind.DELIVERED, channel=Channel.LETTER))
    await room.hear(attempted({90: REFUSED}, channel="email"), exhausted([90, 91]))


_IN_BLOCK_TWO = {("lab/d", "notified"): 20, ("lab/d", "notices_settled"): 20, ("lab/d", "accepted_letter"): 20}
_TWICE = """
    insert into blocks (first, at, channel, cohorts, revisions, attempts, states, notices, members)
    select 9000, at, channel, cohorts, revisions, attempts, states, notices, members from blocks where first = 0
"""
_SHORTER = """
    update blocks set notices = substring(notices for 39 * 16), states = substring(states for 39 * 4) where first = 40
"""
# What is done to rows and figures, and by how much rows differ from figures then.
BENT: Mapping[str, tuple[str, Odd]] = {
    "nothing": ("select 1", {}),
    "a block is gone": (
        "delete from blocks where first = 40",
        {figure: -count for figure, count in _IN_BLOCK_TWO.items()},
    ),
    "a block stands twice": (
        _TWICE,  # four of its notices have rows of their own, which stand once
        {
            ("lab/c", "notified"): 36,
            ("lab/c", "notices_settled"): 36,
            ("lab/c", "accepted_email"): 36,
            ("lab/c", "complaints"): 1,
        },
    ),
    "a block says another state": (
        "update blocks set states = '\\x00000002' where first = 40",
        {
            ("lab/d", "notified"): -20,
            ("lab/d", "exhausted"): 39,
            ("lab/d", "notices_settled"): 19,
            ("lab/d", "accepted_letter"): -20,
        },
    ),
    "a block lacks its last notice": (
        _SHORTER,
        {("lab/d", "notified"): -1, ("lab/d", "notices_settled"): -1, ("lab/d", "accepted_letter"): -1},
    ),
    "a cohort is gone": (
        "delete from cohorts where scope = 'lab/d'",
        {
            (scope, figure): sign * (count + 1)
            for (_, figure), count in _IN_BLOCK_TWO.items()
            for scope, sign in (("lab/d", -1), ("?/2", 1))
        },
    ),
    "rows are gone": ("delete from notices where mark % 2 = 1", {("lab/c", "notified"): 2}),
    "rows are of another cohort": (
        "update notices set cohort = 2 where mark % 2 = 1",
        {
            ("lab/c", "notices_settled"): -2,
            ("lab/c", "accepted_email"): -2,
            ("lab/d", "notices_settled"): 2,
            ("lab/d", "accepted_email"): 2,
        },
    ),
    "steps are gone": ("delete from steps", {("lab/c", "accepted_email"): -2, ("lab/c", "bounced"): -2}),
    "the receipt of a row is gone": (
        "delete from receipts where kind = 90 and notice = (select notice from notices where state = 7)",
        {("lab/c", "notified"): 1, ("lab/c", "notices_settled"): 1, ("lab/c", "bounced"): -1},
    ),
    "the receipt of a block's notice is gone": ("delete from receipts where kind = 70", {("lab/c", "complaints"): -1}),
    "the receipt of an unknown hand-over is gone": (
        "delete from receipts where channel = 4",
        {("lab/d", "notified"): -1, ("lab/d", "notices_settled"): -1, ("lab/d", "accepted_letter"): -1},
    ),
    "a refusal is gone": ("delete from refusals", {("lab/c", "refused_email"): -1}),
} | {
    f"a figure was bent: {name}": (
        f"update totals set counts[{at}] = counts[{at}] + 7 where scope = 'lab/c'",
        {("lab/c", name): -7},
    )
    for at, name in enumerate(COUNTERS["tracking"], 1)
}


async def _odd(connection: Connection) -> Odd:
    """Return by how much rows and figures differ, and where."""
    counted = await sum_totals(connection, "", COUNTERS["tracking"])
    rows = await Store().recount(connection, None)
    odd: dict[tuple[str, str], int] = {}
    for scope in counted.keys() | rows.keys():
        for figure in COUNTERS["tracking"]:
            of_rows = rows[scope][figure] if scope in rows else 0
            odd[scope, figure] = of_rows - (counted[scope][figure] if scope in counted else 0)
    return {which: difference for which, difference in odd.items() if difference}


async def test_each_kind_of_odd_figure_is_found_and_no_other(room: Room) -> None:
    """Whatever is lost, doubled or bent, in blocks of many or beside them: its figures differ, and by how much."""
    await _hear_all_kinds(room)
    found = {}
    async with room.pool.acquire() as connection:
        for kind, (statement, _) in BENT.items():
            transaction = connection.transaction()
            await transaction.start()
            await connection.execute(statement)
            found[kind] = await _odd(connection)
            await transaction.rollback()

    assert {kind: odd for kind, (_, odd) in BENT.items()} == found


@pytest.mark.parametrize("kind", [ReceiptKind.DELIVERED, ReceiptKind.BOUNCED])
async def test_more_than_is_held_at_once_is_counted_piece_by_piece(
    room: Room, database_url: str, kind: ReceiptKind
) -> None:
    """Thousands with receipts, in their blocks or with rows of their own: each once, as when they were heard."""
    people = range(2500)
    await room.hear(attempted(dict.fromkeys(people[:2048], ACCEPTED), channel="email"))
    await room.hear(attempted(dict.fromkeys(people[2048:], ACCEPTED), channel="email"))
    await room.hear(received(people[:2000], kind), received(people[1000:], kind))

    told = 0 if kind == ReceiptKind.BOUNCED else 2500
    figures = await room.figures()
    assert (told, 2500) == (figures.get("notified", 0), figures["accepted_email"])
    assert [] == [str(one) for one in await recount(database_url) if not one.agrees]
