"""Finds who comes under two identities, in the transaction that takes the records.

Nothing is noted of an incident as long as everybody in it has a number. The first record on a match key alone begins:
what was there before is noted in bounded steps, each its own transaction, and from then on each chunk notes its own.

Locks: the stage of the matching (shared by chunks), its match keys (one chunk of an incident at a time, from here to
its end), ties by key, homes by key.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from services.core.witnesses import IDENTIFIED
from services.intake.context import Context
from services.intake.domain import Chunk, Classified
from services.intake.errors import NotMatchedYetError
from services.intake.homes import NO_HOMES, Home
from services.intake.identities.homes import rehome
from services.intake.identities.rows import NOBODY, READY, IdentityRows, PutTie
from services.intake.identities.tying import State, Tie, said_of, ties_of
from services.intake.records.likeness import LIKENESS_BYTES
from services.kit.postgres import Connection

__all__ = ["NO_CHANGES", "HomeChanges", "Matching", "Taken", "has_unnumbered"]

_FILLED_AT_ONCE: Final = 20_000  # members a step: some tenths of a second

_Grown = dict[bytes, tuple[list[bytes], list[bytes]]]  # match key -> profiles known before, profiles that are new


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


class _Said(NamedTuple):
    """What rows of a chunk say, of those with a whole match key, side by side."""

    rows: Sequence[int]
    matches: Sequence[bytes]
    profiles: Sequence[bytes]


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
                    await rows.hold_matches(connection, incident_id)
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
        """Note what new and corrected rows match, tie whom they show to be one, and return everybody's home.

        Until the transaction ends, no other chunk of the incident gets here: each sees what the others noted.
        """
        if taken.matching == NOBODY:
            return NO_CHANGES
        rows = [*classified.new, *classified.corrected]
        await self._rows.hold_matches(connection, chunk.incident_id)
        said = _said(chunk, rows)
        grown = await self._note(connection, taken.cohort, said)
        moves = await self._tie(connection, chunk, taken, said, grown) if grown else NO_HOMES
        if taken.matching != READY:
            return NO_CHANGES
        if not await self._rows.has_moved(connection, chunk.incident_id):
            return HomeChanges(NO_HOMES, moves)
        pseudonyms = {chunk.pseudonyms[row] for row in rows}
        pseudonyms.update(left for _, _, left in classified.retracted)
        return HomeChanges(await self._rows.find_homes(connection, chunk.incident_id, pseudonyms), moves)

    async def _note(self, connection: Connection, cohort: int, said: _Said) -> _Grown:
        """Note profiles; returns the match keys of which several things are said, some for the first time."""
        first = dict(zip(said.matches, said.profiles, strict=True))
        known = await self._rows.find_matches(connection, first) if first else set()
        new = sorted(first.keys() - known)
        if new:
            await self._rows.copy_matches(connection, cohort, new, [first[match] for match in new])
        shared = known
        if len(first) < len(said.matches):
            pairs = zip(said.matches, said.profiles, strict=True)
            shared = known | {match for match, profile in pairs if first[match] != profile}
        return await self._grow(connection, said, shared, known) if shared else {}

    async def _grow(
        self, connection: Connection, said: _Said, shared: Collection[bytes], known: Collection[bytes]
    ) -> _Grown:
        """Add what is said of match keys beside what is noted of them; `known` are those from before."""
        told: dict[bytes, set[bytes]] = {match: set() for match in shared}
        for match, profile in zip(said.matches, said.profiles, strict=True):
            if match in told:
                told[match].add(profile)
        grown: _Grown = {}
        more: list[tuple[bytes, bytes]] = []
        for match, noted in sorted((await self._rows.read_matches(connection, shared)).items()):
            more += [(match, profile) for profile in sorted(told[match].difference(noted))]
            before = noted if match in known else []
            if unknown := sorted(told[match].difference(before)):
                grown[match] = before, unknown
        if more:
            await self._rows.grow_matches(connection, more)
        return grown

    async def _tie(
        self, connection: Connection, chunk: Chunk, taken: Taken, said: _Said, grown: _Grown
    ) -> Mapping[bytes, Home]:
        """Write the ties that follow; return the homes that change."""
        ties = await self._ties(connection, chunk, said, grown)
        if not ties:
            return NO_HOMES
        incident_id = chunk.incident_id
        await self._rows.put_ties(connection, taken.cohort, incident_id, taken.at, [put for put, _ in ties])
        changed = [put.pair for put, was in ties if State.MADE in {put.tie.state, was.state if was else None}]
        before = {said_of(profile)[0] for profiles, _ in grown.values() for profile in profiles}
        fresh = {said_of(profile)[0] for _, unknown in grown.values() for profile in unknown} - before
        return await rehome(self._rows, connection, incident_id, changed, fresh)

    async def _ties(
        self, connection: Connection, chunk: Chunk, said: _Said, grown: _Grown
    ) -> list[tuple[PutTie, Tie | None]]:
        """Return the ties that are new or stand elsewhere, with where they stood."""
        profiles = {match: [*before, *unknown] for match, (before, unknown) in grown.items()}
        matched = {one for each in profiles.values() for one, w in map(said_of, each) if not w.identified}
        if not matched:
            return []
        stored = await self._rows.find_ties(connection, chunk.incident_id, matched)
        records = dict(zip(said.matches, said.rows, strict=True))
        found: list[tuple[PutTie, Tie | None]] = []
        for match, each in profiles.items():
            record = chunk.members[records[match]]
            for pair, tie in ties_of(each, stored).items():
                if stored.get(pair) != tie:
                    found.append((PutTie(pair, tie, record), stored.get(pair)))
        return found


def _said(chunk: Chunk, rows: Sequence[int]) -> _Said:
    likenesses, pseudonyms, witnesses = chunk.likenesses, chunk.pseudonyms, chunk.witnesses
    whole = [row for row in rows if likenesses[row]]
    matches = [likenesses[row][:LIKENESS_BYTES] for row in whole]
    return _Said(whole, matches, [pseudonyms[row] + witnesses[row] for row in whole])
