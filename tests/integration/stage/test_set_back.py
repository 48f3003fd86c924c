"""The drill on Kafka: a database is set back to a backup beside a log that went on."""

import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import asyncpg
import pytest

from services.core.rooms import STAGES
from services.kit.errors import ConfigError
from services.kit.eventlog.kafka.installation import _timelines
from services.kit.eventlog.kafka.log import KafkaLog, KafkaSettings
from services.kit.eventlog.outbox import append_outputs
from services.kit.eventlog.port import EventLog, Output, Row, TopicPartition
from services.kit.postgres import Pool
from services.kit.postgres.pool import connect_pool
from services.kit.stage.set_back import Ahead, go_on_behind
from services.kit.stage.stage import Stage
from tests.integration.stage.room import INPUT, OUTPUT, SOURCE, STAGE, numbered, partition_of
from tests.integration.stage.room import PARTITIONS as WORLD_PARTITIONS
from tests.integration.stage.test_kafka import KafkaWorld
from tests.kafka_fixtures import PARTITIONS
from tests.logins import own_login
from tests.restoring import dump, restore
from tests.waiting import until

pytestmark = pytest.mark.kafka


@dataclass
class Installation(KafkaWorld):
    """A room, whoever writes what it reads, and the log; all of one database."""

    url: str = ""
    pools: list[Pool] = field(default_factory=list)
    logs: dict[str, KafkaLog] = field(default_factory=dict)

    def new_log(self, pool: Pool, stage: str) -> EventLog:
        """Open the log as a process of a stage does."""
        log = KafkaLog(self.settings, stage, partial(_timelines, pool))
        self.opened.append(log)
        return log

    def _log_of(self, stage: str) -> KafkaLog:
        if stage not in self.logs:
            self.logs[stage] = KafkaLog(self.settings, stage, partial(_timelines, self.pool))
            self.opened.append(self.logs[stage])
        return self.logs[stage]

    async def as_owner(self, statement: str) -> None:
        """Do what no room may."""
        connection = await asyncpg.connect(self.url)
        await connection.execute(statement)
        await connection.close()

    async def commit(self, blocks: Sequence[bytes]) -> None:
        """Let the writer commit blocks, which are not published yet."""
        async with self.upstream.acquire() as connection, connection.transaction():
            await append_outputs(connection, SOURCE, [Output(INPUT, partition_of(block), block) for block in blocks])

    async def publish(self) -> None:
        """Publish all that the writer committed: what was published before comes again."""
        log = self._log_of(SOURCE)
        rows = await self.upstream.fetch(
            "select partition, seq, block from log.log where source = $1 order by partition, seq", SOURCE
        )
        now = int(time.time() * 1000)
        for partition in sorted({row["partition"] for row in rows}):
            of_it = [Row(row["seq"], now, row["block"]) for row in rows if row["partition"] == partition]
            await log.publish(SOURCE, TopicPartition(INPUT, partition), of_it)

    async def work(self, blocks: Sequence[bytes]) -> None:
        """Let the room work until these are through."""
        async with (await self.replica()).running():
            await self.all_through(blocks)
            await until(self.published_up_to_heads)

    async def go_on(self) -> list[Ahead]:
        """Do what `heraut restored` does about the log."""
        connection = await asyncpg.connect(self.url)
        try:
            return await go_on_behind(
                connection, lambda stage: self.new_log(self.pool, stage), PARTITIONS, int(time.time() * 1000)
            )
        finally:
            await connection.close()


@pytest.fixture
async def installation(stage_database: str, kafka: KafkaSettings) -> AsyncIterator[Installation]:
    """Return it on a broker with empty topics."""
    found = await _on(stage_database, kafka)
    yield found
    await _close(found)


async def _on(url: str, kafka: KafkaSettings) -> Installation:
    pools: list[Pool] = []

    async def new_pool(stage: str) -> Pool:
        pools.append(await connect_pool(own_login(url, STAGES[stage]), STAGES[stage]))
        return pools[-1]

    bystander = await connect_pool(url, STAGE)
    return Installation(bystander, await new_pool(SOURCE), new_pool, settings=kafka, url=url, pools=pools)


async def _close(one: Installation) -> None:
    for log in one.opened:
        await log.close()
    for pool in (*one.pools, one.pool):
        await pool.close()


async def test_a_database_that_was_set_back_goes_on_beside_its_log(
    installation: Installation, stage_database: str, kafka: KafkaSettings, tmp_path: Path
) -> None:
    """What the backup knows is taken once, what came after it by nobody, and what is committed anew once."""
    old, unread, unpublished = numbered(0, 40), numbered(40, 60), numbered(60, 80)
    await installation.commit(old)
    await installation.publish()
    await installation.work(old)
    await installation.commit(unread)
    await installation.publish()
    await installation.commit(unpublished)
    await dump(stage_database, tmp_path / "backup")
    gone = numbered(80, 120)
    await installation.commit(gone)
    await installation.publish()
    await installation.work([*old, *unread, *unpublished, *gone])

    name = f"set_back_{secrets.token_hex(4)}"
    url = await restore(stage_database, name, tmp_path / "backup")
    back = await _on(url, kafka)
    try:
        async with (await back.replica()).running() as stage:
            await until(lambda: _stands_still(stage))
        ahead = await back.go_on()
        again = numbered(200, 240)
        await back.commit(again)
        await back.publish()
        await back.work([*old, *unread, *unpublished, *again])

        assert {SOURCE, STAGE} == {one.source for one in ahead}
        assert {INPUT: 40, OUTPUT: 80} == _blocks(ahead)
        assert [] == await back.go_on()
        expected = Counter([*old, *unread, *unpublished, *again])
        assert (expected, expected) == (await back.effects(), await back.taken_by_next_room())
    finally:
        await _close(back)
        await _drop(stage_database, name)


async def test_nothing_begins_while_a_service_runs(installation: Installation) -> None:
    """What it publishes meanwhile would be of the timeline before, and lost."""
    await installation.commit(numbered(0, 8))
    await installation.publish()
    await installation.as_owner("delete from log.head")
    async with (await installation.replica()).running() as stage:
        await until(lambda: _is_there(stage))
        with pytest.raises(ConfigError, match="routing runs: stop all services"):
            await installation.go_on()


async def test_who_took_what_the_database_never_gave_is_not_gone_on_with(installation: Installation) -> None:
    """It would drop what is given anew under the same sequences: the backup has to be restored again."""
    await installation.commit(numbered(0, 8))
    await installation.publish()
    await installation.work(numbered(0, 8))
    await installation.as_owner(f"update log.head set last_seq = 1 where source = '{SOURCE}'")

    with pytest.raises(ConfigError, match="routing took 2 blocks of deduplication"):
        await installation.go_on()


async def _stands_still(stage: Stage) -> bool:
    return len(stage._assignment.stopped) == WORLD_PARTITIONS


async def _is_there(stage: Stage) -> bool:
    return bool(stage.owned())


def _blocks(ahead: Sequence[Ahead]) -> dict[str, int]:
    found: Counter[str] = Counter()
    for one in ahead:
        found[one.at.topic] += (one.last or 0) - one.first + 1
    return dict(found)


async def _drop(url: str, name: str) -> None:
    owner = await asyncpg.connect(url)
    await owner.execute(f'drop database if exists "{name}" with (force)')
    await owner.close()
