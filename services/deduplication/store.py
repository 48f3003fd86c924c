"""The room's tables; one method for each query, a batch in and a batch out."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import asyncpg

from services.core.channel import CHANNEL_BITS
from services.core.ledger import BARE_JOINED, CONFLICTING
from services.deduplication.batch import Effects
from services.deduplication.domain import COUNTED_AS, Claim, Member, Standing, Terms, Waits
from services.deduplication.dossier import Dossier
from services.deduplication.judgements import Judged, Judgement, Judgements, Seen
from services.deduplication.moving import Home, partition_of
from services.deduplication.packing import MEMBER_COLUMNS, NOTICE_COLUMNS, packed_claims, packed_members
from services.deduplication.quotas import Limit, Used
from services.deduplication.rows import first_claim
from services.kit.postgres import Connection, Queries, copy_packed

__all__ = ["BEFORE_ALL", "SETS_OF_CHANNELS", "Cohorts", "Place", "Store"]

SETS_OF_CHANNELS: Final = range(1 << CHANNEL_BITS)
_ANY_MARK: Final = [int(mark) for mark in Waits if mark]

Place = tuple[bytes, int]  # person, and place among its members: where a row stands among those of its incident
BEFORE_ALL: Final[Place] = (b"", 0)
_AFTER_ALL: Final = 2**15 - 1  # the highest place: all rows of a person stand before it
# Some tens of milliseconds where nobody is found.
_ROWS_A_LOOK: Final = 20_000
# Some tens of milliseconds too: the notices of all their people are looked at.
ROWS_A_LATE_LOOK: Final = 5_000
_LOCKS_OF_HOMES: Final = 1212502357  # beside the incident's number, in PostgreSQL's space of advisory locks

Cohorts = dict[str, tuple[int, dict[str, int]]]  # incident id -> its number, and the numbers of its cohorts by id

_QUERIES = Queries.load(Path(__file__).with_name("queries.sql"))

_MEMBER = 3  # where the member begins in a row of `read_members`
_STANDING = _MEMBER + len(Member._fields)  # where the standing begins in a row of `read_members`


class Store:
    """Reads and writes inside the stage's transaction."""

    async def cohorts(self, connection: Connection, incident_ids: Collection[str] | None = None) -> Cohorts:
        """Return the numbers of the cohorts of these incidents, or of all."""
        if incident_ids is None:
            rows = await connection.fetch(_QUERIES["list_all_cohorts"])
        else:
            rows = await connection.fetch(_QUERIES["list_cohorts"], list(incident_ids))
        found: Cohorts = {}
        for incident_id, incident, cohort_id, cohort in rows:
            found.setdefault(incident_id, (incident, {}))[1][cohort_id] = cohort
        return found

    async def number(self, connection: Connection, wanted: Collection[tuple[str, str]]) -> Cohorts:
        """Return the numbers of these (incident, cohort)s and of their incidents' other cohorts; new ones get one."""
        incidents = {incident for incident, _ in wanted}
        found = await self.cohorts(connection, incidents)
        new = sorted(pair for pair in wanted if pair[1] not in found.get(pair[0], (0, {}))[1])
        if not new:
            return found
        await connection.execute(_QUERIES["add_incidents"], sorted({incident for incident, _ in new}))
        await connection.execute(_QUERIES["add_cohorts"], [pair[0] for pair in new], [pair[1] for pair in new])
        return await self.cohorts(connection, incidents)

    async def share(self, connection: Connection, incident: int) -> None:
        """Keep people of an incident from moving to another home until the transaction ends; call it before reading."""
        await connection.execute(_QUERIES["share_homes"], _LOCKS_OF_HOMES, incident)

    async def hold(self, connection: Connection, incident: int) -> None:
        """Wait until nobody decides about people of an incident, and keep others from it."""
        await connection.execute(_QUERIES["hold_homes"], _LOCKS_OF_HOMES, incident)

    async def marks(self, connection: Connection, incident: int) -> tuple[bool, bool]:
        """Tell whether anybody of an incident ever moved to another home, and whether anything was ever judged."""
        row = await connection.fetchrow(_QUERIES["show_marks"], incident)
        assert row is not None  # noqa: S101 - it has one row
        return row["moved"], row["judged"]

    async def judgements(self, connection: Connection, incident: int, members: Collection[bytes]) -> Judgements:
        """Return what operators say of two of these members."""
        rows = await connection.fetch(_QUERIES["read_judgements"], incident, list(members))
        return Judgements(Judgement(Seen(*row[:3]), Seen(*row[3:6]), row[6]) for row in map(tuple, rows))

    async def put_judgement(self, connection: Connection, incident: int, judged: Judged) -> None:
        """Write what an operator said of records, of each two of them."""
        pairs = [(*one, *other) for one, other in judged.pairs()]
        head = judged.number, judged.are_one, judged.undone
        await connection.execute(_QUERIES["put_judgement"], incident, *head, *map(list, zip(*pairs, strict=True)))

    async def with_homes(self, connection: Connection) -> list[int]:
        """Return the incidents of which somebody ever moved to another home."""
        return [row["number"] for row in await connection.fetch(_QUERIES["with_homes"])]

    async def homes(self, connection: Connection, incident: int, pseudonyms: Collection[bytes]) -> dict[bytes, Home]:
        """Return the homes of those of these pseudonyms that ever moved."""
        rows = await connection.fetch(_QUERIES["read_homes"], incident, list(pseudonyms))
        return {pseudonym: Home(home, version) for pseudonym, home, version in rows}

    async def homes_after(self, connection: Connection, incident: int, homes: Collection[bytes]) -> list[bytes]:
        """Return the homes of pseudonyms that were at home under one of these before."""
        return [row["home"] for row in await connection.fetch(_QUERIES["homes_after"], incident, list(homes))]

    async def put_homes(self, connection: Connection, incident: int, homes: Mapping[bytes, Home]) -> None:
        """Write homes."""
        where, versions = zip(*homes.values(), strict=True)
        await connection.execute(_QUERIES["put_homes"], incident, list(homes), where, versions)

    async def read(
        self, connection: Connection, incident: int, persons: Sequence[bytes], partitions: int | None = None
    ) -> dict[bytes, Dossier]:
        """Return what is known of these persons, which are in the order of their keys; unknown ones are left out.

        With `partitions` also those are looked for whose members have all moved to another home.
        """
        dossiers: dict[bytes, Dossier] = {}
        for row in await connection.fetch(_QUERIES["read_members"], incident, persons):
            dossier = dossiers.get(row[0])
            if dossier is None:
                dossier = dossiers[row[0]] = Dossier.unknown(row[0], row[1])
            member = Member._make(row[_MEMBER:_STANDING])
            dossier.members[member.member] = member
            dossier.standings[member.member] = Standing._make(row[_STANDING:])
            if row[2] is not None:
                dossier.claims.append(first_claim(row[2], member))
                dossiers[row[0]] = dossier._replace(implied=True)
        if dossiers or partitions:
            asked = persons if partitions else list(dossiers)
            for person, *claim in await connection.fetch(_QUERIES["read_notices"], incident, asked):
                if person not in dossiers and partitions:
                    dossiers[person] = Dossier.unknown(person, partition_of(person, partitions))
                dossiers[person].claims.append(Claim._make(claim))
        return dossiers

    async def write(self, connection: Connection, effects: Effects) -> None:
        """Write what was decided about one incident's people."""
        incident = effects.terms.number
        if effects.rewritten:
            await connection.execute(_QUERIES["take_out_members"], incident, sorted(effects.rewritten))
        if effects.members or effects.new:
            members = packed_members(incident, effects.members, effects.new)
            await copy_packed(connection, "members", MEMBER_COLUMNS, members)
        if effects.claims:
            await copy_packed(connection, "notices", NOTICE_COLUMNS, packed_claims(incident, effects.claims))
        if effects.turned:
            columns = zip(*sorted(effects.turned), strict=True)
            await connection.execute(_QUERIES["turn_notices"], incident, *columns)

    async def write_new(self, connection: Connection, effects: Iterable[Effects]) -> bool:
        """Write what was decided about people who were taken for new; write nothing and return False if one is known.

        Whoever is known has a row with the first place, and no key is given twice.
        """
        try:
            async with connection.transaction():
                for one in effects:
                    await self.write(connection, one)
        except asyncpg.UniqueViolationError:
            return False
        return True

    async def recount(self, connection: Connection, incident_id: str | None) -> dict[str, Counter[str]]:
        """Return how many members stand in each counter, by scope, of one incident or of all. Reads every row."""
        found: dict[str, Counter[str]] = {}
        for scope, outcome, members, conflicting, joined in await connection.fetch(_QUERIES["recount"], incident_id):
            counts = found.setdefault(scope, Counter())
            counts[CONFLICTING] += conflicting
            counts[BARE_JOINED] += joined
            if counter := COUNTED_AS.get(outcome):
                counts[counter] += members
        return found

    async def waiting_for_release(
        self, connection: Connection, cohorts: Collection[int], partitions: Collection[int], limit: int
    ) -> list[bytes]:
        """Return up to `limit` persons whose news waits for the release of one of these cohorts."""
        return await self._persons(connection, "waiting_for_release", cohorts, SETS_OF_CHANNELS, partitions, limit)

    async def decided_with_channels(
        self,
        connection: Connection,
        cohorts: Collection[int],
        masks: Collection[int],
        partitions: Collection[int],
        limit: int,
    ) -> list[bytes]:
        """Return up to `limit` persons with news that was decided with one of these sets of channels."""
        marks = _ANY_MARK
        return await self._persons(connection, "decided_with_channels", cohorts, masks, partitions, limit, marks)

    async def held_by_policy(
        self, connection: Connection, terms: Terms, partitions: Collection[int], limit: int
    ) -> list[bytes]:
        """Return up to `limit` persons with news that waited for another policy than the one that holds now."""
        holds = {Waits.POLICY: terms.hold_conflicts, Waits.BARE: terms.hold_bare}
        marks = [int(mark) for mark, held in holds.items() if not held]
        return await self._persons(
            connection, "held_by_policy", terms.cohorts, SETS_OF_CHANNELS, partitions, limit, marks
        )

    async def held_by_pause(
        self, connection: Connection, cohorts: Collection[int], partitions: Collection[int], limit: int
    ) -> list[bytes]:
        """Return up to `limit` persons whose news waits for the end of the pause of one of these cohorts."""
        return await self._persons(connection, "held_by_pause", cohorts, SETS_OF_CHANNELS, partitions, limit)

    async def waiting_for_turn(
        self,
        connection: Connection,
        cohorts: Collection[int],
        channels: Collection[int],
        partitions: Collection[int],
        limit: int,
    ) -> list[bytes]:
        """Return up to `limit` persons whose news waits until one of these channels has a number left."""
        marks = [Waits.turn_of(channel) for channel in channels]
        arguments = cohorts, SETS_OF_CHANNELS, partitions, limit, marks
        return await self._persons(connection, "waiting_for_turn", *arguments)

    async def block_numbers(self, connection: Connection, count: int) -> Iterator[int]:
        """Return the next numbers of blocks of `members.held`, higher than those of all that was said before."""
        return iter([row["nextval"] for row in await connection.fetch(_QUERIES["next_numbers"], count)])

    async def announced(
        self, connection: Connection, partitions: Collection[int]
    ) -> dict[int, tuple[Sequence[int], datetime]]:
        """Return how far intake's blocks were said to be known in partitions, of each, and when."""
        rows = await connection.fetch(_QUERIES["read_announced"], list(partitions))
        return {row["partition"]: (row["up_to"], row["at"]) for row in rows}

    async def announce(
        self, connection: Connection, partitions: Collection[int], taken: Sequence[int], now: datetime
    ) -> None:
        """Note in which partitions it is said how far intake's blocks are known, of each."""
        await connection.execute(_QUERIES["announce"], now, sorted(partitions), taken)

    async def read_quotas(self, connection: Connection, incident: int) -> dict[Limit, Used]:
        """Return what went under the limits of an incident."""
        return _used(await connection.fetch(_QUERIES["read_quotas"], incident))

    async def add_quotas(self, connection: Connection, incident: int, limits: Collection[Limit]) -> None:
        """Give limits their rows; other owners may do the same."""
        cohorts, channels = [one.cohort for one in limits], [one.channel for one in limits]
        await connection.execute(_QUERIES["add_quotas"], incident, cohorts, channels)

    async def lock_quotas(self, connection: Connection, incident: int) -> dict[Limit, Used]:
        """Lock the limits of an incident until the transaction ends; those that another owner has are left out.

        Nobody waits for anybody: a tick that finds a limit taken looks again a second later.
        """
        return _used(await connection.fetch(_QUERIES["lock_quotas"], incident))

    async def move_quotas(self, connection: Connection, incident: int, used: Mapping[Limit, Used]) -> None:
        """Write what went under limits that are locked."""
        rows = [(*limit, *one) for limit, one in used.items()]
        await connection.execute(_QUERIES["move_quotas"], incident, *map(list, zip(*rows, strict=True)))

    async def take_turns(self, connection: Connection, incident: int, turns: Collection[tuple[bytes, int]]) -> None:
        """Note which notices took a turn of which cohorts' canaries."""
        await connection.execute(_QUERIES["take_turns"], incident, *map(list, zip(*turns, strict=True)))

    async def end_turns(self, connection: Connection, incident: int, notices: Collection[bytes]) -> Counter[int]:
        """Forget the turns of these notices; return of each cohort how many they were."""
        rows = await connection.fetch(_QUERIES["end_turns"], incident, list(notices))
        return Counter(row["cohort"] for row in rows)

    async def give_back(self, connection: Connection, incident: int, turns: Mapping[int, int]) -> None:
        """Let so many more go under cohorts' canaries; other owners take from the same rows."""
        for cohort, count in sorted(turns.items()):
            await connection.execute(_QUERIES["give_back"], incident, cohort, count)

    async def of_cancelled(
        self,
        connection: Connection,
        terms: Terms,
        partitions: Collection[int],
        after: Place,
        limit: int,
    ) -> tuple[list[bytes], Place | None]:
        """Look through an incident's next rows for persons with members of cancelled cohorts who stand as before.

        So do those who bear a notice that was not recalled and of which nothing was heard.

        Return up to `limit` of them, and the last row that was looked at: None where there was none.
        """
        rows = await connection.fetch(
            _QUERIES["of_cancelled"], terms.number, *after, list(terms.cancelled), list(partitions), _ROWS_A_LOOK
        )
        if not rows:
            return [], None
        return list(dict.fromkeys(row[0] for row in rows if row[2]))[:limit], (rows[-1][0], rows[-1][1])

    async def told_otherwise(
        self,
        connection: Connection,
        terms: Terms,
        partitions: Collection[int],
        after: Place,
        limit: int,
    ) -> tuple[list[bytes], Place | None]:
        """Look through an incident's next rows for persons who may have been told what their records do not say.

        Return up to `limit` of them, and the last row that was looked at: None where there was none.
        """
        rows = await connection.fetch(
            _QUERIES["told_otherwise"], terms.number, *after, list(terms.cancelled), list(partitions), ROWS_A_LATE_LOOK
        )
        persons = [row[0] for row in rows if row[2]]
        if len(persons) > limit:
            return persons[:limit], (persons[limit - 1], _AFTER_ALL)
        return persons, (rows[-1][0], rows[-1][1]) if rows else None

    async def _persons(self, connection: Connection, query: str, *arguments: Collection[int] | int) -> list[bytes]:
        values = [one if isinstance(one, int) else list(one) for one in arguments]
        return sorted({row[0] for row in await connection.fetch(_QUERIES[query], *values)})


def _used(rows: Iterable[Any]) -> dict[Limit, Used]:
    return {Limit(*row[:2]): Used(*row[2:]) for row in rows}
