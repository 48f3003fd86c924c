"""What makes a partition stand still, and that nothing else does."""

from collections import Counter
from collections.abc import Sequence

import pytest

from services.kit.errors import InvalidMessage, LogRefusedError
from services.kit.eventlog.dead_letters import DlqLimit
from services.kit.eventlog.outbox import append_outputs
from services.kit.eventlog.port import Output, Record, TopicPartition
from services.kit.postgres import Connection
from services.kit.postgres.pool import connect_pool
from services.kit.process.metrics import new_registry
from services.kit.stage.context import StageContext
from services.kit.stage.metrics import StageMetrics
from services.kit.stage.stage import Stage
from services.kit.testing import MemoryLog, MemoryTopics
from tests.integration.stage.room import (
    DEAD_LETTERS,
    INPUT,
    OUTPUT,
    POLICY,
    SOURCE,
    STAGE,
    Copying,
    Replica,
    World,
    numbered,
)  # fmt: skip
from tests.logins import own_login
from tests.waiting import until


def _stopped(replica: Replica) -> int:
    return int(replica.metrics.stopped_partitions._value.get())


async def _stops(replica: Replica, count: int) -> bool:
    return _stopped(replica) == count


def _but(blocks: list[bytes], partition: int) -> list[bytes]:
    return [block for block in blocks if not block.endswith(b"@%d" % partition)]


async def test_a_block_that_our_code_cannot_digest_stops_its_partition_alone(world: World) -> None:
    """What came before it is done, what comes after it waits, other partitions go on; no replica dies of it."""
    blocks = numbered(0, 40)
    replica = await world.replica(Copying(poison=[b"18@2"]))
    async with replica.running() as stage:
        await world.feed(blocks)
        before = [block for block in blocks[:18] if block.endswith(b"@2")]
        await world.all_through([*_but(blocks, 2), *before])
        await world.feed(numbered(40, 60))
        await world.all_through(_but(numbered(40, 60), 2))

        assert 1 == _stopped(replica)
        assert 2 in stage.owned()  # its ticks and jobs go on
        assert Counter([*_but(blocks + numbered(40, 60), 2), *before]) == await world.effects()

    async with (await world.replica()).running():  # mended
        await world.all_through(numbered(0, 60))

    assert Counter(numbered(0, 60)) == await world.effects()


async def test_a_block_that_has_to_wait_holds_up_its_partition_alone(world: World) -> None:
    """An incident or cohort that is not known yet makes others wait as little as may be, whatever they say."""
    room = Copying(early={b"18@2"})
    blocks = numbered(0, 40)
    replica = await world.replica(room)
    async with replica.running():
        await world.feed(blocks)
        await world.all_through(_but(blocks, 2))
        assert b"18@2" not in await world.effects()
        room.early.clear()
        await world.assert_once(blocks)

        assert 0 == _stopped(replica)


