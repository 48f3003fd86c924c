"""Deduplication on a real database, without the stage around it: blocks as intake writes them."""

import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, cast

from notification.v1 import deduplication_pb2, intake_pb2

from services.core.channel import CHANNELS, Channel
from services.core.cohort import Cohort
from services.core.incident import Controller, DataCategory, Incident, KeyVersions
from services.core.ledger import BARE_JOINED, COUNTERS
from services.core.notices import Notices
from services.core.policy import Policy
from services.core.witnesses import IDENTIFIED, NO_WITNESSES
from services.deduplication.domain import Outcome
from services.deduplication.dossier import Dossier
from services.deduplication.handlers import DeduplicationHandler
from services.deduplication.store import Store
from services.deduplication.strangers import Strangers
from services.kit.eventlog.port import Output, Record
from services.kit.postgres import Connection, Pool
from services.kit.stage.totals import TotalsRow
from services.kit.testing import FakeClock
from services.wire.notices import notices_from_wire
from services.wire.recalls import Recall, encode_stopped
from services.wire.testing import FakeIncidents
from services.wire.totals import decode_totals, totals_to_wire
from tests.keys import FIRST_KEYS, a_ring

__all__ = ["INCIDENT", "PARTITIONS", "CountingStore", "Person", "Scene", "judgement", "moves", "people"]

INCIDENT = "lab-2025"
PARTITIONS = 8
Row = tuple[bytes, bytes, int, int, int, int]


@dataclass(frozen=True, slots=True)
class Person:
    """One row of a block."""

    member: bytes
    person: bytes
    version: int = 1
    exposed: int = 1
    channels: int = int(Channel.LETTER)
    flags: int = 0
    witnesses: bytes = bytes((IDENTIFIED, 0, 0, 0))  # somebody known by BSN, of whom nothing else is said
    contact_since: int | None = None  # the version that brought the contact data, where it is not this one


def people(count: int, seed: int = 1) -> list[Person]:
    """Return so many different people, one member each, in no visible order."""
    chance = random.Random(seed)  # noqa: S311 - made-up people
    return [Person(chance.randbytes(16), chance.randbytes(16)) for _ in range(count)]


@dataclass(slots=True)
class Sent:
    """What a transaction gave out, read back."""

    notices: list[tuple[int, Notices]] = field(default_factory=list)  # with the partition
    superseded: list[bytes] = field(default_factory=list)
    readdressed: list[tuple[bytes, int, int]] = field(default_factory=list)  # notice, the bearer's version, since
    recalled: list[bytes] = field(default_factory=list)
    places: dict[bytes, int] = field(default_factory=dict)  # of notices recalled or readdressed: the partition
    over: list[bytes] = field(default_factory=list)
    held: list[tuple[int, int, int]] = field(default_factory=list)  # partition, number, and members of each block
    totals: list[TotalsRow] = field(default_factory=list)
    # By partition: how far intake's blocks are said to be known, and how many were recalled before that.
    known: dict[int, tuple[int, int]] = field(default_factory=dict)

    marked: dict[int, list[int]] = field(default_factory=dict)  # the same, of all partitions

    @property
    def ids(self) -> list[bytes]:
        """Return the ids of the notices."""
        return [one for _, notices in self.notices for one in notices.ids]


class CountingStore(Store):
    """Counts how often people are looked for who may be told now."""

    looks = 0
    reads = 0  # how often it was looked for who is known
    asked = 0  # how often it was asked how far intake's blocks were said to be known

    async def waiting_for_release(self, *arguments: Any) -> list[bytes]:
        """Count and look."""
        self.looks += 1
        return await super().waiting_for_release(*arguments)

    async def read(self, *arguments: Any) -> dict[bytes, Dossier]:
        """Count and read."""
        self.reads += 1
        return await super().read(*arguments)

    async def announced(self, *arguments: Any) -> dict[int, tuple[Sequence[int], datetime]]:
        """Count and ask."""
        self.asked += 1
        return await super().announced(*arguments)


