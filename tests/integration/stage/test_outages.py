"""What the figures show while something that a stage needs is away: an outage in which they stand still is not seen."""

import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import psutil
import pytest
from prometheus_client import CollectorRegistry

from services.core.reasons import dead_letter_reasons
from services.kit.eventlog.port import Output, Row, TopicPartition
from services.kit.stage.metrics import StageMetrics
from tests.integration.stage.room import INPUT, OUTPUT, SOURCE, STAGE, Copying, Replica, World, numbered
from tests.waiting import until


@contextmanager
def _frozen(backend: int) -> Iterator[None]:
    """Stop the whole database server that a backend belongs to, as a machine that hangs does, and let it go on."""
    server = psutil.Process(backend).parent()
    assert server is not None
    processes = [server.pid, *(child.pid for child in server.children())]
    for pid in processes:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in processes:
            os.kill(pid, signal.SIGCONT)


def _figure(replica: Replica, name: str, **labels: str) -> float:
    found = replica.registry.get_sample_value(f"{STAGE}_{name}", labels)
    assert found is not None, name
    return found


def _reaches(replica: Replica, name: str, least: float) -> Callable[[], Awaitable[bool]]:
    async def reached() -> bool:
        return _figure(replica, name) >= least

    return reached


async def test_a_database_that_hangs_is_seen(kafka_world: World) -> None:
    """The moment of its last answer falls back, and what was read and cannot be committed gets older."""
    topics = kafka_world.topics
    assert topics
    replica = await kafka_world.replica()
    backend = await kafka_world.pool.fetchval("select pg_backend_pid()")
    async with replica.running():
        await kafka_world.feed(numbered(0, 8))
        await kafka_world.all_through(numbered(0, 8))
        with _frozen(backend):
            row = Row(3, int(time.time() * 1000), b"8@0")
            topics.write(TopicPartition(INPUT, 0), row.value, source=SOURCE, seq=row.seq, row=row)
            await until(_reaches(replica, "oldest_unprocessed_seconds", 1.5))
            silent = time.time() - _figure(replica, "last_heard_timestamp_seconds", dependency="database")
            heard = time.time() - _figure(replica, "last_heard_timestamp_seconds", dependency="log")
        await kafka_world.all_through([b"8@0"])

        async def caught_up() -> bool:
            return _figure(replica, "oldest_unprocessed_seconds") == 0

        await until(caught_up)

    assert (silent > 1.0, heard < 1.5) == (True, True)


async def test_a_log_that_is_away_is_seen(kafka_world: World) -> None:
    """The moment of its last answer falls back, and what was committed and cannot be published gets older."""
    room = Copying()
    replica = await kafka_world.replica(room)
    async with replica.running() as stage:
        await until(_owns_all(stage.owned))
        replica.memory.away = True
        room.due.append(Output(OUTPUT, 1, b"1@1"))
        await until(_reaches(replica, "outbox_oldest_seconds", 1.2))
        silent = time.time() - _figure(replica, "last_heard_timestamp_seconds", dependency="log")
        replica.memory.away = False
        await kafka_world.all_through([b"1@1"])

        async def published() -> bool:
            return _figure(replica, "outbox_oldest_seconds") == 0

        await until(published)

    assert silent > 1.0


def _owns_all(owned: Callable[[], frozenset[int]]) -> Callable[[], Awaitable[bool]]:
    async def all_owned() -> bool:
        return len(owned()) == 4

    return all_owned


async def test_partitions_that_nobody_owns_are_seen(embedded_world: World) -> None:
    """Owned ones are compared with those that there are, which stay while owners come and go."""
    replica = await embedded_world.replica()
    before = _figure(replica, "partitions", stage=STAGE)
    async with replica.running() as stage:
        await until(_owns_all(stage.owned))
        running = _figure(replica, "owned_partitions"), _figure(replica, "takeovers_total")
    stopped = _figure(replica, "partitions", stage=STAGE), _figure(replica, "owned_partitions")

    assert (4, (4, 4), (4, 0)) == (before, running, stopped)


async def test_a_backlog_is_counted_that_nobody_has_read(kafka_world: World) -> None:
    """A partition that stands still reads nothing more, and what comes in is seen all the same."""
    replica = await kafka_world.replica(Copying(poison=[b"2@2"]))
    async with replica.running():
        await kafka_world.feed(numbered(0, 4))
        await until(_reaches(replica, "stopped_partitions", 1))
        await kafka_world.feed(numbered(4, 80))
        await until(_reaches(replica, "backlog_blocks", 19))


@pytest.mark.parametrize("reason", dead_letter_reasons(STAGE))
def test_every_reason_is_counted_from_nought(reason: str) -> None:
    """The first dead letter of a kind is a rise that an alert can see."""
    registry = CollectorRegistry()
    StageMetrics(STAGE, registry)

    assert 0 == registry.get_sample_value(f"{STAGE}_dead_letters_total", {"reason": reason})