async def test_nothing_overtakes_a_block_that_has_to_wait(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Also where the batch is cut because of another block, whose partition alone stands still."""

    class Indigestible(Copying):
        def decode(self, record: Record) -> bytes:
            """Fail on one block of partition 1."""
            if record.value == b"21@1":
                raise ZeroDivisionError
            return super().decode(record)

    blocks = numbered(0, 32)
    room = Indigestible(early={b"2@2"})
    await world.feed(blocks)
    replica = await world.replica(room)
    async with replica.running():
        await world.all_through(_but(_but(blocks, 1), 2))
        room.early.clear()
        await world.all_through(_but(blocks, 1))
        await until(lambda: _stops(replica, 1))

    assert "came too early" not in caplog.text


async def test_what_is_published_during_a_take_over_stops_nothing(kafka_world: World) -> None:
    """An owner before us that does not know it yet, or a job of our own, goes on while both are compared."""

    class Overtaken(MemoryLog):
        async def last_sequence(self, source: str, at: TopicPartition) -> int | None:
            """Let somebody commit and publish one more block just before the log is looked at."""
            if at == TopicPartition(OUTPUT, 1) and not self.topics.records[at]:
                block = Output(OUTPUT, 1, b"1@1")
                async with kafka_world.pool.acquire() as connection, connection.transaction():
                    await append_outputs(connection, STAGE, [block])
                self.topics.write(at, block.value, source=STAGE, seq=1)
            return await super().last_sequence(source, at)

    replica = await kafka_world.replica(log=Overtaken(kafka_world.topics))
    async with replica.running():
        await kafka_world.feed(numbered(2, 20))
        await kafka_world.all_through(numbered(2, 20))

        assert 0 == _stopped(replica)


async def test_a_value_that_the_driver_refuses_is_no_passing_fault(embedded_world: World) -> None:
    """Such a block would be tried for ever if it were."""

    class Wrong(Copying):
        async def apply(self, connection: Connection, work: Sequence[bytes]) -> Sequence[Output]:
            """Pass a number for a text."""
            await connection.execute("select $1::text", len(work))
            return []

    replica = await embedded_world.replica(Wrong())
    async with replica.running():
        await embedded_world.feed([b"0@0"])
        await until(lambda: _stops(replica, 1))


async def test_an_unreadable_block_becomes_a_dead_letter_once(world: World) -> None:
    """It leaves untouched, through the same transaction; its neighbours go on."""
    blocks = numbered(0, 200)
    bad = [b"18@2", b"21@1"]
    replica = await world.replica(Copying(unreadable=bad))
    async with replica.running():
        await world.feed(blocks)
        await world.all_through([block for block in blocks if block not in bad])
        await until(lambda: _dead(world, len(bad)))
        await until(lambda: _counted(replica, len(bad)))

        assert Counter(bad) == await world.taken_by_next_room(DEAD_LETTERS)
        assert 0 == _stopped(replica)


async def _counted(replica: Replica, count: int) -> bool:
    return bool(replica.metrics.dead_letters("unreadable")._value.get() == count)


async def test_too_many_dead_letters_stop_the_partition_instead(embedded_world: World) -> None:
    """A bad deploy does not drain a topic."""
    bad = [f"{number}@2".encode() for number in range(40)]
    policy = POLICY.__class__(lease=POLICY.lease, dlq_limit=DlqLimit(max_consecutive=20))
    replica = await embedded_world.replica(Copying(unreadable=bad), policy=policy)
    async with replica.running():
        await embedded_world.feed(bad)
        await until(lambda: _stops(replica, 1))

        assert 20 >= (await embedded_world.taken_by_next_room(DEAD_LETTERS)).total()


async def test_a_tombstone_becomes_a_dead_letter(kafka_world: World) -> None:
    """A record without a value is nobody's block."""
    assert kafka_world.topics
    kafka_world.topics.write(TopicPartition(INPUT, 1), None, source=SOURCE, seq=1)
    kafka_world.topics.write(TopicPartition(INPUT, 1), b"stray@1")
    async with (await kafka_world.replica()).running():
        await until(lambda: _dead(kafka_world, 2))

    assert Counter([b"", b"stray@1"]) == await kafka_world.taken_by_next_room(DEAD_LETTERS)


async def _dead(world: World, count: int) -> bool:
    return (await world.taken_by_next_room(DEAD_LETTERS)).total() == count


async def test_a_gap_stops_its_partition(world: World) -> None:
    """A log that lost something is noticed: nothing is skipped."""
    blocks = numbered(0, 40)
    await world.feed(blocks)
    if world.topics:
        del world.topics.records[TopicPartition(INPUT, 3)][4]
    replica = await world.replica()
    if not world.topics:
        await world.pool.execute(f"delete from log.log where topic = '{INPUT}' and partition = 3 and seq = 5")
    async with replica.running():
        await world.all_through(_but(blocks, 3))
        await until(lambda: _stops(replica, 1))

    before = [block for block in blocks if block.endswith(b"@3")][:4]
    expected = [*_but(blocks, 3), *before]
    assert Counter(expected) == await world.effects()


async def test_a_position_outside_the_log_stops_its_partition(kafka_world: World) -> None:
    """Another cluster, or records gone before they were read: a human looks, the other partitions go on."""
    blocks = numbered(0, 40)
    await kafka_world.feed(blocks)
    await kafka_world.pool.execute(
        "insert into input (stage, topic, partition, next_offset, taken) values ($1, $2, 1, 99, '{}')", STAGE, INPUT
    )
    replica = await kafka_world.replica()
    async with replica.running() as stage:
        await kafka_world.all_through(_but(blocks, 1))

        assert 1 == _stopped(replica)
        assert frozenset({0, 2, 3}) == stage.owned()


async def test_a_database_that_was_set_back_stops_its_partition(kafka_world: World) -> None:
    """Our own later sequences in the log would make readers drop what we are about to write."""
    assert kafka_world.topics
    kafka_world.topics.write(TopicPartition(OUTPUT, 1), b"from a later time", source=STAGE, seq=1)
    blocks = numbered(0, 40)
    await kafka_world.feed(blocks)
    replica = await kafka_world.replica()
    async with replica.running():
        await until(lambda: _effects(kafka_world, len(_but(blocks, 1))))

        assert 1 == _stopped(replica)
    assert Counter(_but(blocks, 1)) == await kafka_world.effects()


async def test_an_embedded_log_that_was_set_back_stops_its_partition(embedded_world: World) -> None:
    """More taken than was ever written: one of the two comes from a backup."""
    await embedded_world.pool.execute(
        """insert into input (stage, topic, partition, next_offset, taken)
           values ($1, $2, 1, 9, '{"deduplication": 9}')""",
        STAGE,
        INPUT,
    )
    blocks = numbered(0, 40)
    await embedded_world.feed(blocks[:20])
    replica = await embedded_world.replica()
    async with replica.running():
        await embedded_world.all_through(_but(blocks[:20], 1))

        assert 1 == _stopped(replica)


async def test_a_row_that_is_missing_before_it_was_published_stops_its_partition(kafka_world: World) -> None:
    """Published with a hole, it would stop every reader; it stops here instead."""
    async with kafka_world.pool.acquire() as connection, connection.transaction():
        await connection.execute("insert into log.head values ($1, $2, 1, 5)", STAGE, OUTPUT)
        await connection.execute("insert into log.log values ($2, 1, $1, 5, default, null, 'late')", STAGE, OUTPUT)
    replica = await kafka_world.replica()
    async with replica.running():
        await until(lambda: _stops(replica, 1))

    assert Counter() == await kafka_world.taken_by_next_room()


async def _effects(world: World, count: int) -> bool:
    return (await world.effects()).total() == count


async def test_a_foreign_record_is_set_aside_past_the_database(stage_database: str) -> None:
    """What others wrote may show people in the open: it goes from log to log, and the database never holds it."""

    class Upstream(Copying):
        def decode(self, record: Record) -> bytes:
            """Understand nothing."""
            raise InvalidMessage("unreadable") from ValueError(record.offset)

    topics = MemoryTopics()
    topic = "heraut.cohort.v1"
    topics.write(TopicPartition(topic, 0), b"in the open")
    pool = await connect_pool(own_login(stage_database, "intake"), "intake")
    await pool.execute("delete from owner; delete from replica; delete from input; delete from publisher")
    context = StageContext(
        stage="intake", topics=[topic], partitions=1, pool=pool, log=MemoryLog(topics),
        handler=Upstream(), policy=POLICY, metrics=StageMetrics("intake", new_registry()),
    )  # fmt: skip
    dead = TopicPartition(f"{topic}.intake.dlq", 0)
    try:
        async with Replica(Stage(context), pool, MemoryLog(topics), StageMetrics("intake", new_registry())).running():

            async def forwarded() -> bool:
                return bool(topics.records[dead]) and await pool.fetchval("select next_offset from input") == 1

            await until(forwarded)

        assert [b"in the open"] == [record.value for record in topics.records[dead]]
        assert 0 == await pool.fetchval("select count(*) from log.log")
    finally:
        await pool.close()


async def test_what_the_log_refuses_for_good_stops_its_partition_alone(stage_database: str) -> None:
    """No repeat mends it, and stepping over the record would lose it: a human looks, and the others go on."""

    class Upstream(Copying):
        def decode(self, record: Record) -> bytes:
            """Understand nothing."""
            raise InvalidMessage("unreadable") from ValueError(record.offset)

    class Refusing(MemoryLog):
        async def forward(self, output: Output) -> None:
            """Take no dead letter of the first partition."""
            if output.partition == 0:
                raise LogRefusedError("it may not be written")
            await super().forward(output)

    topics, topic = MemoryTopics(), "heraut.cohort.v1"
    for partition in (0, 1):
        topics.write(TopicPartition(topic, partition), b"in the open")
    pool = await connect_pool(own_login(stage_database, "intake"), "intake")
    await pool.execute("delete from owner; delete from replica; delete from input; delete from publisher")
    context = StageContext(
        stage="intake", topics=[topic], partitions=2, pool=pool, log=Refusing(topics),
        handler=Upstream(), policy=POLICY, metrics=StageMetrics("intake", new_registry()),
    )  # fmt: skip
    replica = Replica(Stage(context), pool, MemoryLog(topics), context.metrics)
    try:
        async with replica.running():

            async def one_stands() -> bool:
                taken = await pool.fetchval("select next_offset from input where partition = 1")
                return _stopped(replica) == 1 and taken == 1

            await until(one_stands)

        assert 0 == await pool.fetchval("select coalesce(max(next_offset), 0) from input where partition = 0")
        assert [1] == [at.partition for at, found in topics.records.items() if at.topic.endswith(".dlq") and found]
    finally:
        await pool.close()


@pytest.mark.parametrize("partition", [0, 3])
async def test_a_tick_that_fails_stops_its_partition_alone(embedded_world: World, partition: int) -> None:
    """Time goes on for the others."""

    class Stuck(Copying):
        async def tick(self, connection: Connection, partitions: Sequence[int]) -> Sequence[Output]:
            """Fail where the partition is among them."""
            if partition in partitions:
                raise ZeroDivisionError
            return await super().tick(connection, partitions)

    replica = await embedded_world.replica(Stuck())
    async with replica.running() as stage:
        await until(lambda: _stops(replica, 1))

        assert partition not in stage.owned()
        assert 3 == len(stage.owned())
