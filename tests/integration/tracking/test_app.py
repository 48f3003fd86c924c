"""The tracking service whole, on the embedded log: wired, it reads what others wrote and answers."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
from aiohttp import ClientSession
from notification import topics
from notification.v1 import dispatch_pb2

from services.core.cohort import Cohort
from services.kit.config import load
from services.kit.eventlog.embedded.log import EmbeddedLog
from services.kit.eventlog.outbox import append_outputs
from services.kit.eventlog.port import Cursor, Output, TopicPartition
from services.kit.eventlog.topics import dead_letter_topic
from services.kit.postgres import Pool
from services.kit.stage.totals import TotalsRow
from services.kit.vault import create_keys
from services.tracking.app import run
from services.tracking.config import Config
from services.wire.incidents import encode_cohort, encode_incident
from services.wire.totals import encode_totals
from tests.keys import FIRST_KEYS
from tests.logins import login_settings
from tests.principals import bearer

RoomPool = Callable[[str], Awaitable[Pool]]
PATIENCE = 60.0  # seconds; a busy machine is slow, not wrong
DOCUMENT = {
    "title": "A breach",
    "awareAt": "2025-08-06T00:00:00+02:00",
    "controller": {"name": "Lab", "address": ["Street 1"], "phone": "1", "email": "a@example.org"},
    "languages": ["nl"],
    "channels": ["letter"],
    "dataCategories": [{"code": "name", "label": {"nl": "Naam"}}],
    "content": {b: {"nl": "x"} for b in ("nature", "consequences", "measures", "advice", "contact")},
}


@asynccontextmanager
async def tracking(database_url: str, folder: Path) -> AsyncIterator[ClientSession]:
    """Run the service while the context lasts, and give an operator's client; it ends by itself once asked to stop."""
    environ = {
        **login_settings(database_url),
        "HERAUT_DATA_DIR": str(folder),
        "HERAUT_HTTP_HOST": "127.0.0.1",
        "HERAUT_HTTP_PORT": "0",
    }
    create_keys(folder.with_name(f"{folder.name}-keys"))
    headers = bearer(folder / "principals.json")
    stop, ready = asyncio.Event(), folder / "ready"
    task = asyncio.create_task(run(load(Config, environ), stop, ready))
    try:
        async with asyncio.timeout(PATIENCE):
            while not ready.exists():  # noqa: ASYNC110 - a file has no event
                await asyncio.sleep(0.05)
        async with ClientSession(ready.read_text(encoding="utf-8"), headers=headers) as session:
            yield session
    finally:
        stop.set()
        await asyncio.wait_for(task, PATIENCE)


async def _until(session: ClientSession, path: str, wanted: Callable[[bytes], bool]) -> bytes:
    """Ask until the answer is as wanted, and give it."""
    async with asyncio.timeout(PATIENCE):
        while True:
            async with session.get(path) as answer:
                body = await answer.read()
            if answer.ok and wanted(body):
                return body
            await asyncio.sleep(0.05)


async def _write(pool: Pool, source: str, *outputs: Output) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await append_outputs(connection, source, outputs)


def _totals(stage: str, source: str, **counts: int) -> Output:
    row = TotalsRow(stage, source, "lab/c", 1, counts, 1_767_258_000_000)
    return Output(topics.TOTALS_CHANGED, 0, encode_totals([row]))


async def test_the_ledger_follows_what_the_rooms_write(database_url: str, owner_pool: Pool, tmp_path: Path) -> None:
    """From blocks in the log to figures over HTTP, as page and as gauges."""
    intake = others = owner_pool
    cohort = Cohort("lab", "c", 1, "urn:c", 3, auto_release=True, sealed=True, released=False)
    attempted = dispatch_pb2.DeliveriesAttempted(
        incident_id="lab", channel="letter", provider="print", ids=bytes(32)[:31] + b"\1", members=bytes(32),
        revisions=[1, 1], attempts=[1, 1], outcomes=b"\2\3", cohort_ids=["c"], cohorts=[0, 0], at=1_767_258_120_000,
    )  # fmt: skip
    async with tracking(database_url, tmp_path) as session:
        await _write(
            intake,
            "intake",
            Output(topics.INCIDENTS_CHANGED, 0, encode_incident("lab", 1, orjson.dumps(DOCUMENT), FIRST_KEYS)),
            Output(topics.INCIDENTS_CHANGED, 0, encode_cohort(cohort)),
            _totals("intake", "intake", received=3, rejected=1, accepted=2),
        )
        await _write(others, "deduplication", _totals("deduplication", "2", released=2))
        await _write(others, "dispatch-letter", Output(topics.DELIVERIES_ATTEMPTED, 2, attempted.SerializeToString()))

        def told(body: bytes) -> bool:
            return bool(orjson.loads(body)["totals"]["notified"])

        ledger: dict[str, Any] = orjson.loads(await _until(session, "/v1/incidents/lab/ledger", told))
        page = await _until(session, "/", lambda body: b"A breach" in body)
        gauge = 'tracking_cohort_members{cohort="c",disposition="inFlight",incident="lab"} 1.0'
        metrics = await _until(session, "/metrics", lambda body: gauge.encode() in body)

    found = {name: ledger["totals"][name] for name in ("declared", "missing", "rejected", "notified", "inFlight")}
    assert {"declared": 3, "missing": 0, "rejected": 1, "notified": 1, "inFlight": 1} == found
    assert ledger["balanced"]
    assert b"urn:c" in page
    assert b'tracking_events_total{kind="refused"} 1.0' in metrics


async def test_a_counter_that_is_not_known_is_set_aside_and_seen(
    database_url: str, owner_pool: Pool, room_pool: RoomPool, tmp_path: Path
) -> None:
    """Totals that cannot be shown whole are a dead letter with its reason, and a metric: never people in flight."""
    others, pool = owner_pool, await room_pool("tracking")
    later, good = _totals("deduplication", "2", released=1, held_later=4), _totals("deduplication", "3", released=2)
    set_aside = b'tracking_dead_letters_total{reason="unknown-counter"} 1.0'
    taken = b'tracking_events_total{kind="totals"} 1.0'
    async with tracking(database_url, tmp_path) as session:
        await _write(others, "deduplication", later, good)
        await _until(session, "/metrics", lambda body: set_aside in body and taken in body)

    log = EmbeddedLog(pool, "tracking")
    await log.assign({TopicPartition(dead_letter_topic(topics.TOTALS_CHANGED, "tracking"), 0): Cursor()})
    (dead,) = await log.fetch(10, 1.0)
    assert (later.value, b"unknown-counter") == (dead.value, dict(dead.headers)["reason"])
    assert [("3",)] == [tuple(row) for row in await pool.fetch("select source from stage_totals")]
