"""Reads back what was printed, once the database was set back to a backup: its print files know better.

A print file that has its mark, and that the database does not know to be done, was finished after the backup. It is
noted with its run, so that the print house's answers and totals go on, and its letters are not printed again. Nothing
begins on the channel before all are read. To do it twice, or by two processes, comes to the same.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from services.core.clock import Clock
from services.dispatch.found_letters import FoundLetters
from services.dispatch.found_store import FoundStore
from services.dispatch.print_runs import read_run_name
from services.dispatch.provider import FinishedFile, FinishedFiles, Traits
from services.kit.errors import LostOwnershipError
from services.kit.folders import UnfitFileError
from services.kit.postgres import Pool, is_retryable
from services.kit.retry import pause_until
from services.kit.stage import StageHandle

__all__ = ["ReadingBack"]

logger = logging.getLogger(__name__)

_EVERY: Final = 1.0  # seconds between two looks; an operator waits for it
_AT_ONCE: Final = 16  # batches in one transaction, of some thousands of letters each at most


class ReadingBack:
    """One process's look at the finished print files."""

    def __init__(self, files: FinishedFiles, *, stage: StageHandle, pool: Pool, traits: Traits, clock: Clock) -> None:
        self._files, self._stage, self._pool, self._clock = files, stage, pool, clock
        self._store = FoundStore(traits.channel)
        self._letters = FoundLetters(self._store, traits)
        self._totals: dict[str, Sequence[bytes] | None] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Look until `stop`."""
        while not stop.is_set():
            try:
                await self.look()
            except Exception as error:
                if not (isinstance(error, LostOwnershipError | OSError) or is_retryable(error)):
                    raise
                logger.warning("print files cannot be read back", extra={"error_class": type(error).__name__})
            await pause_until(stop, _EVERY)

    async def look(self) -> None:
        """Read them if that is asked for. Raises OSError, LostOwnershipError, and what databases raise."""
        if not self._stage.owned():
            return
        async with self._pool.acquire() as connection:
            since = await self._store.unread_since(connection)
        if since is None:
            return
        self._totals = {}
        jobs = await self._files.jobs()
        async with self._pool.acquire() as connection:
            known = await self._store.done(connection, jobs)
        found = [job for job in jobs if job not in known]
        unnamed = sum([not await self._read(job) for job in found])
        await self._settle()
        async with self._pool.acquire() as connection:
            await self._store.files_were_read(connection, since, unnamed)
        logger.warning(
            "print files were read back; of so many (count) nothing says whose letters they have",
            extra={"files": len(found), "count": unnamed},
        )

    async def _read(self, job: bytes) -> bool:
        """Note one finished file and its letters; tells whether it is known whose they are."""
        try:
            one = await self._files.read(job)
        except UnfitFileError:
            logger.exception("the mark of a print file cannot be read", extra={"job": job.hex()})
            return False
        if one.letters is None:
            logger.error("nothing says whose letters a print file has", extra={"job": job.hex()})
        await self._note(one)
        return one.letters is not None

    async def _note(self, one: FinishedFile) -> None:
        said, now = read_run_name(one.run), self._clock.now()
        order = await self._order(one.run) if said else None
        async with self._pool.acquire() as connection, connection.transaction():
            if said:
                await self._store.add_run(connection, one.run, said, now)
                await self._store.add_file(connection, one, _place(order, one.job))
            if order is not None:
                await self._store.run_has_total(connection, one.run, now)
            await self._store.add_letters(connection, one)

    async def _order(self, run: str) -> Sequence[bytes] | None:
        if run not in self._totals:
            self._totals[run] = await self._files.total(run)
        return self._totals[run]

    async def _settle(self) -> None:
        """Settle what waits here of letters that were found; what comes later is settled when it comes."""
        after = 0
        while True:
            owned = min(self._stage.owned(), default=None)
            if owned is None:
                raise LostOwnershipError("no partition is owned")
            async with self._stage.fenced([owned]) as transaction:
                batches = await self._store.open_batches(transaction.connection, after, _AT_ONCE)
                transaction.emit(await self._letters.settle(transaction.connection, batches, self._clock.now()))
            if not batches:
                return
            after = batches[-1].number


def _place(order: Sequence[bytes] | None, job: bytes) -> int | None:
    """Return a file's place in its run, from 1; None = as the next one."""
    return order.index(job) + 1 if order and job in order else None
