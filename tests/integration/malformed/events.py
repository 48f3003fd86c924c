"""Malformed events for upstream's topic, and the means to send them and to see what was set aside."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.structs import ConsumerRecord
from notification.topics import COHORT

from tests.integration.malformed.material import NAME, a_member
from tests.integration.malformed.process import PARTITIONS

__all__ = ["DEAD_LETTERS", "EVENTS", "Event", "Upstream", "an_event", "members"]

DEAD_LETTERS = f"{COHORT}.intake.dlq"
_PATIENCE = 60.0  # seconds; a broker that was just started is slow at first
_STRUCTURED = [("content-type", b"application/cloudevents+json")]
_OPEN = orjson.dumps({"incidentId": "lab", "cohortId": "c", "members": [a_member()]})  # in the open, as upstream may


@dataclass(frozen=True)
class Event:
    """A record for upstream's topic, and the reason that its dead letter must give."""

    name: str
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] = ()
    reason: str = ""


def an_event(name: str, data: Any, kind: str = "members-affected", reason: str = "", **changed: bytes | None) -> Event:
    """Return a CloudEvent in binary mode; its id is its name."""
    attributes: dict[str, bytes | None] = {
        "specversion": b"1.0",
        "id": name.encode(),
        "source": b"urn:nld:kvknr:12345678:systeem:lab",
        "type": f"eu.breachnotice.{kind}.v1".encode(),
    }
    value = data if isinstance(data, bytes | None) else orjson.dumps(data)
    return Event(name, value, [(f"ce_{key}", given) for key, given in (attributes | changed).items()], reason)


def members(name: str, cohort: str, *given: Any) -> Event:
    """Return an event of members of a cohort."""
    return an_event(name, {"incidentId": "lab", "cohortId": cohort, "members": given})


EVENTS = [
    Event("no CloudEvent at all", _OPEN, reason="not-a-cloudevent"),
    Event("bytes", b"\x93\xfa\0" + NAME.encode(), reason="not-a-cloudevent"),
    Event("a structured list", b"[]", _STRUCTURED, "not-a-cloudevent"),
    Event("a structured half", b'{"specversion": "1.0", "data": {', _STRUCTURED, "invalid-json"),
    Event("a tombstone", None, reason="tombstone"),
    an_event("a tombstone with attributes", None, reason="tombstone"),
    an_event("an empty value", b"", reason="invalid-json"),
    an_event("data cut off", _OPEN[:-9], reason="invalid-json"),
    an_event("latin-1 data", b'{"familyName":"\xe9"}', reason="invalid-json"),
    an_event("no source", _OPEN, source=None, reason="missing-attribute"),
    an_event("an attribute in latin-1", _OPEN, id=b"\xe9", reason="invalid-attribute"),
    an_event("another version", _OPEN, specversion=b"0.3", reason="unsupported-specversion"),
    an_event("a type of tomorrow", _OPEN, kind="members-healed", reason="unsupported-type"),
    an_event("a time without offset", _OPEN, time=b"2025-09-01T12:00:00", reason="invalid-attribute"),
    an_event("a cohort that cannot be", {"incidentId": "lab", "cohortId": "a/b", "members": []}, reason="invalid-data"),
    an_event("members that are none", {"incidentId": "lab", "cohortId": "c", "members": NAME}, reason="invalid-data"),
    an_event("a source with a NUL", {"incidentId": "lab", "cohortId": "c", "source": "a\0b"}, "cohort-opened",
             "invalid-data"),
    an_event("more declared than people", {"incidentId": "lab", "cohortId": "c", "source": "lab",
             "declaredCount": 2**63}, "cohort-opened", "invalid-data"),
    an_event("nine hundred kilobytes", b'"' + b"x" * 900_000 + b'"', reason="too-large"),
    an_event("too many members", b'{"incidentId":"lab","cohortId":"%s","members":[' + b"1," * 20_000 + b"1]}",
             reason="too-many-members"),
]  # fmt: skip


class Upstream:
    """An upstream system: writes events, and looks into its dead letters."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap

    async def send(self, *events: Event, partition: int) -> list[int]:
        """Put events on one partition; returns their offsets."""
        producer = AIOKafkaProducer(bootstrap_servers=self._bootstrap)
        await producer.start()
        try:
            sent = [
                await producer.send(
                    COHORT, event.value, key=b"upstream's", partition=partition, headers=list(event.headers)
                )
                for event in events
            ]
            return [(await acknowledged).offset for acknowledged in sent]
        finally:
            await producer.stop()

    async def dead_letters(self, count: int, partition: int | None = None) -> list[ConsumerRecord]:
        """Return the dead letters of a partition, or of all, once there are so many."""
        async with self._reading() as consumer:
            places = range(PARTITIONS) if partition is None else [partition]
            consumer.assign([TopicPartition(DEAD_LETTERS, place) for place in places])
            await consumer.seek_to_beginning()
            found: list[ConsumerRecord] = []
            async with asyncio.timeout(_PATIENCE):
                while len(found) < count:
                    for batch in (await consumer.getmany(timeout_ms=100)).values():
                        found += batch
            return found

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[AIOKafkaConsumer]:
        consumer = AIOKafkaConsumer(bootstrap_servers=self._bootstrap, enable_auto_commit=False)
        await consumer.start()
        try:
            yield consumer
        finally:
            await consumer.stop()