class Scene:
    """A handler, the incidents that it knows, and a database."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.keys = a_ring()
        self.clock, self.store = FakeClock(), CountingStore()
        self.strangers: Callable[[], Strangers] = partial(Strangers, 0, 0)  # everybody is taken for new at first
        self.incidents = FakeIncidents()
        self.entered: Counter[str] = Counter()
        self.handler = self.new_handler()
        self.incident(channels=CHANNELS)

    def new_handler(self) -> DeduplicationHandler:
        """Return a handler that remembers nothing, as after a restart."""
        return DeduplicationHandler(
            self.incidents,
            self._count,
            PARTITIONS,
            self.keys,
            store=self.store,
            clock=self.clock,
            strangers=self.strangers(),
        )

    def _count(self, entered: Mapping[str, int]) -> None:
        self.entered.update(entered)

    def incident(
        self,
        *,
        version: int = 1,
        channels: Collection[Channel],
        policy: Policy = Policy(),  # noqa: B008 - frozen
        key_versions: KeyVersions = FIRST_KEYS,
        after: Sequence[int] = (),
        tied: bool = False,
    ) -> None:
        """Say over which channels the incident's notices may go; `after`: how many of intake's blocks came before."""
        text = {"en": "words"}
        incident = Incident(
            INCIDENT, version, {"en": "A leak"}, datetime(2025, 7, 6, tzinfo=UTC), None,
            Controller("The controller", (), "", ""), ("en",), tuple(channels), frozenset(),
            (DataCategory("name", text), DataCategory("results", text)), {}, policy, key_versions,
            after=tuple(after), tied=tied,
        )  # fmt: skip
        self.incidents.put(incident)

    def cohort(
        self,
        cohort_id: str,
        *,
        released: bool,
        version: int = 1,
        after: Sequence[int] = (0,) * PARTITIONS,
        **more: Any,
    ) -> None:
        """Say where a cohort stands; `after`: how many of intake's blocks came before the release, by partition."""
        self.incidents.put(
            Cohort(
                INCIDENT, cohort_id, version, "source", None, auto_release=False, sealed=False, released=released,
                release_after=tuple(after) if released and not more.get("cancelled") else (), **more,
            )
        )  # fmt: skip

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lend a connection."""
        async with self.pool.acquire() as proxy:
            yield cast("Connection", proxy)

    async def take(self, *records: Record) -> Sent:
        """Apply blocks in one transaction."""
        work = [self.handler.decode(record) for record in records]
        await self.handler.ready(work)
        async with self.connection() as connection, connection.transaction():
            return read_back(await self.handler.apply(connection, work))

    async def answer(self, rows: Sequence[Person], notices: Sequence[bytes], *, stopped: bool) -> Sent:
        """Say what became of notices of these people that were called back."""
        pairs = zip(rows, notices, strict=True)
        (output,) = encode_stopped([(Recall(0, notice, one.person, INCIDENT), stopped) for one, notice in pairs])
        return await self.take(Record(output.topic, 0, 0, "dispatch-letter", 1, 0, output.value))

    async def took(self, taken: Mapping[int, int], connection: "Connection | None" = None) -> None:
        """Note, as the stage does, how many of intake's blocks were taken, by partition."""
        for partition, last in taken.items():
            await (connection or self.pool).execute(
                """insert into input (stage, topic, partition, next_offset, taken) values ($1, $2, $3, $4, $5)
                   on conflict (stage, topic, partition) do update set taken = excluded.taken""",
                "deduplication", "heraut.members.accepted.v1", partition, last, {"intake": last},
            )  # fmt: skip

    async def tick(self, partitions: Sequence[int] = range(8)) -> Sent:
        """Do one tick in a transaction."""
        async with self.connection() as connection, connection.transaction():
            return read_back(await self.handler.tick(connection, list(partitions)))

    async def outcomes(self) -> dict[bytes, str]:
        """Return where each member stands."""
        rows = await self.pool.fetch("select member, outcome from members")
        return {row["member"]: Outcome(row["outcome"]).name.lower() for row in rows}

    async def counts(self) -> dict[str, int]:
        """Return the sums of the totals, but for who joined others by the identity alone: most of these records do."""
        return {counter: count for counter, count in (await self.all_counts()).items() if counter != BARE_JOINED}

    async def all_counts(self) -> dict[str, int]:
        """Return the sums of the totals."""
        rows = await self.pool.fetch("select counts from totals")
        counters = COUNTERS["deduplication"]
        sums = [sum(row["counts"][at] for row in rows) for at in range(len(counters))]
        return {counter: count for counter, count in zip(counters, sums, strict=True) if count}

    async def explain(self, query: str, *arguments: object) -> str:
        """Return the plan of a query."""
        return "\n".join(row[0] for row in await self.pool.fetch(f"explain {query}", *arguments))


