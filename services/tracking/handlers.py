"""Tracking's part of its stage: one row a notice, counts beside it, and the ledger that is read from them."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

from services.core.access import Act, Principal
from services.core.channel import Channel
from services.core.cohort import Cohort
from services.core.incident import Incident
from services.core.ledger import COUNTERS
from services.core.receipts import Receipt
from services.core.synthetic import is_synthetic
from services.kit.eventlog import Output, Record
from services.kit.postgres import Connection, Pool
from services.kit.stage import move_totals
from services.tracking.codec import Work, decode
from services.tracking.domain import Deltas, Finding, Outcomes, Refusals, Superseded, come_twice
from services.tracking.joining import Joining
from services.tracking.ledger import Heard, Ledger, hear, ledger_of
from services.tracking.metrics import TrackingMetrics
from services.tracking.receiving import Receiving
from services.tracking.stopping import Stopping
from services.tracking.store import Store
from services.wire.incidents import Incidents
from services.wire.receipts import encode_accepted
from services.wire.synthetic import encode_arrived
from services.wire.totals import highest

__all__ = ["Ledgers", "PauseLists", "TrackingHandler"]

_Events = Iterable[Finding | Receipt]

# Figures of a cohort that disagree for this long without moving are wrong, and not late: a block takes far less from a
# commit through Kafka to the next room.
SETTLE_SECONDS = 2.0
# Often enough that a reader waits hardly longer than the figures need.
POLL_SECONDS = 0.2


class TrackingHandler:
    """Hears how notices fare. What it writes depends on the set of events alone, so a replay changes nothing."""

    def __init__(self, store: Store, metrics: TrackingMetrics, stopping: Stopping, receiving: Receiving) -> None:
        self._store = store
        self._receiving = receiving
        self._metrics = metrics
        self._stopping = stopping
        self._joining = Joining(store)

    def decode(self, record: Record) -> Work:
        """Read one block. Raises InvalidMessage."""
        return decode(record)

    async def ready(self, work: Sequence[Work]) -> None:
        """Nothing to wait for: what is counted needs no document."""

    async def apply(self, connection: Connection, work: Sequence[Work]) -> Sequence[Output]:
        """Write the effects of these blocks; return what follows from receipts."""
        deltas: Deltas = {}
        outputs: list[Output] = []
        if any((w.notices is not None and w.notices.notices) or w.refusals is not None or w.receipts for w in work):
            await self._store.hold(connection)
            for source, events in (await self._take(connection, work, deltas)).items():
                outputs += await self._join(connection, source, chain.from_iterable(events), deltas)
        await _move(connection, deltas)
        heard = highest(row for w in work for row in w.totals)
        if heard:
            await self._store.keep_totals(connection, heard)
        for w in work:
            if w.observed:
                await self._store.note_observed(connection, w.observed)
            self._metrics.count(w.kinds)
        if arrived := [member for w in work for member in w.arrived]:
            outputs.append(encode_arrived(arrived))
        return outputs

    async def tick(self, connection: Connection, partitions: Sequence[int]) -> Sequence[Output]:
        """Raise what has to be stopped, and join what came in beside the log."""
        outputs = list(await self._stopping.tick(connection, partitions))
        receipts = await self._receiving.take(connection, partitions)
        if receipts:
            deltas: Deltas = {}
            await self._store.hold(connection)
            outputs += await self._join(connection, "0", receipts, deltas)
            await _move(connection, deltas)
            self._metrics.count({"receipts": len(receipts)})
        return outputs

    async def _take(self, connection: Connection, work: Sequence[Work], deltas: Deltas) -> dict[str, list[_Events]]:
        """Take what is new as it stands; return the rest, and receipts, by source: they are joined one by one."""
        blocks = [w.notices for w in work if w.notices is not None and w.notices.notices]
        refusals = [w.refusals for w in work if w.refusals is not None]
        numbers = await self._store.number_cohorts(connection, {s for b in (*blocks, *refusals) for s in b.scopes})
        outcomes = [block for block in blocks if isinstance(block, Outcomes)]
        await self._receiving.begin(connection, outcomes)
        fresh, rest = self._parted(outcomes, blocks, [one.notice for w in work for one in w.receipts])
        await self._store.add_blocks(connection, fresh, numbers)
        for written in fresh:
            written.add_to(deltas)
        for refused in refusals:
            await self._count_refused(connection, refused, numbers, deltas)
        left: dict[str, list[_Events]] = {}
        one_by_one: list[Outcomes | Superseded] = [*rest, *(b for b in blocks if isinstance(b, Superseded))]
        for block in one_by_one:
            left.setdefault(block.source, []).append(block.findings())
        for w in work:
            if w.receipts:
                left.setdefault(w.source, []).append(w.receipts)
        return left

    def _parted(
        self, outcomes: Sequence[Outcomes], blocks: Sequence[Outcomes | Superseded], named: Sequence[bytes]
    ) -> tuple[list[Outcomes], list[Outcomes]]:
        """Return blocks of notices of which nothing else was heard, and of those of which something may have been.

        `named` are those that receipts name.
        """
        twice = come_twice([*(notice for block in blocks for notice in block.notices), *named])
        fresh, rest = [], []
        for block in outcomes:
            alone, others = block.parted(
                [at for at, notice in enumerate(block.notices) if notice in twice] if twice else []
            )
            new, known = alone.parted(self._store.take(alone.notices))
            fresh.append(new)
            rest += [others, known]
        return [block for block in fresh if block.notices], [block for block in rest if block.notices]

    async def _join(self, connection: Connection, source: str, heard: _Events, deltas: Deltas) -> list[Output]:
        found = await self._joining.join(connection, heard, source, deltas)
        return list(encode_accepted(int(source), found))

    async def _count_refused(
        self, connection: Connection, refused: Refusals, numbers: Mapping[str, int], deltas: Deltas
    ) -> None:
        """Count attempts that were refused, each once."""
        scope_of = {numbers[scope]: scope for scope in refused.scopes}
        counter = f"refused_{Channel(refused.channel).label}"
        for number, attempts in (await self._store.add_refusals(connection, refused, numbers)).items():
            deltas.setdefault(refused.source, {}).setdefault(scope_of[number], Counter())[counter] += attempts


async def _move(connection: Connection, deltas: Deltas) -> None:
    for source, scopes in sorted(deltas.items()):
        moves = {scope: changes for scope, changes in scopes.items() if any(changes.values())}
        await move_totals(connection, moves, source, COUNTERS["tracking"])


class PauseLists:
    """What had begun when a cohort was paused, as far as dispatch has reported it."""

    def __init__(self, pool: Pool, store: Store, incidents: Incidents, partitions: int) -> None:
        self._pool, self._store, self._incidents, self._partitions = pool, store, incidents, partitions

    async def of(self, principal: Principal, incident_id: str, pause_id: str) -> dict[str, Any] | None:
        """Return what had begun as JSON, None where the principal sees no such pause.

        It is complete once each channel of the incident has reported of each partition.
        """
        cohort_id, _, version = pause_id.rpartition(".")
        incident = self._incidents.get(("incident", incident_id))
        cohort: Cohort | None = self._incidents.get(("cohort", incident_id, cohort_id))
        known = cohort and version.isdecimal() and 0 < int(version) <= cohort.version
        if incident is None or cohort is None or not known or not principal.may(Act.LEDGER_SHOWN, cohort.source):
            return None
        async with self._pool.acquire() as connection:
            reported = await self._store.count_observed(connection, incident_id, pause_id)
            begun = await self._store.list_begun(connection, incident_id, pause_id)
        waiting = [one.label for one in incident.channels if reported.get(int(one), 0) < self._partitions]
        return {
            "incidentId": incident_id,
            "cohortId": cohort_id,
            "pauseId": pause_id,
            "complete": not waiting,
            "waitingFor": waiting,
            "begun": [
                {"noticeId": notice.hex(), "channel": Channel(channel).label, "attempt": attempt}
                for notice, channel, attempt in begun
            ],
        }

    async def of_all(self, principal: Principal, incident_id: str) -> dict[str, Any] | None:
        """Return what had begun of every pause that holds now as JSON, None where the incident is not known.

        A principal sees the pauses of cohorts that it sees.
        """
        if self._incidents.get(("incident", incident_id)) is None:
            return None
        cohorts = [value for key, value in self._incidents.items() if key[:2] == ("cohort", incident_id)]
        ids = [cohort.pause_id for cohort in cohorts if cohort.pause_id]
        found = [await self.of(principal, incident_id, pause_id) for pause_id in sorted(ids)]
        pauses = [one for one in found if one is not None]
        return {"incidentId": incident_id, "complete": all(one["complete"] for one in pauses), "pauses": pauses}


class Ledgers:
    """The ledger of an incident, or of all: what every stage counted, put beside what was declared."""

    def __init__(
        self, pool: Pool, store: Store, incidents: Incidents, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._pool = pool
        self._store = store
        self._incidents = incidents
        self._sleep = sleep

    def known(self) -> bool:
        """Tell whether an incident that is not known here is one that is not known at all."""
        return self._incidents.loaded.is_set()

    def incidents(self, principal: Principal | None = None) -> list[Incident]:
        """Return the incidents that are known to a principal, or to anybody, in the order of their ids.

        A source knows those in which it has a cohort.
        """
        known = (value for key, value in self._incidents.items() if key[0] == "incident" and len(key) == 2)
        found = [incident for incident in known if not is_synthetic(incident.incident_id)]
        if principal and principal.is_bound(Act.INCIDENT_SHOWN):
            own = {c.incident_id for c in self._cohorts() if principal.may(Act.COHORT_SHOWN, c.source)}
            found = [incident for incident in found if incident.incident_id in own]
        return sorted(found, key=lambda incident: str(incident.incident_id))

    def _cohorts(self) -> list[Cohort]:
        return [value for key, value in self._incidents.items() if key[0] == "cohort"]

    async def of(self, incident_id: str) -> Ledger | None:
        """Return the ledger of an incident, None where it is not known."""
        incident = None if is_synthetic(incident_id) else self._incidents.get(("incident", incident_id))
        return (await self._draw_up([incident], f"{incident_id}/"))[0] if incident else None

    async def all(self) -> list[Ledger]:
        """Return the ledgers of all incidents."""
        return await self._draw_up(self.incidents(), "")

    async def _draw_up(self, incidents: Sequence[Incident], prefix: str) -> list[Ledger]:
        heard, broken = await self._settled(prefix)
        cohorts = self._cohorts()
        return [
            ledger_of(i.incident_id, i.name, [c for c in cohorts if c.incident_id == i.incident_id], heard, broken)
            for i in incidents
        ]

    async def _settled(self, prefix: str) -> tuple[dict[str, Heard], set[str]]:
        """Return what was heard, and the scopes whose figures disagree although they no longer move."""
        heard = await self._hear(prefix)
        doubtful = {scope: figures for scope, figures in heard.items() if not figures.agrees}
        for _ in range(round(SETTLE_SECONDS / POLL_SECONDS)):
            if not doubtful:
                break
            await self._sleep(POLL_SECONDS)
            heard = await self._hear(prefix)
            doubtful = {scope: before for scope, before in doubtful.items() if heard[scope] == before}
        return heard, set(doubtful)

    async def _hear(self, prefix: str) -> dict[str, Heard]:
        async with self._pool.acquire() as connection:
            return hear(await self._store.read_totals(connection, prefix))
