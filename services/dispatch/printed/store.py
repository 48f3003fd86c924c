"""What was said of print files, in the database: one method a query."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import asyncpg

from services.core.channel import Channel
from services.core.receipts import ReceiptKind
from services.dispatch.codec import decode_block
from services.dispatch.domain import Batch
from services.dispatch.print_answers import PrintState
from services.kit.postgres import Connection, Queries

__all__ = ["JobFile", "JobLine", "PrintedStore", "StandingFiles"]

_QUERIES = Queries.load(Path(__file__).with_name("queries.sql"))


class JobFile(NamedTuple):
    """A print file that a print house may mean."""

    job: bytes
    done: bool  # its mark is there, and that is written down
    posted: bool


class JobLine(NamedTuple):
    """A print run, and what was said of its files. `unprinted`: rejected letters that nobody decided about."""

    run: str
    day: str
    handling: int
    state: PrintState
    closed: bool
    files: int
    letters: int
    waiting: int  # files of which nothing was said
    waits_since: datetime | None
    rejected: int  # files
    reasons: Sequence[str]
    contradictory: bool
    unprinted: int


class StandingFiles(NamedTuple):
    """Print files of which nothing was said, since when the first, and what lies in rejected ones."""

    waiting: int
    since: datetime | None
    rejected: int
    unprinted: int


class PrintedStore:
    """Reads and writes on the connection that it is given; whoever writes owns a partition of the channel."""

    def __init__(self, channel: Channel) -> None:
        self._channel = int(channel)

    async def files_of(self, connection: Connection, job: str, file: bytes | None) -> list[JobFile]:
        """Lock and return the print files of a run, or the one that is named."""
        rows = await connection.fetch(_QUERIES["files_of_job"], job, file)
        return [JobFile(row["job"], row["done"], row["posted"]) for row in rows]

    async def note(
        self,
        connection: Connection,
        jobs: Collection[bytes],
        kind: ReceiptKind,
        at: datetime,
        *,
        word: str,
        now: datetime,
    ) -> dict[bytes, bool]:
        """Write down what was said of print files.

        Returns those of which it is new, and whether each was said to be posted and to be rejected.
        """
        rows = await connection.fetch(_QUERIES["note_answer"], list(jobs), int(kind), at, word, now)
        return {row["job"]: row["contradictory"] for row in rows}

    async def printed(self, connection: Connection, jobs: Collection[bytes]) -> list[Batch]:
        """Return the batches of print files that are taken for told."""
        return _batches(await connection.fetch(_QUERIES["printed_batches"], self._channel, list(jobs)))

    async def unprinted(self, connection: Connection, jobs: Collection[bytes]) -> list[Batch]:
        """Lock and return the batches of print files that were rejected, and that nobody decided about."""
        return _batches(await connection.fetch(_QUERIES["unprinted_batches"], self._channel, list(jobs)))

    async def unprinted_page(
        self, connection: Connection, job: str, file: bytes | None, after: int, limit: int
    ) -> list[Batch]:
        """Return `limit` such batches at most, of a run or a file, behind the number `after`."""
        return _batches(await connection.fetch(_QUERIES["unprinted_page"], job, file, after, limit))

    async def jobs(self, connection: Connection, limit: int, *, every: bool) -> list[JobLine]:
        """Return print runs, the latest first: those in which something is left to be heard or done, or all."""
        return [_line(row) for row in await connection.fetch(_QUERIES["list_jobs"], every, limit)]

    async def rejected_files(self, connection: Connection, runs: Collection[str]) -> list[tuple[str, bytes, int]]:
        """Return the print files of runs with letters that nobody decided about: run, job, how many."""
        rows = await connection.fetch(_QUERIES["rejected_files"], list(runs))
        return [(row["run"], row["job"], row["letters"]) for row in rows]

    async def standing(self, connection: Connection) -> StandingFiles:
        """Return how many print files wait for an answer, and what lies in rejected ones."""
        (row,) = await connection.fetch(_QUERIES["standing_files"])
        return StandingFiles(row["waiting"], row["since"], row["rejected"], row["unprinted"])

    async def clearable(self, connection: Connection, jobs: Collection[bytes], before: datetime) -> list[bytes]:
        """Return those of these print files that need not stay."""
        return [row["job"] for row in await connection.fetch(_QUERIES["clearable_files"], list(jobs), before)]


def _line(row: asyncpg.Record) -> JobLine:
    return JobLine(
        row["run"],
        row["day"].isoformat(),
        row["handling"],
        _state(row["files"], row["waiting"], row["posted"], row["rejected"]),
        row["run_state"] == 2,
        row["files"],
        row["letters"],
        row["waiting"],
        row["waits_since"],
        row["rejected"],
        list(row["reasons"]),
        row["contradictory"],
        row["unprinted"],
    )


def _state(files: int, waiting: int, posted: int, rejected: int) -> PrintState:
    """Return how a run stands: as its worst file does."""
    if rejected:
        return PrintState.REJECTED
    if waiting:
        return PrintState.WAITING
    return PrintState.POSTED if posted == files else PrintState.ACKNOWLEDGED


def _batches(rows: Iterable[asyncpg.Record]) -> list[Batch]:
    return [
        Batch(row[0], row["partition"], decode_block(row["block"]), row["tries"], row["at"], row["job"]) for row in rows
    ]
