"""An upload: a body that is read as it arrives, committed chunk by chunk, and answered once all of it is durable."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from services.core.access import Act, Caller
from services.core.cohort import Cohort
from services.core.incident import Incident
from services.intake.context import SOURCE, Context
from services.intake.domain import Accepted, Chunk, DoneAct, Problem
from services.intake.errors import BadHeaderError, BrokenBodyError
from services.intake.identities.matching import has_unnumbered
from services.intake.members.acceptance import Acceptance
from services.intake.members.chunks import ChunkBuilder, Reader
from services.intake.reading.csv import CsvReader
from services.intake.reading.gunzip import Gunzip
from services.intake.reading.lines import TOO_LONG, RawRecord, RecordSplitter
from services.intake.reading.ndjson import NdjsonReader
from services.intake.records.texts import says_nothing
from services.kit.errors import RetryableError
from services.kit.eventlog import append_outputs
from services.kit.postgres import is_retryable
from services.kit.retry import backoff

__all__ = ["PROBLEMS_SHOWN", "Format", "Report", "Upload", "unpacked"]

PROBLEMS_SHOWN = 1_000  # an answer that can still be read; the counts include the problems that are not shown
_COMMIT_EVERY = 1.0  # seconds that records of a slow sender wait for their commit, at most
# Together some seconds, in which a database restarts or fails over; after them the sender is told to try again.
_ATTEMPTS, _BACKOFF_BASE, _BACKOFF_CAP = 8, 0.05, 2.0
_SYSTEM_RANDOM = random.SystemRandom()


class Format(NamedTuple):
    """How a body is written."""

    csv: bool
    gzip: bool


@dataclass(slots=True)
class Report:
    """What became of an upload's lines so far; all that it counts is durable."""

    accepted: int = 0
    rejected: int = 0
    unreadable: int = 0  # lines that are no members: the ledger counts none of them
    warned: int = 0  # of the accepted: lines of which something was left out, or whom nobody can write to
    refused: int = 0  # of the rejected: new members of a sealed cohort
    last_line: int = 0
    problems: list[Problem] = field(default_factory=list)
    truncated: bool = False

    def add(self, accepted: Accepted, last_line: int) -> None:
        """Count a chunk, after its commit."""
        self.accepted += accepted.accepted_lines
        self.rejected += accepted.rejected_lines
        self.unreadable += accepted.unreadable_lines
        self.warned += accepted.warned_lines
        self.refused += len(accepted.classified.refused)
        self.last_line = last_line
        space = PROBLEMS_SHOWN - len(self.problems)
        self.truncated = self.truncated or len(accepted.problems) > space
        self.problems += accepted.problems[:space]

    def as_json(self) -> dict[str, Any]:
        """Return the answer's body."""
        return {
            "received": self.accepted + self.rejected,
            "accepted": self.accepted,
            "rejected": self.rejected,
            "unreadable": self.unreadable,
            "warnings": self.warned,
            "problems": [
                {
                    "line": p.line,
                    "memberRef": p.member_ref,
                    "field": p.field,
                    "problem": p.problem,
                    "severity": p.severity,
                }
                for p in self.problems
            ],
            "problemsTruncated": self.truncated,
        }


async def unpacked(body: AsyncIterator[bytes], *, gzip: bool) -> AsyncIterator[bytes]:
    """Return a body without its compression, a bounded piece at a time. Raises BrokenBodyError("gzip")."""
    if not gzip:
        async for data in body:
            yield data
        return
    gunzip = Gunzip()
    async for data in body:
        for piece in gunzip.feed(data):
            yield piece
    gunzip.finish()


