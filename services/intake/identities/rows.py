"""The rows of identities that belong together: one method a named query, in the transaction of whoever calls."""

import struct
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

import asyncpg

from services.intake.codec import SeenRecord
from services.intake.homes import Home
from services.intake.identities.judgements import People, Said, Standing
from services.intake.identities.tying import Pair, State, Tie
from services.intake.records.likeness import LIKENESS_BYTES
from services.kit.postgres import Connection, Queries, copy_packed

__all__ = ["NOBODY", "READY", "IdentityRows", "LockedRecord", "LockedTie", "PutTie"]

_QUERIES = Queries.load(Path(__file__).parents[1] / "queries.sql")
# A row of `matches` in COPY's binary format: how many columns, cohort, match key, and an array of one profile, which
# says its dimensions, no nulls, type, how many, from where.
_MATCH_BEGIN, _ARRAY, _ARRAY_HEAD, _BYTEA = struct.Struct(">hiii"), struct.Struct(">iiiiiii"), 24, 17
_NUMBER = struct.Struct(">q")  # a match key, as PostgreSQL keeps it
NOBODY, READY = 0, 2  # of an incident's matching: nobody came on a match key alone; all that match are noted


class PutTie(NamedTuple):
    """A tie as the rule has it now, with the member that showed it."""

    pair: Pair
    tie: Tie
    record: bytes


class LockedTie(NamedTuple):
    """A tie, locked for what an operator says of it; with the record that showed it."""

    incident_id: str
    number: int
    state: State
    pair: Pair
    cohort_id: str
    record: bytes


class LockedRecord(NamedTuple):
    """An accepted record as it stands, locked for what an operator says of it."""

    member: bytes
    version: int
    pseudonym: bytes
    witnesses: bytes  # empty = they are not known
    withdrawn: bool
    cohort: int  # number
    cohort_id: str


