"""Finds who comes under two identities, in the transaction that takes the records.

Nothing is noted of an incident as long as everybody in it has a number. The first record on a match key alone begins:
what was there before is noted in bounded steps, each its own transaction, and from then on each chunk notes its own.

Locks: the stage of the matching (shared by chunks), match keys by key, ties by key, homes by key.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, NamedTuple

from services.core.witnesses import IDENTIFIED
from services.intake.context import Context
from services.intake.domain import Chunk, Classified
from services.intake.errors import NotMatchedYetError
from services.intake.homes import NO_HOMES, Home
from services.intake.identities.homes import rehome
from services.intake.identities.rows import NOBODY, READY, IdentityRows, PutTie
from services.intake.identities.tying import State, Tie, profile_of, said_of, ties_of
from services.intake.records.likeness import LIKENESS_BYTES
from services.kit.postgres import Connection

__all__ = ["NO_CHANGES", "HomeChanges", "Matching", "Taken", "has_unnumbered"]

_FILLED_AT_ONCE: Final = 20_000  # members a step: some tenths of a second

Said = Mapping[bytes, Mapping[bytes, int]]  # match key -> profile -> a row of the chunk that says it
Known = dict[bytes, list[bytes]]  # match key -> all profiles


class HomeChanges(NamedTuple):
    """The homes of a chunk's people, of those that were ever moved; and those homes that change with the chunk."""

    homes: Mapping[bytes, Home]
    moves: Mapping[bytes, Home]


class Taken(NamedTuple):
    """Where and when a chunk is taken."""

    matching: int  # how far its incident's is
    cohort: int  # number
    at: datetime


NO_CHANGES: Final = HomeChanges(NO_HOMES, NO_HOMES)


def has_unnumbered(chunk: Chunk) -> bool:
    """Tell whether somebody in a chunk is known by the match key alone."""
    return any(not witnesses[0] & IDENTIFIED for witnesses in chunk.witnesses)


class Matching:
    """What the transaction that takes records asks about identities."""

    def __init__(self, context: Context) -> None:
        self._context, self._rows = context, IdentityRows()

    async def prepare(self, incident_id: str) -> None:
        """Have the records of an incident matched, before the first one on a match key alone is taken."""
        rows = self._rows
        async with self._context.pool.acquire() as connection:
            async with connection.transaction():
                matching = await rows.share_matching(connection, incident_id)
            if matching == NOBODY:
                async with connection.transaction():
                    await rows.begin_matching(connection, incident_id)
            whole = matching == READY
            while not whole:
                async with connection.transaction():
                    whole = await rows.fill_matches(connection, incident_id, _FILLED_AT_ONCE)

    async def share(self, connection: Connection, chunk: Chunk) -> int:
        """Return how far an incident's matching is, and keep it so; call it before members are written.

        Raises NotMatchedYetError where the chunk asks for more: `prepare` first.
        """
        matching = await self._rows.share_matching(connection, chunk.incident_id)
        if matching != READY and has_unnumbered(chunk):
            raise NotMatchedYetError("records on a match key alone are matched first")
        return matching

    async def change(self, connection: Connection, chunk: Chunk, classified: Classified, taken: Taken) -> HomeChanges:
        """Note what new and corrected rows match, tie whom they show to be one, and return everybody's home."""
        matching, cohort, now = taken
        if matching == NOBODY:
            return NO_CHANGES
        rows = [*classified.new, *classified.corrected]
        said = _said(chunk, rows)
        known = await self._rows.find_matches(connection, said) if said else {}
        before = {said_of(profile)[0] for profiles in known.values() for profile in profiles}
        grown = await self._note(connection, cohort, said, known)
        ties = await self._ties(connection, chunk, said, grown)
        if ties:
            await self._rows.put_ties(connection, cohort, chunk.incident_id, now, [put for put, _ in ties])
        pseudonyms = {chunk.pseudonyms[row] for row in rows}
        changed = [put.pair for put, was in ties if State.MADE in {put.tie.state, was.state if was else None}]
        moves = await rehome(self._rows, connection, chunk.incident_id, changed, pseudonyms - before)
        if matching != READY:
            return NO_CHANGES
        pseudonyms.update(left for _, _, left in classified.retracted)
        return HomeChanges(await self._rows.find_homes(connection, chunk.incident_id, pseudonyms), moves)

    async def _note(self, connection: Connection, cohort: int, said: Said, known: Known) -> Known:
        """Note profiles, and add what others noted meanwhile to `known`; returns the match keys that say more now."""
        rows = self._rows
        while new := sorted(said.keys() - known.keys()):
            first = {match: min(said[match]) for match in new}
            added = await rows.add_matches(connection, cohort, first)
            known |= {match: [first[match]] for match in added}
            known |= await rows.find_matches(connection, first.keys() - added)
        growing = [match for match, profiles in said.items() if not profiles.keys() <= set(known[match])]
        grown: Known = {}
        more: list[tuple[bytes, bytes]] = []
        for match, profiles in (await rows.lock_matches(connection, growing)).items() if growing else ():
            unknown = sorted(said[match].keys() - set(profiles))
            grown[match] = [*profiles, *unknown]
            more += [(match, profile) for profile in unknown]
        if more:
            await rows.grow_matches(connection, more)
        return grown

    async def _ties(
        self, connection: Connection, chunk: Chunk, said: Said, grown: Known
    ) -> list[tuple[PutTie, Tie | None]]:
        """Return the ties that are new or stand elsewhere, with where they stood."""
        matched = {one for profiles in grown.values() for one, w in map(said_of, profiles) if not w.identified}
        if not matched:
            return []
        stored = await self._rows.find_ties(connection, chunk.incident_id, matched)
        found: list[tuple[PutTie, Tie | None]] = []
        for match, profiles in grown.items():
            record = chunk.members[max(said[match].values())]
            for pair, tie in ties_of(profiles, stored).items():
                if stored.get(pair) != tie:
                    found.append((PutTie(pair, tie, record), stored.get(pair)))
        return found


def _said(chunk: Chunk, rows: Iterable[int]) -> dict[bytes, dict[bytes, int]]:
    said: dict[bytes, dict[bytes, int]] = {}
    for row in rows:
        if likeness := chunk.likenesses[row]:
            profile = profile_of(chunk.pseudonyms[row], likeness[LIKENESS_BYTES:])
            said.setdefault(likeness[:LIKENESS_BYTES], {})[profile] = row
    return said
