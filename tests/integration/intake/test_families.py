"""Upstream's topics by source, on a real broker: read by intake's stage, set aside, and sent back."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import asyncpg
import orjson
import pytest
from aiokafka import AIOKafkaProducer
from notification.topics import COHORT

from services.core.access import Caller, Principal, Role
from services.intake.config import Config
from services.intake.handlers import EventHandler
from services.kit.config import load
from services.kit.eventlog import DeadLetter, dead_letter_topic, family_member, installation_of
from services.kit.eventlog.kafka import KafkaSettings, ensure_topics
from services.kit.principals import Account
from services.kit.process import open_service
from tests.integration.intake.conftest import COHORT as COHORT_PATH
from tests.integration.intake.conftest import Intake
from tests.kafka_fixtures import PARTITIONS
from tests.logins import login_settings
from tests.principals import KnownProducers
from tests.unit.intake.builders import a_record

pytestmark = pytest.mark.kafka
LAB, CLINIC = family_member(COHORT, "lab"), family_member(COHORT, "clinic")
PRODUCERS = [
    Account(Principal(source, frozenset({Role.SOURCE}), frozenset({source})), topic=topic)
    for source, topic in (("lab", LAB), ("clinic", CLINIC))
]
BY = Caller(Principal("ann", frozenset({Role.OPERATOR})), "r-1")
_HEADERS = {"specversion": "1.0", "id": "1", "source": "urn:x", "type": "eu.breachnotice.members-affected.v1"}
_WITHIN = 60.0  # seconds; a broker that was just started is slow at first


@asynccontextmanager
async def stage_of(intake: Intake, config: Config, *topics: str) -> AsyncIterator[None]:
    """Run intake's stage on these topics."""
    handler = EventHandler(replace(intake.context, partitions=PARTITIONS), KnownProducers(*PRODUCERS))
    stop = asyncio.Event()
    async with open_service(config, "intake") as service, asyncio.TaskGroup() as group:
        group.create_task(service.stage((), handler, foreign_topics=topics).run(stop))
        try:
            yield
        finally:
            stop.set()


@asynccontextmanager
async def owner(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """Connect as the owner of the database, who alone sends dead letters back."""
    connection = await asyncpg.connect(database_url)
    try:
        yield connection
    finally:
        await connection.close()


async def sent(bootstrap: str, topic: str, value: bytes, headers: dict[str, str]) -> None:
    """Put a record on the first partition of a topic."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    try:
        given = [(f"ce_{name}", text.encode()) for name, text in headers.items()]
        await producer.send_and_wait(topic, value, partition=0, headers=given)
    finally:
        await producer.stop()


async def until(asked: Callable[[], Awaitable[Any]], wanted: Any) -> None:
    """Wait until the answer is the wanted one."""
    async with asyncio.timeout(_WITHIN):
        while await asked() != wanted:  # noqa: ASYNC110 - what is waited for lies in another process
            await asyncio.sleep(0.05)


async def test_events_of_each_source_are_read_set_aside_and_sent_back_to_its_topic(
    intake: Intake, database_url: str, kafka: KafkaSettings
) -> None:
    """A stage reads the topics of several sources; a dead letter is one of its source's, also after its replay."""
    bootstrap = kafka.bootstrap_servers
    settings = {"HERAUT_LOG": "kafka", "HERAUT_KAFKA_BOOTSTRAP_SERVERS": bootstrap, **login_settings(database_url)}
    config = load(Config, settings | {"HERAUT_PARTITIONS": str(PARTITIONS)})
    await ensure_topics(kafka, PARTITIONS, 1, (LAB, CLINIC))
    data = {"incidentId": "lab", "cohortId": "wave-1", "members": [a_record()]}
    aside = dead_letter_topic(CLINIC, "intake")

    async with stage_of(intake, config, LAB, CLINIC), owner(database_url) as connection:
        await sent(bootstrap, LAB, orjson.dumps(data), _HEADERS)
        await sent(bootstrap, CLINIC, b"no event", {})
        letters = installation_of(config).dead_letters(connection)

        async def listed(topic: str | None = None) -> Sequence[DeadLetter]:
            return await letters.entries(10, topic)

        async def offsets() -> list[tuple[str, str]]:
            described = [one.described() for one in await listed(aside)]
            return [(str(one["original-topic"]), str(one["original-offset"])) for one in described]

        try:
            await until(intake.counts, (1, 0, 1))
            await until(offsets, [(CLINIC, "0")])
            (letter,) = await listed()
            replayed = await letters.replay(letter.record.topic_partition, letter.record.offset, BY)
            await until(offsets, [(CLINIC, "0"), (CLINIC, "1")])
        finally:
            await letters.close()

    assert replayed
    assert (aside, CLINIC) == (letter.record.topic, letter.original.topic)


async def test_a_topic_speaks_for_its_source_whatever_its_events_say(
    intake: Intake, database_url: str, kafka: KafkaSettings
) -> None:
    """The clinic adds nobody to the lab's cohort and does not seal it, with the lab's own `ce_source` on its events."""
    settings = {"HERAUT_LOG": "kafka", "HERAUT_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers}
    config = load(Config, settings | login_settings(database_url) | {"HERAUT_PARTITIONS": str(PARTITIONS)})
    await ensure_topics(kafka, PARTITIONS, 1, (LAB, CLINIC))
    ids = {"incidentId": "lab", "cohortId": "wave-1"}
    members = orjson.dumps({**ids, "members": [a_record()]})
    sealed = {**_HEADERS, "id": "2", "type": "eu.breachnotice.cohort-sealed.v1"}

    async with stage_of(intake, config, LAB, CLINIC), intake.pool.acquire() as connection:
        letters = installation_of(config).dead_letters(connection)

        async def reasons() -> list[str]:
            return [
                str(one.described()["reason"]) for one in await letters.entries(10, dead_letter_topic(CLINIC, "intake"))
            ]

        try:
            await sent(kafka.bootstrap_servers, CLINIC, members, _HEADERS)
            await sent(kafka.bootstrap_servers, CLINIC, orjson.dumps(ids), sealed)
            await until(reasons, ["unknown-cohort", "unknown-cohort"])
            before = await intake.get(COHORT_PATH)
            await sent(kafka.bootstrap_servers, LAB, members, _HEADERS)
            await until(intake.counts, (1, 0, 1))
        finally:
            await letters.close()

    assert (0, False) == (before[1]["received"], before[1]["sealed"])
