"""The routing service whole, on the embedded log: wired, it routes what is released and stops when asked."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
from notification import topics
from notification.v1 import deduplication_pb2, dispatch_pb2, routing_pb2

from services.core.channel import Channel
from services.core.notices import Notices
from services.kit.config import load
from services.kit.eventlog.embedded.log import EmbeddedLog
from services.kit.eventlog.outbox import append_outputs
from services.kit.eventlog.port import Cursor, EventLog, Output, TopicPartition
from services.kit.postgres import Pool
from services.routing.app import run
from services.routing.config import Config
from services.wire.incidents import encode_incident
from services.wire.notices import notices_from_wire, notices_to_wire
from tests.keys import FIRST_KEYS
from tests.logins import login_settings

RoomPool = Callable[[str], Awaitable[Pool]]
PORTAL, EMAIL, LETTER = Channel.PORTAL, Channel.EMAIL, Channel.LETTER
PARTITION = 3
DOCUMENT: dict[str, Any] = {
    "title": "A breach",
    "awareAt": "2025-08-06T00:00:00+02:00",
    "controller": {"name": "Lab", "address": ["Street 1"], "phone": "1", "email": "a@example.org"},
    "languages": ["nl"],
    "channels": ["portal", "email", "letter"],
    "compromisedChannels": ["portal"],
    "dataCategories": [{"code": "name", "label": {"nl": "Naam"}}],
    "content": {b: {"nl": "x"} for b in ("nature", "consequences", "measures", "advice", "contact")},
}

_DOCUMENT = orjson.dumps(DOCUMENT)


def notices_of(*situations: tuple[int, int, int]) -> Notices:
    """Return notices by the channels there is data for, those that refused, and the number of attempts."""
    count = len(situations)
    ids = [bytes([n]) * 16 for n in range(count)]
    return Notices(
        "lab", 1, ids, ids, [1] * count, [0] * count, ids, [1] * count, [b""] * count, [1] * count, [1] * count,
        [0] * count, [0] * count, [s[0] for s in situations], [0] * count, ["nl"] * count, ["c"] * count, [5] * count,
        [s[2] for s in situations], [s[1] for s in situations], [("c",)] * count,
    )  # fmt: skip


@asynccontextmanager
async def routing(database_url: str, folder: Path) -> AsyncIterator[None]:
    """Run the service while the context lasts; it must end by itself once it is asked to stop."""
    environ = {
        **login_settings(database_url),
        "HERAUT_DATA_DIR": str(folder),
        "HERAUT_HTTP_HOST": "127.0.0.1",
        "HERAUT_HTTP_PORT": "0",
    }
    stop = asyncio.Event()
    task = asyncio.create_task(run(load(Config, environ), stop, folder / "ready"))
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(task, 30)


async def _write(pool: Pool, source: str, topic: str, partition: int, value: bytes) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await append_outputs(connection, source, [Output(topic, partition, value)])


async def _next(log: EventLog) -> Notices:
    records = await log.fetch(1, 30)
    return notices_from_wire(routing_pb2.NoticesRouted.FromString(records[0].value or b"").notices)


async def test_what_is_released_or_refused_goes_on_in_its_partition(
    database_url: str, owner_pool: Pool, tmp_path: Path
) -> None:
    """A block waits for its incident version, then its notices go to the next channel, or are exhausted."""
    pool = intake = owner_pool
    released = deduplication_pb2.NoticesReleased(notices=notices_to_wire(notices_of((PORTAL | EMAIL, 0, 0), (1, 0, 0))))
    refused = dispatch_pb2.DeliveriesRefused(notices=notices_to_wire(notices_of((EMAIL | LETTER, EMAIL, 1))))
    logs = {topic: EmbeddedLog(pool, "test") for topic in topics.TOPIC}
    for topic, log in logs.items():
        await log.assign({TopicPartition(topic, PARTITION): Cursor()})

    async with routing(database_url, tmp_path):
        await _write(pool, "deduplication", topics.NOTICES_RELEASED, PARTITION, released.SerializeToString())
        incident = encode_incident("lab", 1, orjson.dumps(DOCUMENT), FIRST_KEYS)
        await _write(intake, "intake", topics.INCIDENTS_CHANGED, 0, incident)
        by_email = await _next(logs[topics.NOTICES_ROUTED_EMAIL])
        nowhere = await _next(logs[topics.NOTICES_EXHAUSTED])
        await _write(pool, "dispatch-email", topics.DELIVERIES_REFUSED, PARTITION, refused.SerializeToString())
        by_letter = await _next(logs[topics.NOTICES_ROUTED_LETTER])

    assert ([bytes(16)], [1]) == (by_email.ids, by_email.attempts)
    assert ([b"\1" * 16], [0]) == (nowhere.ids, nowhere.attempts)
    assert ([bytes(16)], [2], [EMAIL]) == (by_letter.ids, by_letter.attempts, by_letter.tried)


async def test_who_was_given_up_is_attempted_again_at_a_new_address(
    database_url: str, owner_pool: Pool, tmp_path: Path
) -> None:
    """What was given up is kept over a restart, and goes out once at the bearer's new address, whatever is replayed."""
    pool = intake = owner_pool
    given_up = dispatch_pb2.DeliveriesRefused(notices=notices_to_wire(notices_of((EMAIL, EMAIL, 1), (EMAIL, EMAIL, 1))))
    moved = deduplication_pb2.NoticesReaddressed(
        incident_id="lab", ids=bytes(16), versions=[3], since=[2], slots=[9], channels=bytes([LETTER]), flags=b"\0",
        language_names=["nl"], languages=[0],
    )  # fmt: skip
    logs = {topic: EmbeddedLog(pool, "test") for topic in topics.TOPIC}
    for topic, log in logs.items():
        await log.assign({TopicPartition(topic, PARTITION): Cursor()})

    async with routing(database_url, tmp_path):
        await _write(intake, "intake", topics.INCIDENTS_CHANGED, 0, encode_incident("lab", 1, _DOCUMENT, FIRST_KEYS))
        await _write(pool, "dispatch-email", topics.DELIVERIES_REFUSED, PARTITION, given_up.SerializeToString())
        nowhere = await _next(logs[topics.NOTICES_EXHAUSTED])
    async with routing(database_url, tmp_path):
        for _ in range(2):
            await _write(pool, "deduplication", topics.NOTICES_READDRESSED, PARTITION, moved.SerializeToString())
            await _write(pool, "dispatch-email", topics.DELIVERIES_REFUSED, PARTITION, given_up.SerializeToString())
        by_letter = await _next(logs[topics.NOTICES_ROUTED_LETTER])
        again = await _next(logs[topics.NOTICES_REATTEMPTED])
        await _write(pool, "deduplication", topics.NOTICES_RELEASED, PARTITION, _to_nobody())
        last = await _next(logs[topics.NOTICES_EXHAUSTED])  # all before it are taken
        more = [await logs[topic].fetch(1, 0) for topic in (topics.NOTICES_ROUTED_LETTER, topics.NOTICES_REATTEMPTED)]

    assert ([bytes(16), b"\1" * 16], [1, 1]) == (nowhere.ids, nowhere.attempts)
    assert ([bytes(16)], [2], [3], [9], [0]) == (
        by_letter.ids, by_letter.attempts, by_letter.versions, by_letter.slots, by_letter.tried,
    )  # fmt: skip
    assert ([bytes(16)], [2]) == (again.ids, again.attempts)
    assert ([b"\2" * 16], [(), ()]) == (last.ids, more)


