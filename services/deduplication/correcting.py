"""Finds people for whom a changed policy wants a correction, of whom nothing more was heard since.

Nothing marks who was told what does not hold: it would cost every person an entry, for a policy that nearly always
stays as it was. So an incident of which two versions differ in that is looked through, some thousands of rows in a
tick, by each new owner once. Only rows among which nobody's standing changes any more count as looked through: a
transaction that is lost leaves nobody behind, and whoever was corrected is not corrected again.
"""

from collections.abc import Collection
from typing import Final

from services.core.policy import Correction
from services.deduplication.batch import Effects, decide_again
from services.deduplication.domain import Terms
from services.deduplication.judging import Judging
from services.deduplication.store import BEFORE_ALL, Place, Store
from services.kit.postgres import Connection

__all__ = ["Correcting"]

PERSONS_A_LOOK: Final = 1_000  # decided in a twentieth of a second
_LOOKS_A_TICK: Final = 2

_Looked = tuple[int, int, frozenset[int], Correction, frozenset[int]]


class Correcting:
    """One for a process."""

    def __init__(self, store: Store, judging: Judging) -> None:
        self._store, self._judging = store, judging
        # By the incident's number and version, the partitions, the policy and the cancelled cohorts: how far its rows
        # were looked through, None = all of them. By version too: between two with one policy there may be another.
        self._looked_through: dict[_Looked, Place | None] = {}

    def forget(self) -> None:
        """Look through everything again: the partitions are others than before."""
        self._looked_through.clear()

    async def due(
        self, connection: Connection, terms: Terms, partitions: Collection[int], most: int
    ) -> tuple[Effects | None, int]:
        """Decide about the next people who may have to be corrected; return the effects, and about how many it was.

        Where all versions of the document had the same policy everybody was decided under it: nobody is looked for.
        """
        if terms.correction is Correction.NONE or not terms.correction_changed:
            return None, 0
        key = terms.number, terms.version, frozenset(partitions), terms.correction, frozenset(terms.cancelled)
        looked_at = 0
        for _ in range(_LOOKS_A_TICK):
            after = self._looked_through.get(key, BEFORE_ALL)
            limit = min(most - looked_at, PERSONS_A_LOOK)
            if after is None or limit <= 0:
                break
            effects, count, last = await self._look(connection, terms, partitions, after, limit)
            looked_at += count
            if effects is not None:
                return effects, looked_at
            self._looked_through[key] = last
        return None, looked_at

    async def _look(
        self, connection: Connection, terms: Terms, partitions: Collection[int], after: Place, limit: int
    ) -> tuple[Effects | None, int, Place | None]:
        """Decide about some; return the effects if there are any, about how many it was, and the last row."""
        await self._store.share(connection, terms.number)
        persons, last = await self._store.told_otherwise(connection, terms, partitions, after, limit)
        if not persons:
            return None, 0, last
        dossiers = await self._store.read(connection, terms.number, persons)
        here = [one for one in dossiers.values() if one.partition in partitions]
        await self._judging.look(connection, terms.number)
        effects = decide_again(here, await self._judging.under(connection, terms, here))
        changed = effects.members or effects.claims or effects.turned
        return effects if changed else None, len(persons), last
