"""Joins what is heard of notices with what is known of them: rows, what stands beside them, and figures."""

from collections.abc import Iterable, Mapping

from services.core.receipts import Consequence, Receipt
from services.kit.postgres import Connection
from services.tracking.domain import Deltas, Finding
from services.tracking.histories import History, history_of, moved
from services.tracking.store import Store

__all__ = ["Joining", "histories_of"]

Moves = list[tuple[History, History]]  # of each notice what was known, and what is known now


class Joining:
    """Writes in the stage's transaction. Whoever writes anything of a notice holds its row locked."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def join(
        self, connection: Connection, new: Mapping[bytes, History], source: str, deltas: Deltas
    ) -> list[Consequence]:
        """Join `new` with what is known, add to `deltas` what moved, and return what follows that did not before."""
        found: list[Consequence] = []
        left = dict(new)
        while left:  # again only for rows that another process added after this one had looked for them
            known = await self._store.lock_histories(connection, left)
            moves = [(known[notice], known[notice].joined(left[notice])) for notice in known]
            changed = [(before, after) for before, after in moves if after != before]
            added = await self._add(connection, [one for notice, one in left.items() if notice not in known])
            await self._change(connection, changed)
            done = changed + added
            await self._store.add_heard(connection, [after for _, after in done])
            for before, after in done:
                moved(deltas, source, before, after)
                found += sorted(after.consequences() - before.consequences())
            left = {notice: left[notice] for notice in left.keys() - known.keys() - {one.notice for _, one in added}}
        return found

    async def _add(self, connection: Connection, fresh: list[History]) -> Moves:
        if not fresh:
            return []
        numbers = await self._store.number_cohorts(connection, {one.scope for one in fresh})
        added = await self._store.add_notices(connection, [one.finding for one in fresh], numbers)
        return [(History(one.notice), one) for one in fresh if one.notice in added]

    async def _change(self, connection: Connection, changed: Moves) -> None:
        findings = [after.finding for before, after in changed if after.finding != before.finding]
        if findings:
            numbers = await self._store.number_cohorts(connection, {finding.scope for finding in findings})
            await self._store.change_notices(connection, findings, numbers)


def histories_of(heard: Iterable[Finding | Receipt]) -> dict[bytes, History]:
    """Return what was heard by notice."""
    found: dict[bytes, History] = {}
    for one in heard:
        more = history_of(one) if isinstance(one, Finding) else History(one.notice, receipts=frozenset({one}))
        before = found.get(one.notice)
        found[one.notice] = before.joined(more) if before else more
    return found
