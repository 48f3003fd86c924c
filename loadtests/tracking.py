"""What notices cost in tracking: to be heard of, to be found, to get receipts, to be counted again. CPU and wall clock.

    python -m loadtests.tracking [--people 1000000] [--more 1100000]

The room's handler alone, in this process, with a PostgreSQL of its own (fsync on): blocks of 2,048 letters in four
cohorts and eight partitions, eight blocks a transaction, ids spread like hashes. No log, no HTTP. `--more` people are
told after the first figures, and all is measured again. CPU is that of this process and that of all of PostgreSQL's.
"""

import argparse
import asyncio
import gc
import random
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from hashlib import shake_128
from pathlib import Path
from typing import TypeVar

import psutil
from notification import topics
from notification.v1 import dispatch_pb2

from loadtests.python_build import python_build
from services.cli.recount import recount
from services.core.receipts import Receipt, ReceiptKind
from services.kit.eventlog.port import Record
from services.kit.postgres.embedded import EmbeddedPostgres
from services.kit.postgres.migrations import migrate
from services.kit.postgres.pool import connect_pool
from services.tracking.verification.answering import Verifications
from services.wire.receipts import encode_received
from services.wire.references import References
from tests.integration.tracking.test_api import an_incident
from tests.integration.tracking.test_handlers import ACCEPTED, Room, a_record
from tests.keys import a_key, a_ring
from tests.logins import own_login, own_logins

T = TypeVar("T")

_BLOCK, _TOGETHER, _PARTITIONS, _LETTER = 2048, 8, 8, 4


@dataclass
class Spent:
    """What something took: CPU seconds here and in PostgreSQL, and seconds on the wall of each step."""

    python: float = 0.0
    postgres: float = 0.0
    steps: list[float] = field(default_factory=list)

    async def on(self, step: Awaitable[T]) -> T:
        """Take a step."""
        began, cpu = time.perf_counter(), time.process_time()
        found = await step
        self.steps.append(time.perf_counter() - began)
        self.python += time.process_time() - cpu
        return found

    def of(self, times: int) -> str:
        """Return it in microseconds of one of so many."""
        each = [spent / times * 1e6 for spent in (self.python, self.postgres, sum(self.steps))]
        return f"{each[0]:.1f} + {each[1]:.1f} us of CPU, {each[2]:.0f} us on the wall"

    def shares(self) -> str:
        """Return the median and the 99th percentile of the steps on the wall, in milliseconds."""
        ordered = sorted(self.steps)
        return f"p50 {ordered[len(ordered) // 2] * 1e3:.1f} ms, p99 {ordered[len(ordered) * 99 // 100] * 1e3:.1f} ms"


