"""Intake's whole process on a real broker: events in, blocks out, dead letters aside."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import ClientSession
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from notification.topics import COHORT, INCIDENTS_CHANGED, MEMBERS_ACCEPTED, TOTALS_CHANGED
from notification.v1 import intake_pb2

from services.intake.app import run
from services.intake.config import Config
from services.kit.config import load
from services.kit.eventlog.kafka.client import KafkaSettings
from services.kit.vault.key_files import create_keys
from tests.integration.intake.conftest import COHORT as WAVE_1
from tests.integration.intake.conftest import a_document
from tests.kafka_fixtures import PARTITIONS
from tests.logins import login_settings
from tests.principals import bearer
from tests.unit.intake.builders import a_record

pytestmark = pytest.mark.kafka
IDS = {"incidentId": "lab", "cohortId": "wave-1"}
_WITHIN = 60.0  # seconds; a broker that was just started is slow at first


@asynccontextmanager
async def running(database_url: str, bootstrap: str, tmp_path: Path) -> AsyncIterator[ClientSession]:
    """Run intake as its process does; returns a client of its routes."""
    keys, principals = tmp_path / "keys", tmp_path / "principals.json"
    create_keys(keys)
    headers = bearer(principals)
    settings = {
        "HERAUT_LOG": "kafka",
        "HERAUT_KAFKA_BOOTSTRAP_SERVERS": bootstrap,
        **login_settings(database_url),
        "HERAUT_KEYS_DIR": str(keys),
        "HERAUT_PRINCIPALS_FILE": str(principals),
        "HERAUT_HTTP_HOST": "127.0.0.1",
        "HERAUT_HTTP_PORT": "0",
        "HERAUT_PARTITIONS": str(PARTITIONS),
    }
    stop, ready = asyncio.Event(), tmp_path / "ready"
    process = asyncio.create_task(run(load(Config, settings), stop, ready))
    try:
        await until(ready.exists, process)
        async with ClientSession(ready.read_text(), headers=headers) as session:
            yield session
    finally:
        stop.set()
        await process


async def until(met: Any, process: "asyncio.Task[None]") -> None:
    """Wait until something outside this process is so, or the process is over."""
    async with asyncio.timeout(_WITHIN):
        while not met():
            assert not process.done()
            await asyncio.sleep(0.02)


async def sent(bootstrap: str, *events: tuple[str, Any]) -> None:
    """Put events on upstream's topic, each on a partition of its own; a type of "" is no event at all."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    try:
        for at, (kind, data) in enumerate(events):
            attributes = {"specversion": "1.0", "id": str(at), "source": "urn:x", "type": f"eu.breachnotice.{kind}.v1"}
            headers = [(f"ce_{name}", text.encode()) for name, text in attributes.items()] if kind else []
            await producer.send_and_wait(COHORT, orjson.dumps(data), partition=at % PARTITIONS, headers=headers)
    finally:
        await producer.stop()


async def records(bootstrap: str, topic: str, partitions: int, count: int) -> list[Any]:
    """Read so many records of a topic from its beginning."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest", enable_auto_commit=False)
    await consumer.start()
    try:
        places = [TopicPartition(topic, at) for at in range(partitions)]
        consumer.assign(places)
        found: list[Any] = []
        async with asyncio.timeout(_WITHIN):
            while len(found) < count:
                for batch in (await consumer.getmany(timeout_ms=200)).values():
                    found += batch
        return found
    finally:
        await consumer.stop()


async def test_events_come_in_and_blocks_go_out(database_url: str, kafka: KafkaSettings, tmp_path: Path) -> None:
    """Events of any partition fill a cohort, members and totals are published, and the unreadable is set aside."""
    bootstrap = kafka.bootstrap_servers
    async with running(database_url, bootstrap, tmp_path) as session:
        await session.put("/v1/incidents/lab", json=a_document())
        await sent(
            bootstrap,
            ("members-affected", {**IDS, "members": [a_record(), a_record(memberRef="m-2", bsn="1")]}),
            ("member-withdrawn", {**IDS, "memberRef": "m-9"}),
            ("", {"memberRef": "in the open"}),
            ("cohort-opened", {**IDS, "source": "lab", "declaredCount": 2}),
        )
        members = await records(bootstrap, MEMBERS_ACCEPTED, PARTITIONS, 1)
        totals = await records(bootstrap, TOTALS_CHANGED, 1, 1)
        changes = await records(bootstrap, INCIDENTS_CHANGED, 1, 2)
        aside = await records(bootstrap, f"{COHORT}.intake.dlq", PARTITIONS, 2)
        async with session.get(WAVE_1) as response:
            shown = await response.json()

    assert (2, 1, 1) == (shown["received"], shown["rejected"], shown["accepted"])
    assert ("lab", "wave-1") == tuple(
        getattr(intake_pb2.MembersAccepted.FromString(members[0].value), name) for name in ("incident_id", "cohort_id")
    )
    assert (1, 2) == (len(totals), len(changes))
    assert {"unknown-member", "not-a-cloudevent"} == {dict(r.headers)["reason"].decode() for r in aside}
    assert orjson.dumps({"memberRef": "in the open"}) in {record.value for record in aside}


async def test_upload_is_published(database_url: str, kafka: KafkaSettings, tmp_path: Path) -> None:
    """What was acknowledged over HTTP reaches the broker, whoever wrote it."""
    bootstrap = kafka.bootstrap_servers
    async with running(database_url, bootstrap, tmp_path) as session:
        await session.put("/v1/incidents/lab", json=a_document())
        await session.put(WAVE_1, json={"source": "lab"})
        body = b"\n".join(orjson.dumps(a_record(memberRef=f"m-{at}")) for at in range(10))
        async with session.post(
            f"{WAVE_1}/members", data=body, headers={"Content-Type": "application/x-ndjson"}
        ) as response:
            answer = await response.json()
        (record,) = await records(bootstrap, MEMBERS_ACCEPTED, PARTITIONS, 1)

    assert 10 == answer["accepted"]
    assert 10 == len(intake_pb2.MembersAccepted.FromString(record.value).versions)