def block(
    cohort_id: str,
    rows: Sequence[Person],
    *,
    partition: int = 0,
    at: int = 1000,
    totals: TotalsRow | None = None,
    seq: int = 1,
    homes: Mapping[bytes, tuple[bytes, int]] | None = None,
) -> Record:
    """Return a block as intake writes it; `homes` are those of people who were ever moved."""
    housed = {row: homes[one.person] for row, one in enumerate(rows) if one.person in homes} if homes else {}
    wire = intake_pb2.MembersAccepted(
        incident_id=INCIDENT, incident_version=1, cohort_id=cohort_id, cohort_version=1, accepted_at=at,
        members=b"".join(one.member for one in rows), versions=[one.version for one in rows],
        pseudonyms=b"".join(one.person for one in rows),
        exposed=[one.exposed for one in rows], confirmed=[one.exposed for one in rows],
        channels=bytes(one.channels for one in rows), flags=bytes(one.flags for one in rows),
        language_names=["nl"], languages=[0] * len(rows), totals=totals_to_wire(totals) if totals else None,
        witnesses=b"".join(one.witnesses for one in rows),
        contact_since={at: one.contact_since for at, one in enumerate(rows) if one.contact_since is not None},
        homes=intake_pb2.Homes(
            rows=list(housed),
            homes=b"".join(home for home, _ in housed.values()),
            versions=[version for _, version in housed.values()],
        ),
    )  # fmt: skip
    return Record("heraut.members.accepted.v1", partition, 0, "intake", seq, 0, wire.SerializeToString())


def moves(homes: Mapping[bytes, tuple[bytes, int]], *, partition: int, seq: int = 1) -> Record:
    """Return the block that tells of homes that change."""
    wire = intake_pb2.MembersAccepted(
        incident_id=INCIDENT, incident_version=1, cohort_id="c1", cohort_version=1, accepted_at=1000,
        moves=intake_pb2.Moves(
            pseudonyms=b"".join(homes),
            homes=b"".join(home for home, _ in homes.values()),
            versions=[version for _, version in homes.values()],
        ),
    )  # fmt: skip
    return Record("heraut.members.accepted.v1", partition, 0, "intake", seq, 0, wire.SerializeToString())


def judgement(
    number: int,
    rows: Sequence[Person],
    *,
    are_one: bool,
    undone: bool = False,
    knows: bool = True,
    partition: int = 0,
    seq: int = 1,
) -> Record:
    """Return the block that tells what an operator said of records; `knows`: their witnesses go with them."""
    wire = intake_pb2.MembersAccepted(
        incident_id=INCIDENT, incident_version=1, cohort_id="c1", cohort_version=1, accepted_at=1000,
        judgement=intake_pb2.Judgement(
            number=number, are_one=are_one, undone=undone,
            members=b"".join(one.member for one in rows), versions=[one.version for one in rows],
            pseudonyms=b"".join(one.person for one in rows),
            witnesses=b"".join(one.witnesses if knows else NO_WITNESSES for one in rows),
        ),
    )  # fmt: skip
    return Record("heraut.members.accepted.v1", partition, 0, "intake", seq, 0, wire.SerializeToString())


def read_back(outputs: Sequence[Output]) -> Sent:
    """Read outgoing blocks."""
    sent = Sent()
    for output in outputs:
        if output.topic == "heraut.notices.released.v1":
            wire = deduplication_pb2.NoticesReleased.FromString(output.value)
            sent.notices.append((output.partition, notices_from_wire(wire.notices)))
        elif output.topic == "heraut.members.held.v1":
            held = deduplication_pb2.MembersHeld.FromString(output.value)
            sent.held.append((output.partition, held.sequence, len(held.versions)))
        elif output.topic == "heraut.notices.superseded.v1":
            ids = deduplication_pb2.NoticesSuperseded.FromString(output.value).ids
            sent.superseded += [ids[at : at + 16] for at in range(0, len(ids), 16)]
        elif output.topic == "heraut.notices.readdressed.v1":
            moved = deduplication_pb2.NoticesReaddressed.FromString(output.value)
            found = [moved.ids[at : at + 16] for at in range(0, len(moved.ids), 16)]
            sent.readdressed += zip(found, moved.versions, moved.since, strict=True)
            sent.places.update(dict.fromkeys(found, output.partition))
        elif output.topic == "heraut.notices.recalled.v1":
            recalled = deduplication_pb2.NoticesRecalled.FromString(output.value)
            notices = [recalled.ids[at : at + 16] for at in range(0, len(recalled.ids), 16)]
            if recalled.known:
                sent.marked[output.partition] = list(recalled.known)
                sent.known[output.partition] = recalled.known[output.partition], len(sent.recalled)
            (sent.over if recalled.over else sent.recalled).extend(notices)
            sent.places.update(dict.fromkeys(notices, output.partition))
        else:
            assert (output.topic, output.partition) == ("heraut.totals.changed.v1", 0)
            sent.totals += decode_totals(output.value)
    return sent