class IdentityRows:
    """Reads and writes matches, homes, ties and judgements."""

    async def share_matching(self, connection: Connection, incident_id: str) -> int:
        """Keep an incident's matching from changing until the transaction ends; return how far it is."""
        await connection.execute(_QUERIES["share_matching"], incident_id)
        return int(await connection.fetchval(_QUERIES["show_matching"], incident_id) or NOBODY)

    async def begin_matching(self, connection: Connection, incident_id: str) -> None:
        """Have every chunk from now on note what its records match; waits for those that are being taken."""
        await connection.execute(_QUERIES["hold_matching"], incident_id)
        await connection.execute(_QUERIES["begin_matching"], incident_id)

    async def fill_matches(self, connection: Connection, incident_id: str, limit: int) -> bool:
        """Note what the next `limit` members match that were there before; tells whether all are noted."""
        row = await connection.fetchrow(_QUERIES["lock_matching"], incident_id)
        assert row is not None  # noqa: S101 - its members were taken
        if row["matching"] == READY:
            return True
        last = await connection.fetchval(
            _QUERIES["fill_matches"], incident_id, row["matched_to"], LIKENESS_BYTES, limit
        )
        await connection.execute(_QUERIES["note_matching"], incident_id, last)
        return last is None

    async def hold_matches(self, connection: Connection, incident_id: str) -> None:
        """Keep all others from noting what an incident's records match until the transaction ends."""
        await connection.execute(_QUERIES["hold_matches"], incident_id)

    async def find_matches(self, connection: Connection, matches: Collection[bytes]) -> set[bytes]:
        """Return those of these match keys that are known."""
        rows = await connection.fetch(_QUERIES["find_matches"], _numbers(matches))
        return {_NUMBER.pack(row["match"]) for row in rows}

    async def copy_matches(
        self, connection: Connection, cohort: int, matches: Sequence[bytes], profiles: Sequence[bytes]
    ) -> None:
        """Add match keys that are new, in their order, with a profile of each."""
        head = _MATCH_BEGIN.pack(3, 4, cohort, LIKENESS_BYTES)
        sizes = {size: _ARRAY.pack(_ARRAY_HEAD + size, 1, 0, _BYTEA, 1, 1, size) for size in set(map(len, profiles))}
        rows = [
            b"".join((head, match, sizes[len(profile)], profile))
            for match, profile in zip(matches, profiles, strict=True)
        ]
        columns = "cohort", "match", "profiles"
        await copy_packed(connection, "matches", columns, rows)

    async def read_matches(self, connection: Connection, matches: Collection[bytes]) -> dict[bytes, list[bytes]]:
        """Return the profiles of match keys."""
        rows = await connection.fetch(_QUERIES["read_matches"], _numbers(matches))
        return {_NUMBER.pack(row["match"]): row["profiles"] for row in rows}

    async def grow_matches(self, connection: Connection, profiles: Collection[tuple[bytes, bytes]]) -> None:
        """Add profiles to match keys."""
        matches, more = zip(*profiles, strict=True)
        await connection.execute(_QUERIES["grow_matches"], _numbers(matches), more)

    async def has_moved(self, connection: Connection, incident_id: str) -> bool:
        """Tell whether any home of an incident was ever moved."""
        return bool(await connection.fetchval(_QUERIES["has_moved"], incident_id))

    async def find_homes(
        self, connection: Connection, incident_id: str, pseudonyms: Collection[bytes]
    ) -> dict[bytes, Home]:
        """Return the homes of those pseudonyms that were ever moved."""
        return _homes(await connection.fetch(_QUERIES["find_homes"], incident_id, list(pseudonyms)))

    async def lock_homes(
        self, connection: Connection, incident_id: str, pseudonyms: Collection[bytes]
    ) -> dict[bytes, Home]:
        """Lock the homes of pseudonyms, and of all that share one with them; those that have none are their own."""
        await connection.execute(_QUERIES["add_homes"], incident_id, sorted(pseudonyms))
        locked: dict[bytes, Home] = {}
        while True:  # what was waited for may share a home with still others
            again = _homes(await connection.fetch(_QUERIES["lock_homes"], incident_id, sorted({*pseudonyms, *locked})))
            if again == locked:
                return locked
            locked = again

    async def move_homes(self, connection: Connection, incident_id: str, homes: Mapping[bytes, Home]) -> None:
        """Write the next versions of homes that are locked."""
        where, versions = zip(*homes.values(), strict=True)
        await connection.execute(_QUERIES["move_homes"], incident_id, list(homes), where, versions)

    async def find_ties(self, connection: Connection, incident_id: str, matched: Collection[bytes]) -> dict[Pair, Tie]:
        """Return the ties of match keys, by their pseudonyms."""
        rows = await connection.fetch(_QUERIES["find_ties"], incident_id, list(matched))
        return {(one, other): Tie(State(state), tuple(fields), by_rule) for one, other, state, fields, by_rule in rows}

    async def list_made(self, connection: Connection, incident_id: str, pseudonyms: Collection[bytes]) -> list[Pair]:
        """Return the ties that hold between these pseudonyms."""
        rows = await connection.fetch(_QUERIES["list_made"], incident_id, list(pseudonyms))
        return [(row["matched"], row["numbered"]) for row in rows]

    async def put_ties(
        self, connection: Connection, cohort: int, incident_id: str, now: datetime, ties: Sequence[PutTie]
    ) -> None:
        """Write ties as the rule has them now."""
        columns = (
            [put.tie.state.value for put in ties],
            [",".join(put.tie.fields) for put in ties],
            [put.pair[0] for put in ties],
            [put.pair[1] for put in ties],
            [put.record for put in ties],
        )
        await connection.execute(_QUERIES["put_ties"], cohort, incident_id, now, *columns)

    async def list_ties(
        self, connection: Connection, incident_id: str, after: int, state: str | None, limit: int
    ) -> list[asyncpg.Record]:
        """Return ties of an incident past the one of this number."""
        return await connection.fetch(_QUERIES["list_ties"], incident_id, after, state, limit)

    async def list_conflicts(
        self, connection: Connection, incident_id: str, after: bytes, sources: Sequence[str] | None, limit: int
    ) -> list[bytes]:
        """Return identities past this one whose records contradict each other; with `sources`, records of theirs."""
        rows = await connection.fetch(_QUERIES["list_conflicts"], incident_id, after, sources, limit)
        return [row["pseudonym"] for row in rows]

    async def list_conflicting(
        self,
        connection: Connection,
        incident_id: str,
        conflicts: Sequence[bytes],
        sources: Sequence[str] | None,
        limit: int,
    ) -> list[asyncpg.Record]:
        """Return the records of conflicts, so many of each at most, one conflict after the other."""
        return await connection.fetch(_QUERIES["list_conflicting"], incident_id, conflicts, sources, limit)

    async def lock_tie(self, connection: Connection, incident_id: str, number: int) -> LockedTie | None:
        """Lock a tie, if it is there."""
        row = await connection.fetchrow(_QUERIES["lock_tie"], incident_id, number)
        if row is None:
            return None
        pair = row["matched"], row["numbered"]
        return LockedTie(incident_id, number, State(row["state"]), pair, row["cohort_id"], row["record"])

    async def settle_tie(
        self, connection: Connection, number: int, state: State, principal: str, now: datetime
    ) -> None:
        """Write what an operator said of a tie."""
        await connection.execute(_QUERIES["settle_tie"], number, state.value, principal, now)

    async def cohorts_of(self, connection: Connection, incident_id: str, records: Collection[bytes]) -> list[str]:
        """Return the cohorts of those of these records that are an incident's, in the order of their ids."""
        rows = await connection.fetch(_QUERIES["cohorts_of_records"], incident_id, list(records))
        return [row["cohort_id"] for row in rows]

    async def lock_records(
        self, connection: Connection, incident_id: str, records: Collection[bytes]
    ) -> list[LockedRecord]:
        """Lock those of these records that are an incident's accepted ones."""
        rows = await connection.fetch(_QUERIES["lock_records"], incident_id, list(records), LIKENESS_BYTES)
        return [LockedRecord(*row) for row in rows]

    async def connected(self, connection: Connection, incident_id: str, records: Collection[bytes]) -> list[Standing]:
        """Return the judgements about these records, and about those that one of them leads to, by number."""
        rows = await connection.fetch(_QUERIES["connected_judgements"], incident_id, list(records), LIKENESS_BYTES)
        found = []
        for (number, people), theirs in groupby(rows, itemgetter("number", "people")):
            own = list(theirs)
            seen = {row["member"]: row["version"] for row in own}
            found.append(Standing(number, People(people), seen, {row["member"] for row in own if row["still"]}))
        return found

    async def add_judgement(
        self, connection: Connection, incident_id: str, said: Said, principal: str, now: datetime
    ) -> int:
        """Write what an operator says; return its number."""
        words = said.people.value, said.evidence.value, said.reference
        return int(await connection.fetchval(_QUERIES["add_judgement"], incident_id, *words, now, principal))

    async def add_judged(self, connection: Connection, number: int, records: Sequence[LockedRecord]) -> None:
        """Write which records that is about, as they stand."""
        columns = zip(*((one.cohort, one.version, one.member, one.witnesses) for one in records), strict=True)
        await connection.execute(_QUERIES["add_judged"], number, *map(list, columns))

    async def lock_judgement(self, connection: Connection, incident_id: str, number: int) -> tuple[People, bool] | None:
        """Lock a judgement, if it is there; return what it says, and whether it was undone."""
        row = await connection.fetchrow(_QUERIES["lock_judgement"], incident_id, number)
        return (People(row["people"]), row["undone_at"] is not None) if row else None

    async def undo_judgement(self, connection: Connection, number: int, principal: str, now: datetime) -> None:
        """Write that an operator says it no more."""
        await connection.execute(_QUERIES["undo_judgement"], number, now, principal)

    async def judged_records(self, connection: Connection, number: int) -> dict[bytes, SeenRecord]:
        """Return the records of a judgement as they were seen, without pseudonyms."""
        rows = await connection.fetch(_QUERIES["judged_records"], number)
        return {member: SeenRecord(member, version, b"", witnesses) for member, version, witnesses in rows}

    async def list_judgements(
        self, connection: Connection, incident_id: str, after: int, sources: Sequence[str] | None, limit: int
    ) -> list[asyncpg.Record]:
        """Return judgements of an incident past the one of this number; with `sources`, about records of theirs."""
        return await connection.fetch(_QUERIES["list_judgements"], incident_id, after, sources, limit)

    async def list_judged(self, connection: Connection, numbers: Sequence[int]) -> list[asyncpg.Record]:
        """Return the records of judgements, one judgement after the other."""
        return await connection.fetch(_QUERIES["list_judged"], numbers, LIKENESS_BYTES)


def _homes(rows: Sequence[asyncpg.Record]) -> dict[bytes, Home]:
    return {pseudonym: Home(home, version) for pseudonym, home, version in rows}


def _numbers(matches: Collection[bytes]) -> Sequence[int]:
    return struct.unpack(f">{len(matches)}q", b"".join(matches))
