"""A print house of a test's choice: what it says, who hears it, and what becomes of its letters."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from notification.topics import RECEIPTS_ACCEPTED, RECEIPTS_RECEIVED, TOTALS_CHANGED
from prometheus_client import CollectorRegistry

from services.core.ledger import UNPRINTED
from services.core.receipts import ReceiptKind, ReceiptReason
from services.core.status import AttemptState
from services.dispatch.metrics import PrintMetrics
from services.dispatch.printed.deciding import Deciding
from services.dispatch.printed.hearing import Hearing
from services.dispatch.printed.store import JobLine, PrintedStore
from services.dispatch.provider import AnsweringProvider
from services.kit.eventlog import Record
from services.tracking.domain import Finding, State
from services.tracking.histories import History, history_of
from services.wire.receipts import decode_received, encode_accepted
from services.wire.totals import decode_totals
from tests.integration.dispatch.bench import Bench, ShiftedClock, a_payload
from tests.unit.dispatch.people import an_id, some_notices

KEEP = timedelta(days=7)


class Printed:
    """A print house of the test's choice, its letters, and who hears its answers."""

    def __init__(self, bench: Bench, provider: AnsweringProvider, here: Path, there: Path) -> None:
        self.bench, self.provider, self.here, self.there = bench, provider, here, there
        self.answers = there / "answers"
        self.registry = CollectorRegistry()
        self.hearing = self.listener()

    def listener(self, later: timedelta = timedelta()) -> Hearing:
        """Return who hears in a process of its own, at a time so much later."""
        self.registry = CollectorRegistry()
        return Hearing(
            self.provider.answers, stage=self.bench.stage, pool=self.bench.pool, channel=self.bench.channel,
            clock=ShiftedClock(later), metrics=PrintMetrics(self.registry, "print"), keep=KEEP,
        )  # fmt: skip

    async def print(self, *counts: int) -> list[str]:
        """Hand over print files of so many letters; return their ids, in the order of their first letters."""
        first = 0
        for count in counts:
            await self.queue(first, count)
            await self.bench.send(self.provider)
            first += count
        return await self.files()

    async def queue(self, first: int, count: int) -> None:
        """Queue so many letters."""
        numbers = range(first, first + count)
        ids = [an_id(("n", number)) for number in numbers]
        notices = some_notices(count, ids=ids, members=[an_id(("m", number)) for number in numbers])
        await self.bench.seal(notices, [a_payload(houseNumber=str(number + 1)) for number in numbers])
        await self.bench.take(notices)

    async def files(self) -> list[str]:
        """Return the print files that are done, in their order."""
        rows = await self.bench.pool.fetch("select job from print_files where position is not null order by position")
        return [row["job"].hex() for row in rows]

    def say(self, job: str, name: str = "", **fields: Any) -> None:
        """Answer, as a print house does."""
        self.answers.mkdir(exist_ok=True)
        (self.answers / (name or f"{job}.answer.json")).write_bytes(json.dumps({"job": job} | fields).encode())

    async def hear(self, hearing: Hearing | None = None) -> None:
        """Look until nothing is new, and let tracking and dispatch take what follows."""
        for _ in range(2):  # what was there at the look before is read
            await (hearing or self.hearing).look()
        await self.follow()
        await (hearing or self.hearing).look()

    async def follow(self) -> None:
        """Let tracking take the receipts, each letter having been accepted before; and dispatch what follows."""
        rows = await self.bench.pool.fetch("select block from log.log where topic = $1 order by seq", RECEIPTS_RECEIVED)
        found: dict[bytes, History] = {}
        for row in rows:
            for one in decode_received(Record(RECEIPTS_RECEIVED, 0, 0, "dispatch", 1, 0, row["block"])):
                told = Finding(one.notice, "lab-2026/c", b"m" * 16, 1, State.ACCEPTED, one.attempt, 1, one.channel)
                history = found.get(one.notice, history_of(told))
                found[one.notice] = history.joined(History(one.notice, receipts=frozenset({one})))
        consequences = sorted(one for history in found.values() for one in history.consequences())
        handler = self.bench.handler()
        records = [
            Record(RECEIPTS_ACCEPTED, 0, 0, "tracking", 1, 0, one.value) for one in encode_accepted(0, consequences)
        ]
        async with self.bench.stage.fenced([0]) as transaction:
            work = [handler.decode(record) for record in records]
            transaction.emit(await handler.apply(transaction.connection, work))

    async def receipts(self) -> list[tuple[bytes, ReceiptKind, ReceiptReason]]:
        """Return what went to tracking."""
        rows = await self.bench.pool.fetch("select block from log.log where topic = $1 order by seq", RECEIPTS_RECEIVED)
        blocks = [decode_received(Record(RECEIPTS_RECEIVED, 0, 0, "dispatch", 1, 0, row["block"])) for row in rows]
        return [(one.notice, ReceiptKind(one.kind), ReceiptReason(one.reason)) for block in blocks for one in block]

    async def held(self) -> int:
        """Return how many dispatch says are held as their letters were rejected."""
        rows = await self.bench.pool.fetch("select block from log.log where topic = $1 order by seq", TOTALS_CHANGED)
        highest = {(t.source, t.scope): t.counts[UNPRINTED] for row in rows for t in decode_totals(row["block"])}
        return sum(highest.values())

    async def line(self) -> JobLine:
        """Return how the only job stands."""
        async with self.bench.pool.acquire() as connection:
            (found,) = await PrintedStore(self.bench.channel).jobs(connection, 10, every=True)
        return found

    def left(self) -> dict[str, float]:
        """Return the answers that are left, by why."""
        found = {
            sample.labels["reason"]: sample.value
            for family in self.registry.collect()
            for sample in family.samples
            if sample.name == "dispatch_print_answers_left"
        }
        return {reason: number for reason, number in found.items() if number}

    def figure(self, name: str, **labels: str) -> float:
        """Return a figure."""
        return self.registry.get_sample_value(name, {"provider": "print"} | labels) or 0.0

    def deciding(self) -> Deciding:
        """Return what operators' decisions are carried out by."""
        return Deciding(self.bench.decisions, self.bench.stage, self.bench.traits)

    async def attempts(self) -> dict[tuple[int, AttemptState], int]:
        """Return how many attempts of each number are in each state."""
        rows = await self.bench.pool.fetch(
            "select attempt, state, count(*) as n from attempts join batches using (batch) group by 1, 2"
        )
        return {(row["attempt"], AttemptState(row["state"])): row["n"] for row in rows}
