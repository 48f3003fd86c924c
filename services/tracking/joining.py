"""Joins what is heard of notices with what is known of them: rows, what stands beside them, and figures."""

from collections.abc import Collection, Iterable, Mapping

from services.core.receipts import Consequence, Receipt
from services.kit.postgres import Connection
from services.tracking.domain import Deltas, Finding
from services.tracking.histories import History, history_of, moved
from services.tracking.store import Store

__all__ = ["Joining", "histories_of"]

Moves = list[tuple[History, History]]  # of each notice what was known, and what is known now


class Joining:
    """Writes in the stage's transaction, which holds notices: nobody else writes of them until it ends."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def join(
        self, connection: Connection, new: Mapping[bytes, History], source: str, deltas: Deltas
    ) -> list[Consequence]:
        """Join `new` with what is known, add to `deltas` what moved, and return what follows that did not before."""
        known, own = await self._store.read_histories(connection, new)
        moves = [(known.get(notice, History(notice)), one) for notice, one in new.items()]
        changed = [(before, after) for before, one in moves if (after := before.joined(one)) != before]
        await self._write(connection, changed, own, known)
        await self._store.add_heard(connection, [after for _, after in changed])
        found: list[Consequence] = []
        for before, after in changed:
            moved(deltas, source, before, after)
            found += sorted(after.consequences() - before.consequences())
        return found

    async def _write(
        self, connection: Connection, changed: Moves, own: Collection[bytes], known: Collection[bytes]
    ) -> None:
        """Write the rows of notices of which their rows, or their blocks, do not say where they stand now."""
        moved_on = [after for before, after in changed if after.finding != before.finding or after.notice not in known]
        findings = [one.finding for one in moved_on]
        numbers = await self._store.number_cohorts(connection, {finding.scope for finding in findings})
        if there := [finding for finding in findings if finding.notice in own]:
            await self._store.change_notices(connection, there, numbers)
        if fresh := [finding for finding in findings if finding.notice not in own]:
            await self._store.add_notices(connection, fresh, numbers)
        if heard_first := [finding for finding in fresh if finding.notice not in known]:
            await self._store.add_known(connection, heard_first)


def histories_of(heard: Iterable[Finding | Receipt]) -> dict[bytes, History]:
    """Return what was heard by notice."""
    found: dict[bytes, History] = {}
    for one in heard:
        more = history_of(one) if isinstance(one, Finding) else History(one.notice, receipts=frozenset({one}))
        before = found.get(one.notice)
        found[one.notice] = before.joined(more) if before else more
    return found
