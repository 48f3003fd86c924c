"""Stand-ins that keep the promises of the real things: a clock moved by hand, a log in memory, made-up principals."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from services.core.access import Principal
from services.kit.errors import LogPositionError, RetryableError
from services.kit.eventlog import Cursor, Output, Record, Row, TopicPartition
from services.kit.principals import Account, changing, issue_token, with_token

__all__ = ["FakeClock", "MemoryLog", "MemoryTopics", "make_principals"]


class FakeClock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: datetime = datetime(2025, 9, 1, 12, 0, tzinfo=UTC)) -> None:
        self._now = now
        self._monotonic = 0.0

    def now(self) -> datetime:
        """Return the time it was set to."""
        return self._now

    def monotonic(self) -> float:
        """Return the seconds that it was moved."""
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Move it on."""
        self._now += timedelta(seconds=seconds)
        self._monotonic += seconds


class MemoryTopics:
    """Topics in memory, with offsets like Kafka's; any number of logs read and write them."""

    def __init__(self) -> None:
        self.records: defaultdict[TopicPartition, list[Record]] = defaultdict(list)
        self.written = asyncio.Event()

    def write(
        self, at: TopicPartition, value: bytes | None, *, source: str = "", seq: int = 0, row: Row | None = None
    ) -> Record:
        """Add a record at the end, with any sequence."""
        partition = self.records[at]
        written, headers = (row.at, row.headers) if row else (0, ())
        record = Record(*at, len(partition), source, seq, written, value, headers)
        partition.append(record)
        self.written.set()
        return record


class MemoryLog:
    """An event log on `MemoryTopics`, as one stage of one process sees it.

    `refuse` makes that many publishes fail with nothing written; `lose_answers` makes that many fail although
    everything was written, as when a connection dies before the acknowledgement; `away` makes every call fail.
    """

    outside_database = True

    def __init__(self, topics: MemoryTopics | None = None) -> None:
        self.topics = topics or MemoryTopics()
        self.refuse = 0
        self.lose_answers = 0
        self.away = False
        self.assigned: dict[TopicPartition, int] = {}
        self.paused: set[TopicPartition] = set()
        self.progress: dict[TopicPartition, Cursor] = {}

    async def assign(self, cursors: Mapping[TopicPartition, Cursor]) -> None:
        """Read these partitions. Raises LogPositionError where a position lies outside the log."""
        self._reach()
        for at, cursor in cursors.items():
            if not 0 <= cursor.next_offset <= len(self.topics.records[at]):
                raise LogPositionError(f"{at.topic}/{at.partition}: position {cursor.next_offset} is outside the log")
        self.assigned = {at: cursor.next_offset for at, cursor in cursors.items()}
        self.paused.clear()

    async def fetch(self, limit: int, wait: float) -> Sequence[Record]:
        """Return up to `limit` records past those given before; waits up to `wait` seconds for the first."""
        self._reach()
        records = self._take(limit)
        if not records and wait > 0:
            self.topics.written.clear()
            try:
                async with asyncio.timeout(wait):
                    await self.topics.written.wait()
            except TimeoutError:
                return ()
            records = self._take(limit)
        return records

    def pause(self, partitions: Sequence[TopicPartition]) -> None:
        """Return no records of these partitions until they are assigned anew."""
        self.paused.update(partitions)

    async def publish(self, source: str, at: TopicPartition, rows: Sequence[Row]) -> None:
        """Write rows; see the class for how it can be made to fail."""
        self._reach()
        if self.refuse:
            self.refuse -= 1
            raise RetryableError("refused, as the test asked")
        for row in rows:
            self.topics.write(at, row.value, source=source, seq=row.seq, row=row)
        if self.lose_answers:
            self.lose_answers -= 1
            raise RetryableError("the answer was lost, as the test asked")

    async def forward(self, output: Output) -> None:
        """Write a dead letter of a foreign topic, without a sequence."""
        self._reach()
        self.topics.write(TopicPartition(output.topic, output.partition), output.value)

    async def last_sequence(self, source: str, at: TopicPartition) -> int | None:
        """Return the highest sequence of `source`, None where there is none."""
        self._reach()
        found = [record.seq for record in self.topics.records[at] if record.source == source]
        return max(found, default=None)

    async def backlog(self) -> Mapping[TopicPartition, int]:
        """Return how many records lie between the reading position and the end, by assigned partition."""
        self._reach()
        return {at: len(self.topics.records[at]) - offset for at, offset in self.assigned.items()}

    async def note_progress(self, cursors: Mapping[TopicPartition, Cursor]) -> None:
        """Remember how far the stage says it has read."""
        self.progress.update(cursors)

    async def close(self) -> None:
        """Return nothing any more."""
        self.assigned = {}

    def _take(self, limit: int) -> list[Record]:
        taken: list[Record] = []
        for at, offset in self.assigned.items():
            if at not in self.paused:
                found = self.topics.records[at][offset : offset + limit - len(taken)]
                self.assigned[at] += len(found)
                taken += found
        return taken

    def _reach(self) -> None:
        if self.away:
            raise RetryableError("the log is away, as the test asked")


def make_principals(path: Path, *principals: Principal | Account) -> dict[str, str]:
    """Write principals into a file, each with a token for a hundred years; return the tokens by name."""
    tokens = {}
    with changing(path) as change:
        for one in principals:
            account = one if isinstance(one, Account) else Account(one)
            tokens[account.name], stored = issue_token(datetime(2025, 1, 1, tzinfo=UTC), timedelta(days=36_500))
            change.accounts = change.accounts.with_account(with_token(account, stored))
    return tokens
