"""Joins what is heard of notices with what is known of them: rows, what stands beside them, and figures."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import islice
from typing import Final, NamedTuple

from services.core.receipts import Consequence, Receipt
from services.kit.postgres import Connection
from services.tracking.domain import Deltas, Finding
from services.tracking.histories import History, Standing, history_of, moved
from services.tracking.store import Store

__all__ = ["Joining"]

# Events at once, so that a transaction of many full blocks takes no more memory than one of them: some 6 MB.
_AT_ONCE: Final = 2048


class _Move(NamedTuple):
    """What is known of a notice now, and what it came to before and comes to since."""

    known: History
    history: History
    before: Standing
    after: Standing


class Joining:
    """Writes in the stage's transaction, which holds notices: nobody else writes of them until it ends."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def join(
        self, connection: Connection, heard: Iterable[Finding | Receipt], source: str, deltas: Deltas
    ) -> list[Consequence]:
        """Join what was heard with what is known, add to `deltas` what moved, and return what follows since.

        The statements are the same for one event and for thousands.
        """
        rest = iter(heard)
        found: list[Consequence] = []
        while some := list(islice(rest, _AT_ONCE)):
            found += await self._join(connection, _histories_of(some), source, deltas)
        return found

    async def _join(
        self, connection: Connection, new: Mapping[bytes, History], source: str, deltas: Deltas
    ) -> list[Consequence]:
        known, own = await self._store.read_histories(connection, new)
        pairs = [(known.get(notice, History(notice)), one) for notice, one in new.items()]
        moves = [
            _Move(before, after, before.standing(), after.standing())
            for before, one in pairs
            if (after := before.joined(one)) != before
        ]
        if moves:
            await self._write(connection, moves, own, known)
            await self._write_heard(connection, moves)
        found: list[Consequence] = []
        for move in moves:
            moved(deltas, source, move.before, move.after)
            found += sorted(move.after.consequences - move.before.consequences)
        return found

    async def _write(
        self, connection: Connection, moves: Sequence[_Move], own: Collection[bytes], known: Collection[bytes]
    ) -> None:
        """Write the rows of notices of which their rows, or their blocks, do not say where they stand now."""
        moves = [one for one in moves if one.after.finding != one.before.finding or one.history.notice not in known]
        findings = [one.after.finding for one in moves]
        numbers = await self._store.number_cohorts(connection, {finding.scope for finding in findings})
        if there := [finding for finding in findings if finding.notice in own]:
            await self._store.change_notices(connection, there, numbers)
        if fresh := [finding for finding in findings if finding.notice not in own]:
            await self._store.add_notices(connection, fresh, numbers)
        if heard_first := [finding for finding in fresh if finding.notice not in known]:
            await self._store.add_known(connection, heard_first)

    async def _write_heard(self, connection: Connection, moves: Sequence[_Move]) -> None:
        """Write what was heard beyond rows and blocks, and was not known."""
        steps = [(one.history.notice, *step) for one in moves if one.after.needs_steps for step in one.history.steps]
        receipts = [receipt for one in moves for receipt in one.history.receipts - one.known.receipts]
        if steps:
            await self._store.add_steps(connection, steps)
        if receipts:
            await self._store.add_receipts(connection, receipts)


def _histories_of(heard: Iterable[Finding | Receipt]) -> dict[bytes, History]:
    """Return what was heard by notice."""
    found: dict[bytes, History] = {}
    for one in heard:
        more = history_of(one) if isinstance(one, Finding) else History(one.notice, receipts=frozenset({one}))
        before = found.get(one.notice)
        found[one.notice] = before.joined(more) if before else more
    return found