async def test_a_notice_of_an_old_version_goes_by_that_version(
    database_url: str, owner_pool: Pool, tmp_path: Path
) -> None:
    """Large versions came since, and nobody's notice waits, or goes in the order of a later one, for that."""
    large = DOCUMENT | {"content": {block: {"nl": "x" * 190_000} for block in DOCUMENT["content"]}}
    by_letter = orjson.dumps(large | {"channels": ["letter", "email"]})
    log = EmbeddedLog(owner_pool, "test")
    await log.assign({TopicPartition(topics.NOTICES_ROUTED_EMAIL, PARTITION): Cursor()})
    for version, document in enumerate([orjson.dumps(large), *[by_letter] * 11], start=1):
        await _write(
            owner_pool, "intake", topics.INCIDENTS_CHANGED, 0, encode_incident("lab", version, document, FIRST_KEYS)
        )

    async with routing(database_url, tmp_path):
        released = deduplication_pb2.NoticesReleased(
            notices=notices_to_wire(notices_of((PORTAL | EMAIL | LETTER, 0, 0)))
        )
        await _write(owner_pool, "deduplication", topics.NOTICES_RELEASED, PARTITION, released.SerializeToString())
        found = await _next(log)

    assert ([bytes(16)], [1]) == (found.ids, found.attempts)


def _to_nobody() -> bytes:
    notices = notices_of((0, 0, 0), (0, 0, 0), (0, 0, 0)).pick([2])
    return deduplication_pb2.NoticesReleased(notices=notices_to_wire(notices)).SerializeToString()
