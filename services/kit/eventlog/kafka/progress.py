"""Committed offsets of a group, for lag exporters; Heraut itself does not read them.

The reading consumer has no group. A group's coordinator would hold up the consumer's closing for as long as the broker
is away, and a missing right to the group would stop the reading.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress

from aiokafka.client import AIOKafkaClient, CoordinationType
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.commit import OffsetCommitRequest

from services.kit.eventlog.kafka.client import KafkaSettings, quietly
from services.kit.eventlog.port import Cursor, TopicPartition

__all__ = ["KafkaProgress"]

# Lag exporters look every half minute.
_COMMIT_SECONDS = 15.0
_LOOKUP_SECONDS = 0.5
# A commit takes some milliseconds. One that takes longer waits for a broker that is away.
_CLOSE_SECONDS = 2.0


class KafkaProgress:
    """Commits offsets seldom, in the background, over a connection of its own; no harm if it fails."""

    def __init__(self, settings: KafkaSettings, group: str, every: float = _COMMIT_SECONDS) -> None:
        self._settings = settings
        self._group = group
        self._every = every
        self._committed_at = float("-inf")
        self._committing: asyncio.Task[None] | None = None

    def note(self, cursors: Mapping[TopicPartition, Cursor]) -> None:
        """Commit these positions, unless that was done a while ago or is being done."""
        offsets = {at: cursor.next_offset for at, cursor in cursors.items() if cursor.next_offset}
        busy = self._committing is not None and not self._committing.done()
        if offsets and not busy and time.monotonic() - self._committed_at >= self._every:
            self._committed_at = time.monotonic()
            self._committing = asyncio.get_running_loop().create_task(quietly(self.commit(offsets)))

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Commit these offsets now. Raises KafkaError. The caller bounds it in time."""
        topics = defaultdict(list)
        for at, offset in offsets.items():
            topics[at.topic].append((at.partition, offset, ""))
        # As a client without membership does: no generation, no member id.
        request = OffsetCommitRequest(
            self._group, -1, "", OffsetCommitRequest.DEFAULT_RETENTION_TIME, [*topics.items()]
        )
        client = AIOKafkaClient(**self._settings.client_options(), client_id=f"heraut-{self._group}")
        try:
            await client.bootstrap()
            await _send(client, self._group, request)
        finally:
            await client.close()

    async def close(self) -> None:
        """Let a commit that is under way end, and give it up after a short time.

        The client forgets a connection whose making is cut off, and that connection would stay open.
        """
        if self._committing is not None:
            await asyncio.wait({self._committing}, timeout=_CLOSE_SECONDS)
            self._committing.cancel()
            with suppress(asyncio.CancelledError):
                await self._committing


async def _send(client: AIOKafkaClient, group: str, request: OffsetCommitRequest) -> None:
    """Send to the node that keeps a group's offsets; the first group of a cluster waits until there is one."""
    while True:
        try:
            coordinator = await client.coordinator_lookup(CoordinationType.GROUP, group)
            answer = await client.send(coordinator, request)
            for code in {code for _, partitions in answer.topics for _, code in partitions if code}:
                raise for_code(code)
        except KafkaError as error:
            if not error.retriable:
                raise
            await asyncio.sleep(_LOOKUP_SECONDS)
        else:
            return
