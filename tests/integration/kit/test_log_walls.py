"""In the log a room reads and writes what the contracts of the topics give it, and nothing else."""

from collections.abc import Sequence
from contextlib import suppress

import asyncpg
import pytest
from notification.topics import INCIDENTS_CHANGED, MEMBERS_ACCEPTED, NOTICES_RELEASED, TOPICS

from services.core.rooms import ROOMS, STAGES
from services.kit.eventlog import Output, append_outputs, dead_letter_topic
from services.kit.eventlog.topics import DLQ_SOURCE
from services.kit.postgres import migrate, walls
from services.kit.postgres.walls import policies
from tests.conftest import RoomPool
from tests.logins import own_logins

INSIDE = [spec for spec in TOPICS if spec.log == "both"]
SOURCES = (*STAGES, DLQ_SOURCE)


async def _append(pool: "asyncpg.Pool[asyncpg.Record]", source: str, topic: str) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await append_outputs(connection, source, [Output(topic, 0, b"forged")])


async def _written(pool: "asyncpg.Pool[asyncpg.Record]", topics: Sequence[str]) -> set[tuple[str, str]]:
    """Write to each topic as each source; return what was let in, as source and topic."""
    let_in = set()
    for source in SOURCES:
        for topic in topics:
            with suppress(asyncpg.InsufficientPrivilegeError):
                await _append(pool, source, topic)
                let_in.add((source, topic))
    return let_in


@pytest.mark.parametrize("source", ["intake", "tracking"])
async def test_tracking_forges_no_release(room_pool: RoomPool, source: str) -> None:
    """A block of control lets notices go: only intake gives it out, and nobody speaks in its name."""
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await _append(await room_pool("tracking"), source, INCIDENTS_CHANGED)


@pytest.mark.parametrize("room", ROOMS)
async def test_a_room_writes_its_own_topics_under_its_own_sources(room_pool: RoomPool, room: str) -> None:
    """Of all topics, their dead letters and all sources."""
    dead = [dead_letter_topic(spec.name, stage) for spec in INSIDE for stage in STAGES]
    stages = [stage for stage, of in STAGES.items() if of == room]
    own = {(stage, spec.name) for stage in stages for spec in INSIDE if stage in spec.producers}
    set_aside = {(stage, dead_letter_topic(spec.name, stage)) for stage in stages for spec in INSIDE}

    assert own | set_aside == await _written(await room_pool(room), [spec.name for spec in INSIDE] + dead)


@pytest.mark.parametrize("room", ROOMS)
async def test_a_room_reads_what_it_consumes_and_what_it_wrote(
    room_pool: RoomPool, database_url: str, room: str
) -> None:
    """Rows and heads of every topic lie there, written by who may; of other rooms' affairs it sees nothing."""
    owner = await asyncpg.connect(database_url)
    async with owner.transaction():
        for spec in INSIDE:
            for stage in spec.producers:
                await append_outputs(owner, stage, [Output(spec.name, 0, b"block")])
    await owner.close()
    stages = {stage for stage, of in STAGES.items() if of == room}
    expected = {
        (stage, spec.name)
        for spec in INSIDE
        for stage in spec.producers
        if stage in stages or {room, *stages}.intersection(spec.consumers)
    }
    counted = {(stage, spec.name) for spec in INSIDE for stage in spec.producers if {*stages}.intersection(spec.heads)}
    pool = await room_pool(room)

    for table, more in (("log", set[tuple[str, str]]()), ("head", counted)):
        seen = await pool.fetch(f"select source, topic from log.{table}")
        assert expected | more == {(source, topic) for source, topic in seen}


async def test_a_room_takes_away_no_others_blocks(room_pool: RoomPool) -> None:
    """A reader cannot make it so that a block was never written, nor change it, nor bend the next sequence."""
    await _append(await room_pool("intake"), "intake", MEMBERS_ACCEPTED)
    reader = await room_pool("deduplication")

    assert "DELETE 0" == await reader.execute("delete from log.log where topic = $1", MEMBERS_ACCEPTED)
    assert "UPDATE 0" == await reader.execute("update log.head set last_seq = 99 where topic = $1", MEMBERS_ACCEPTED)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await reader.execute("insert into log.reader values ('routing', $1, 0, 'deduplication', 9)", NOTICES_RELEASED)


async def test_a_changed_contract_changes_the_rules(
    room_pool: RoomPool, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Migrating again brings the rules to the contracts; where nothing changed, nothing is touched."""
    before = await _rules(database_url)
    await migrate(database_url, room_urls=own_logins(database_url))
    unchanged = await _rules(database_url)
    fewer = policies([spec for spec in TOPICS if spec.name != MEMBERS_ACCEPTED])
    monkeypatch.setattr(walls, "policies", lambda: fewer)
    await migrate(database_url, room_urls=own_logins(database_url))

    assert before == unchanged
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await _append(await room_pool("intake"), "intake", MEMBERS_ACCEPTED)


async def _rules(url: str) -> set[tuple[int, str]]:
    connection = await asyncpg.connect(url)
    try:
        return {(oid, name) for oid, name in await connection.fetch("select oid, polname from pg_policy")}
    finally:
        await connection.close()
