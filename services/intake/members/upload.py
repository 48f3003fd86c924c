"""An upload: a body read as it comes, committed chunk by chunk, answered once all of it is durable."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from services.core.clock import Clock
from services.intake.domain import Chunk, Problem
from services.intake.errors import BadHeaderError, BrokenBodyError
from services.intake.members.acceptance import Part, Taken, Taker
from services.intake.members.chunks import ChunkBuilder, Reader
from services.intake.metrics import IntakeMetrics
from services.intake.reading.csv import CsvReader
from services.intake.reading.gunzip import Gunzip
from services.intake.reading.lines import RawRecord, RecordSplitter, TooLong
from services.intake.reading.ndjson import NdjsonReader
from services.kit.errors import RetryableError
from services.kit.eventlog import append_outputs
from services.kit.postgres import Pool, is_retryable
from services.kit.retry import backoff

__all__ = ["PROBLEMS_SHOWN", "Format", "Report", "Tools", "Upload"]

PROBLEMS_SHOWN = 1_000  # an answer that can still be read; the counts are of all of them
_COMMIT_EVERY = 1.0  # seconds: what a slow sender has sent does not wait longer than this for its commit
# Some seconds of a database that restarts or fails over; past it the sender is told to come again.
_ATTEMPTS, _BACKOFF_BASE, _BACKOFF_CAP = 8, 0.05, 2.0
_SYSTEM_RANDOM = random.SystemRandom()


class Format(NamedTuple):
    """How a body is written."""

    csv: bool
    gzip: bool


@dataclass(slots=True)
class Report:
    """What became of an upload's lines so far; all of it is durable."""

    accepted: int = 0
    rejected: int = 0
    refused: int = 0  # of the rejected: new members of a sealed cohort
    last_line: int = 0
    problems: list[Problem] = field(default_factory=list)
    truncated: bool = False

    def add(self, taken: Taken, last_line: int) -> None:
        """Count a chunk, after its commit."""
        self.accepted += taken.accepted_lines
        self.rejected += taken.rejected_lines
        self.refused += len(taken.settled.refused)
        self.last_line = last_line
        room = PROBLEMS_SHOWN - len(self.problems)
        self.truncated = self.truncated or len(taken.problems) > room
        self.problems += taken.problems[:room]

    def as_json(self) -> dict[str, Any]:
        """Return the answer's body."""
        return {
            "received": self.accepted + self.rejected,
            "accepted": self.accepted,
            "rejected": self.rejected,
            "problems": [
                {"line": p.line, "memberRef": p.member_ref, "field": p.field, "problem": p.problem}
                for p in self.problems
            ],
            "problemsTruncated": self.truncated,
        }


class Tools(NamedTuple):
    """What every upload works with."""

    pool: Pool
    taker: Taker
    clock: Clock
    metrics: IntakeMetrics


class Upload:
    """One body on its way in. While a chunk is committed, the next is read and checked."""

    def __init__(self, builder: ChunkBuilder, body: Format, tools: Tools) -> None:
        self.report = Report()
        self._builder, self._tools = builder, tools
        self._number = _SYSTEM_RANDOM.getrandbits(63)  # among a million uploads, two share one with a chance of 10^-7
        self._gunzip = Gunzip() if body.gzip else None
        self._splitter = RecordSplitter(quoted=body.csv)
        self._reader: Reader | None = None if body.csv else NdjsonReader()
        self._committing: asyncio.Task[None] | None = None
        self._committed_at = tools.clock.monotonic()
        self._repeats = False

    async def run(self, body: AsyncIterator[bytes]) -> Report:
        """Read the body to its end; returns the report once everything is durable.

        Raises BrokenBodyError or BadHeaderError with `report` telling how far it came, and RetryableError
        where the database is away.
        """
        try:
            try:
                await self._read(body)
            except BrokenBodyError:
                await self._flush()  # what was read whole before the break is taken as well
                raise
            await self._flush()
        finally:
            if self._committing:
                self._committing.cancel()
        return self.report

    async def _read(self, body: AsyncIterator[bytes]) -> None:
        async for data in body:
            for piece in self._gunzip.feed(data) if self._gunzip else (data,):
                await self._take(self._splitter.feed(piece))
                # Other requests get their turn, also while nothing comes of what is unpacked: a bomb has many pieces.
                await asyncio.sleep(0)
            if self._tools.clock.monotonic() - self._committed_at > _COMMIT_EVERY:
                await self._commit()
        if self._gunzip:
            self._gunzip.finish()
        await self._take(self._splitter.finish())
        if self._reader is None:
            self._read_header(())

    async def _take(self, records: list[RawRecord]) -> None:
        if self._reader is None and records:
            records = self._read_header(records)
        while records and self._reader:
            room = self._builder.room
            self._builder.add(records[:room], self._reader)
            records = records[room:]
            if self._builder.room <= 0:
                await self._commit()
            # Other requests get their turn: a piece of a body is some milliseconds of work.
            await asyncio.sleep(0)

    def _read_header(self, records: Sequence[RawRecord]) -> list[RawRecord]:
        """Read the first line that says something; returns the records after it."""
        for at, (_, raw) in enumerate(records):
            if isinstance(raw, TooLong):
                raise BadHeaderError([{"field": "header", "problem": "line-too-long"}])
            if raw and not raw.isspace():
                self._reader = CsvReader(raw)
                return list(records[at + 1 :])
        if not records:
            raise BadHeaderError([{"field": "header", "problem": "the first line must name the columns"}])
        return []

    async def _commit(self) -> None:
        """Return the chunk to its transaction, once the one before is durable."""
        self._committed_at = self._tools.clock.monotonic()
        if not len(self._builder.chunk):
            return
        await self._settle()
        committing = self._commit_chunk(self._builder.give())
        self._committing = asyncio.create_task(committing, name="commit a chunk")

    async def _settle(self) -> None:
        if self._committing:
            await self._committing
            self._committing = None

    async def _flush(self) -> None:
        await self._commit()
        await self._settle()

    async def _commit_chunk(self, chunk: Chunk) -> None:
        incident, cohort = self._builder.incident, self._builder.cohort
        part = Part(incident.incident_id, incident.version, cohort.cohort_id, chunk, self._number, self._repeats)
        started = self._tools.clock.monotonic()
        taken = await self._with_patience(part)
        self._tools.metrics.chunk_seconds.observe(self._tools.clock.monotonic() - started)
        self._tools.metrics.count(taken)
        self._repeats = len(taken.settled.new) < len(chunk.members) > 0
        self.report.add(taken, chunk.last_line)

    async def _with_patience(self, part: Part) -> Taken:
        """Take a part, again while the database is away or two uploads were in each other's way."""
        for attempt in range(_ATTEMPTS):
            try:
                return await self._transaction(part)
            except Exception as error:
                if not is_retryable(error):
                    raise
                await asyncio.sleep(
                    backoff(attempt, base=_BACKOFF_BASE, cap=_BACKOFF_CAP, random=_SYSTEM_RANDOM.random)
                )
        raise RetryableError("the database is away", after=10.0)

    async def _transaction(self, part: Part) -> Taken:
        async with self._tools.pool.acquire() as connection, connection.transaction():
            (taken,) = await self._tools.taker.take(connection, [part], self._tools.clock.now())
            if taken.outputs:
                await append_outputs(connection, "intake", taken.outputs)
        return taken