class Upload:
    """One body on its way in, unpacked. While a chunk is committed, the next is read and checked."""

    def __init__(self, incident: Incident, cohort: Cohort, body: Format, context: Context, caller: Caller) -> None:
        self.report = Report()
        number = _SYSTEM_RANDOM.getrandbits(63)  # among a million uploads, two have the same with a chance of 10^-7
        self._builder = ChunkBuilder(incident, cohort, context.hashes, context.clock.now().date(), number)
        self._act: DoneAct | None = DoneAct.of(caller, Act.MEMBERS_SENT, cohort, upload=number)
        self._context, self._acceptance = context, Acceptance(context)
        self._splitter = RecordSplitter(quoted=body.csv)
        self._reader: Reader | None = None if body.csv else NdjsonReader()
        self._committing: asyncio.Task[None] | None = None
        self._committed_at = context.clock.monotonic()
        self._repeats = False
        self._matched = False  # the incident's records are, before the first one on a match key alone

    async def run(self, body: AsyncIterator[bytes]) -> Report:
        """Read the body to its end; returns the report once everything is durable.

        Raises BrokenBodyError or BadHeaderError, after which `report` counts what is durable all the same, and
        RetryableError where the database is away.
        """
        try:
            try:
                await self._read(body)
            except BrokenBodyError:
                await self._flush()  # the records before the break are taken as well
                raise
            await self._flush()
        finally:
            if self._committing:
                self._committing.cancel()
        return self.report

    async def _read(self, body: AsyncIterator[bytes]) -> None:
        async for piece in body:
            await self._take(self._splitter.feed(piece))
            # Other requests get their turn, also while the pieces give no records: those of a bomb give none.
            await asyncio.sleep(0)
            if self._context.clock.monotonic() - self._committed_at > _COMMIT_EVERY:
                await self._commit()
        await self._take(self._splitter.finish())
        if self._reader is None:
            self._read_header(())

    async def _take(self, records: list[RawRecord]) -> None:
        if self._reader is None and records:
            records = self._read_header(records)
        while records and self._reader:
            space = self._builder.space
            self._builder.add(records[:space], self._reader)
            records = records[space:]
            if self._builder.space <= 0:
                await self._commit()
            # Other requests get their turn: a piece of a body takes some milliseconds.
            await asyncio.sleep(0)

    def _read_header(self, records: Sequence[RawRecord]) -> list[RawRecord]:
        """Read the first line that says something as the header; returns the records after it."""
        for at, (_, raw) in enumerate(records):
            if raw is TOO_LONG:
                raise BadHeaderError([{"field": "header", "problem": "line-too-long"}])
            if not says_nothing(raw):
                self._reader = CsvReader(raw)
                return list(records[at + 1 :])
        if not records:
            raise BadHeaderError([{"field": "header", "problem": "the first line must name the columns"}])
        return []

    async def _commit(self) -> None:
        """Begin to commit the chunk, once the one before is durable."""
        self._committed_at = self._context.clock.monotonic()
        if not len(self._builder.chunk):
            return
        await self._end_commit()
        committing = self._commit_chunk(self._builder.give())
        self._committing = asyncio.create_task(committing, name="commit a chunk")

    async def _end_commit(self) -> None:
        if self._committing:
            await self._committing
            self._committing = None

    async def _flush(self) -> None:
        await self._commit()
        await self._end_commit()

    async def _commit_chunk(self, chunk: Chunk) -> None:
        clock, metrics = self._context.clock, self._context.metrics
        if not self._matched and has_unnumbered(chunk):
            await self._acceptance.prepare(chunk.incident_id)
            self._matched = True
        chunk.likely_repeats = self._repeats
        started = clock.monotonic()
        accepted = await self._with_patience(chunk)
        self._act = None
        metrics.chunk_seconds.observe(clock.monotonic() - started)
        metrics.count(accepted)
        self._repeats = len(accepted.classified.new) < len(chunk.members) > 0
        self.report.add(accepted, chunk.last_line)

    async def _with_patience(self, chunk: Chunk) -> Accepted:
        """Take a chunk, and try again while the database is away or two uploads were in each other's way."""
        for attempt in range(_ATTEMPTS):
            try:
                return await self._transaction(chunk)
            except Exception as error:
                if not is_retryable(error):
                    raise
                await asyncio.sleep(
                    backoff(attempt, base=_BACKOFF_BASE, cap=_BACKOFF_CAP, random=_SYSTEM_RANDOM.random)
                )
        raise RetryableError("the database is away", after=10.0)

    async def _transaction(self, chunk: Chunk) -> Accepted:
        async with self._context.pool.acquire() as connection, connection.transaction():
            now = self._context.clock.now()
            (accepted,), outputs = await self._acceptance.accept(connection, [chunk], now)
            if self._act:  # in the transaction of the first members, so that none are there whose sender is not known
                await self._context.store.record_acts(connection, [self._act], now)
            if outputs:
                await append_outputs(connection, SOURCE, outputs)
        return accepted
