"""Killed, cut off or frozen between every two of its steps, the room gives every block its effect once."""

import asyncio
from collections.abc import Sequence

import asyncpg
import pytest

from services.kit.errors import RetryableError
from tests.integration.stage.room import PARTITIONS, Breaking, Killed, Pausing, World, numbered
from tests.waiting import until

TAKE_OVER = ["take-over: begun", "take-over: epochs committed", "take-over: done"]
IN_TRANSACTION = ["batch: fenced", "batch: moved", "batch: applied", "batch: committing"]
BATCH = [*IN_TRANSACTION, "batch: committed"]
PUBLISH = [
    "publisher: rows read", "publisher: publishing", "publisher: published",
    "publisher: acknowledged", "publisher: marking", "publisher: marked",
]  # fmt: skip
PUBLISH_IN_DATABASE = ["publisher: rows read", "publisher: marking", "publisher: marked"]
TICK = ["job: fenced", "job: applied", "job: committing", "job: committed"]
FIRST, REST = numbered(0, 60), numbered(60, 100)


async def _assert_once(world: World) -> None:
    await world.assert_once([*FIRST, *REST])


def _cases(steps: Sequence[str], publishing: Sequence[str], last: int) -> list[tuple[str, str, int]]:
    """Return every step of each kind of log, at its first time and at its `last`. A take-over comes once."""
    both = [(kind, step) for kind in ("embedded", "outside") for step in steps]
    places = [*both, *(("outside", step) for step in publishing)]
    return [
        (kind, step, nth) for kind, step in places for nth in sorted({1, last}) if nth == 1 or step not in TAKE_OVER
    ]


@pytest.mark.parametrize(("world", "step", "nth"), _cases([*BATCH, *TAKE_OVER, *TICK], PUBLISH, 2), indirect=["world"])
async def test_killed(world: World, step: str, nth: int) -> None:
    """A process that dies there leaves its successor everything it needs, and nothing twice."""
    await world.feed(FIRST)
    dying = await world.replica(failpoints=Breaking(step, Killed(), nth))
    death = asyncio.create_task(dying.run_until_killed())
    await _drip(world, REST[:30], until_done=death)
    await death
    await world.feed(REST[30:])

    async with (await world.replica()).running():
        await _assert_once(world)


@pytest.mark.parametrize(
    ("world", "step", "nth"), _cases([*BATCH, *TAKE_OVER, *TICK], PUBLISH_IN_DATABASE, 3), indirect=["world"]
)
async def test_cut_off_from_the_database(world: World, step: str, nth: int) -> None:
    """A connection that breaks there, before or after a commit, makes it ask what is true and go on.

    At `committed` it is the answer to COMMIT that is lost.
    """
    await world.feed(FIRST)
    steps = Breaking(step, ConnectionResetError(), nth)

    async with (await world.replica(failpoints=steps)).running():
        await _drip(world, REST)
        await until(lambda: _reached(steps))
        await _assert_once(world)


async def _drip(world: World, blocks: Sequence[bytes], until_done: "asyncio.Task[None] | None" = None) -> None:
    """Feed blocks a few at a time, so that there are several batches; at once where nobody reads any more."""
    for start in range(0, len(blocks), 5):
        await world.feed(blocks[start : start + 5])
        if until_done is None or not until_done.done():
            await asyncio.sleep(0.05)


async def _reached(steps: Breaking) -> bool:
    return steps.seen[steps.step] >= steps.nth


@pytest.mark.parametrize(
    ("world", "step", "nth"), _cases([*BATCH, *TAKE_OVER[1:], *TICK], PUBLISH, 1), indirect=["world"]
)
async def test_frozen_while_another_takes_over(world: World, step: str, nth: int) -> None:
    """An owner that wakes up after its lease ran out writes nothing more, whatever it was in the middle of."""
    await world.feed(FIRST)
    pausing = Pausing(step, nth)
    zombie = await world.replica(failpoints=pausing)

    async with zombie.running(), pausing.thawed_at_last():
        await asyncio.wait_for(pausing.frozen.wait(), 10)
        heir = await world.replica()
        async with heir.running() as stage:
            await until(lambda: _owns_all(stage.owned()))
            await world.feed(REST[:20])
            await world.all_through([*FIRST, *REST[:20]])
            pausing.wake()
            await world.feed(REST[20:])
            await _assert_once(world)


async def _owns_all(owned: frozenset[int]) -> bool:
    return len(owned) == PARTITIONS


@pytest.mark.parametrize("refuse", [True, False])
async def test_publishing_fails(kafka_world: World, refuse: bool) -> None:  # noqa: FBT001
    """Refused, or written with the acknowledgement lost: the same again, never the next."""
    replica = await kafka_world.replica()
    await kafka_world.feed(FIRST)
    if refuse:
        replica.memory.refuse = 7
    else:
        replica.memory.lose_answers = 7

    async with replica.running():
        await kafka_world.feed(REST)
        await _assert_once(kafka_world)

    assert (0, 0) == (replica.memory.refuse, replica.memory.lose_answers)


@pytest.mark.parametrize("step", ["publisher: publishing", "publisher: published"])
async def test_one_place_fails_and_the_others_go_on(kafka_world: World, step: str) -> None:
    """A passing fault of one publish keeps that place where it is."""
    await kafka_world.feed(FIRST)
    steps = Breaking(step, RetryableError("as the test asked"), 2)

    async with (await kafka_world.replica(failpoints=steps)).running():
        await kafka_world.feed(REST)
        await _assert_once(kafka_world)


async def test_the_log_is_away_for_a_while(kafka_world: World) -> None:
    """What is committed waits in the table until the log is back."""
    replica = await kafka_world.replica()
    async with replica.running():
        await kafka_world.feed(FIRST)
        await kafka_world.all_through(FIRST)
        replica.memory.away = True
        await kafka_world.feed(REST)
        await asyncio.sleep(0.3)
        replica.memory.away = False
        await _assert_once(kafka_world)


async def test_every_connection_dies_again_and_again(world: World, stage_database: str) -> None:
    """Sessions ended at random moments, commits included, lose nothing and double nothing."""
    admin = await asyncpg.connect(stage_database)
    replica = await world.replica()
    try:
        async with replica.running():
            for start in range(0, 60, 4):
                await world.feed(FIRST[start : start + 4])
                await asyncio.sleep(0.03)
                await admin.execute(
                    """select pg_terminate_backend(pid) from pg_stat_activity
                       where application_name = 'heraut-routing' and pid <> all($1::int[])""",
                    await _pids(world),
                )
            await world.feed(REST)
            await _assert_once(world)
    finally:
        await admin.close()


async def _pids(world: World) -> list[int]:
    async with world.pool.acquire() as connection:
        return [connection.get_server_pid()]
