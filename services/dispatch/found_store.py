"""Dispatch's tables of a database that was set back: channels that wait, and letters that were found in print files."""

from collections.abc import Collection
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from services.core.channel import Channel
from services.core.notices import Notices
from services.core.status import AttemptState
from services.dispatch.codec import decode_block, encode_block
from services.dispatch.domain import Batch, Key
from services.dispatch.print_runs import RunName
from services.dispatch.provider import FinishedFile
from services.kit.postgres import Connection, Queries

__all__ = ["FoundLetter", "FoundStore"]

_QUERIES = Queries.load(Path(__file__).with_name("queries.sql"))


class FoundLetter(NamedTuple):
    """A letter of a print file that the database knew nothing of."""

    key: Key
    job: bytes
    made_at: datetime
    sent: bool  # the print house has the file, or can fetch it; else nobody knows


class FoundStore:
    """Reads and writes them for one channel, on the connection that it is given."""

    def __init__(self, channel: Channel) -> None:
        self._channel = int(channel)

    async def unread_since(self, connection: Connection) -> datetime | None:
        """Return since when files wait to be read; None where none do."""
        row = await connection.fetchrow(_QUERIES["restore_stands"], self._channel)
        return row["unread_since"] if row else None

    async def files_were_read(self, connection: Connection, since: datetime, unnamed: int) -> None:
        """Note that all were, as they were asked for then; of so many nothing says whose letters they have."""
        await connection.execute(_QUERIES["files_were_read"], self._channel, since, unnamed)

    async def done(self, connection: Connection, jobs: Collection[bytes]) -> set[bytes]:
        """Return those of these print files that are known."""
        return {row["job"] for row in await connection.fetch(_QUERIES["files_done"], list(jobs))}

    async def add_run(self, connection: Connection, name: str, said: RunName, now: datetime) -> None:
        """Note a print run, unless it is known, and keep others from adding to it until the transaction ends."""
        about = said.day, now, said.partition, said.number, said.handling
        await connection.execute(_QUERIES["find_run"], name, *about)
        await connection.execute(_QUERIES["lock_run_due"], name)

    async def add_file(self, connection: Connection, one: FinishedFile, position: int | None) -> None:
        """Note a finished print file of a known run, at its place there or as the next one."""
        await connection.execute(_QUERIES["find_file"], one.job, one.run, *one.printed, one.made_at, position)

    async def run_has_total(self, connection: Connection, name: str, now: datetime) -> None:
        """Note that the print house has the total of a run."""
        await connection.execute(_QUERIES["run_has_total"], name, now)

    async def add_letters(self, connection: Connection, one: FinishedFile) -> None:
        """Note whose letters a finished print file has."""
        letters = one.letters or ()
        keys = [letter.notice for letter in letters], [letter.attempt for letter in letters]
        await connection.execute(_QUERIES["find_letters"], one.made_at, one.sent, one.job, *keys)

    async def of(self, connection: Connection, notices: Collection[bytes]) -> dict[bytes, list[FoundLetter]]:
        """Return the letters of these notices of which no attempt came yet."""
        found: dict[bytes, list[FoundLetter]] = {}
        for row in await connection.fetch(_QUERIES["found_of"], list(notices)):
            letter = FoundLetter((row["notice"], row["attempt"]), row["job"], row["at"], row["sent"])
            found.setdefault(row["notice"], []).append(letter)
        return found

    async def settled(self, connection: Connection, keys: Collection[Key]) -> None:
        """Note that attempts were found for these letters."""
        notices, attempts = zip(*keys, strict=True)
        await connection.execute(_QUERIES["found_settled"], list(notices), list(attempts))

    async def open_batches(self, connection: Connection, after: int, limit: int) -> list[Batch]:
        """Lock and return batches that wait or were begun, and whose number is higher."""
        rows = await connection.fetch(_QUERIES["open_batches"], self._channel, after, limit)
        return [
            Batch(row["batch"], row["partition"], decode_block(row["block"]), row["tries"], row["at"], row["job"])
            for row in rows
        ]

    async def set_apart(
        self, connection: Connection, batch: Batch, part: Notices, *, job: bytes, state: AttemptState, at: datetime
    ) -> None:
        """Give attempts of a batch one of their own, in a print file."""
        ((number,),) = await connection.fetch(_QUERIES["next_numbers"], 1)
        about = batch.partition, len(part), self._channel, int(state), batch.tries, job, encode_block(part)
        await connection.execute(_QUERIES["settle_apart"], number, at, *about)
        await connection.execute(_QUERIES["move_attempts"], number, part.ids, part.attempts)

    async def keep(self, connection: Connection, batch: Batch, left: Notices) -> None:
        """Leave a batch what was not set apart of it; one of which nothing is left goes."""
        if left:
            await connection.execute(_QUERIES["shrink"], batch.number, len(left), encode_block(left))
        else:
            await connection.execute(_QUERIES["drop_emptied"], batch.number)