class Lab:
    """A tracking that heard of some blocks."""

    def __init__(self, room: Room, server: psutil.Process, owner: str) -> None:
        self._room, self._server, self._owner = room, server, owner
        self._blocks = 0
        self._chance = random.Random(1)  # noqa: S311 - made-up people need no secrets
        ring = a_ring(1)
        incident = an_incident("lab")
        room.incidents.put(replace(incident, key_versions=incident.key_versions._replace(reference=1)))
        self._verifications = Verifications(room.pool, room.store, ring, room.incidents, lambda: True)
        self._references = References(a_key("reference", 1))

    async def tell(self, people: int) -> None:
        """Hear of so many more, and print what each half of them took."""
        for half in range(2):
            count = people // 2 // (_BLOCK * _TOGETHER) + 1
            with self._spending() as spent:
                for _ in range(count):
                    records = [_attempted(self._blocks + at) for at in range(_TOGETHER)]
                    self._blocks += _TOGETHER
                    await spent.on(self._room.hear(*records))
            print(f"told, half {half + 1}: {spent.of(count * _TOGETHER * _BLOCK)}")

    async def measure(self) -> None:
        """Print what it takes to find notices, to join receipts, and to recount."""
        print(f"--- {self._blocks * _BLOCK:,} people, {psutil.Process().memory_info().rss >> 20} MB resident")
        ours = self._references.of_all([self._some_notice() for _ in range(1000)])
        others = self._references.of_all([self._chance.randbytes(16) for _ in range(300)])
        for name, asked in (("genuine", ours), ("unknown", others)):
            with self._spending() as spent:
                for reference in asked:
                    await spent.on(self._verifications.of(reference))
            print(f"{name} reference: {spent.of(len(asked))}; {spent.shares()}")
        for kind in (ReceiptKind.DELIVERED, ReceiptKind.RETURNED, ReceiptKind.RETURNED):
            named = [self._some_notice() for _ in range(1000)]
            await self._receive(f"1,000 {kind.name.lower()} of anybody", kind, named)
        block = _ids(self._chance.randrange(self._blocks))
        named = [block[at : at + 16] for at in range(0, len(block), 16)]
        await self._receive("2,048 posted of one block", ReceiptKind.POSTED, named)
        await self._receive("the same again", ReceiptKind.POSTED, named)
        again = _attempted(3)
        with self._spending() as spent:
            await spent.on(self._room.hear(again))
        print(f"a block heard again: {spent.of(_BLOCK)} a notice")
        await self._recount()

    async def _receive(self, name: str, kind: ReceiptKind, named: Sequence[bytes]) -> None:
        receipts = [Receipt(notice, _LETTER, 1, int(kind), 1_767_258_300_000) for notice in named]
        records = [a_record(output.topic, output.value) for output in encode_received(0, receipts)]
        with self._spending() as spent:
            await spent.on(self._room.hear(*records))
        print(f"{name}: {spent.of(len(named))} a receipt; {spent.steps[0]:.2f} s")

    async def _recount(self) -> None:
        with self._spending() as spent:
            found = await spent.on(recount(self._owner))
            await asyncio.sleep(0.5)  # until its backend has ended, and its CPU is told of
        assert all(one.agrees for one in found)
        print(f"recount: {spent.python:.2f} + {spent.postgres:.2f} s of CPU, {spent.steps[0]:.2f} s on the wall")

    def _some_notice(self) -> bytes:
        block, at = _ids(self._chance.randrange(self._blocks)), self._chance.randrange(_BLOCK) * 16
        return block[at : at + 16]

    @contextmanager
    def _spending(self) -> Iterator[Spent]:
        spent, served = Spent(), _cpu_of(self._server)
        yield spent
        spent.postgres = _cpu_of(self._server) - served


def _cpu_of(server: psutil.Process) -> float:
    """Return the CPU seconds that a server and its backends have used so far, those that ended included."""
    return sum(server.cpu_times()[:4]) + sum(sum(one.cpu_times()[:2]) for one in server.children())


def _ids(block: int) -> bytes:
    return shake_128(block.to_bytes(4, "big")).digest(_BLOCK * 16)


def _attempted(block: int) -> Record:
    """Return a block of letters that were handed over."""
    ids = _ids(block)
    message = dispatch_pb2.DeliveriesAttempted(
        incident_id="lab",
        channel="letter",
        provider="print",
        ids=ids,
        members=ids[::-1],
        revisions=[1] * _BLOCK,
        attempts=[1] * _BLOCK,
        outcomes=bytes([ACCEPTED]) * _BLOCK,
        cohort_ids=["a", "b", "c", "d"],
        cohorts=[row % 4 for row in range(_BLOCK)],
        at=1_767_258_120_000 + block,
    )
    return a_record(topics.DELIVERIES_ATTEMPTED, message.SerializeToString(), block % _PARTITIONS)


@asynccontextmanager
async def _lab() -> AsyncIterator[Lab]:
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedPostgres(Path(folder))
        owner = await server.ensure_running()
        try:
            await migrate(owner, room_urls=own_logins(owner))
            pool = await connect_pool(own_login(owner, "tracking"), "tracking")
            pid = server.server_pid
            assert pid is not None
            yield Lab(Room(pool), psutil.Process(pid), owner)
            await pool.close()
        finally:
            await server.destroy()


async def _run(people: int, more: int) -> None:
    print(python_build())
    gc.freeze()  # as services do, and thresholds like theirs
    gc.set_threshold(50_000, 20, 100)
    async with _lab() as lab:
        await lab.tell(people)
        await lab.measure()
        if more:
            await lab.tell(more)
            await lab.measure()


def main() -> None:
    """Measure, and print lines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=1_000_000)
    parser.add_argument("--more", type=int, default=1_100_000)
    of = parser.parse_args()
    asyncio.run(_run(of.people, of.more))


if __name__ == "__main__":
    main()
