"""What may be deleted from the log table, and what never."""

from collections.abc import Mapping
from datetime import timedelta

from services.core.rooms import STAGES
from services.kit.eventlog import Cursor, Output, TopicPartition, dead_letter_topic
from services.kit.eventlog.retention import prune_published, prune_read
from services.kit.postgres import Pool
from tests.integration.eventlog.bench import Bench

ACCEPTED = TopicPartition("heraut.members.accepted.v1", 0)
REFUSED = TopicPartition("heraut.deliveries.refused.v1", 0)
INCIDENTS = TopicPartition("heraut.incidents.changed.v1", 0)
AT_ONCE = timedelta(0)


async def _left(pool: Pool) -> Mapping[tuple[str, str], list[int]]:
    rows = await pool.fetch("select topic, source, array_agg(seq order by seq) as seqs from log.log group by 1, 2")
    return {(row["topic"], row["source"]): row["seqs"] for row in rows}


async def _prune(pool: Pool, retention: timedelta, limit: int = 5000) -> int:
    """Let each stage prune what is its own."""
    async with pool.acquire() as connection:
        return sum([await prune_read(connection, stage, retention, limit) for stage in STAGES])


async def test_what_the_reader_has_not_taken_is_kept(postgres_bench: Bench) -> None:
    """However old a block is, it stays until its stage has taken it."""
    await postgres_bench.write(ACCEPTED, b"a", b"b", b"c")

    untouched = await _prune(postgres_bench.pool, AT_ONCE)
    await postgres_bench.open("deduplication").note_progress({ACCEPTED: Cursor(2, {"intake": 2})})
    deleted = await _prune(postgres_bench.pool, AT_ONCE)

    assert (untouched, deleted) == (0, 2)
    assert await _left(postgres_bench.pool) == {(ACCEPTED.topic, "intake"): [3]}


async def test_each_source_is_read_on_its_own(postgres_bench: Bench) -> None:
    """Progress in one source lets nothing of another go."""
    await postgres_bench.write(REFUSED, b"a", b"b", source="dispatch-email")
    await postgres_bench.write(REFUSED, b"c", source="dispatch-portal")
    await postgres_bench.open("routing").note_progress({REFUSED: Cursor(2, {"dispatch-email": 2})})

    await _prune(postgres_bench.pool, AT_ONCE)

    assert await _left(postgres_bench.pool) == {(REFUSED.topic, "dispatch-portal"): [1]}


async def test_another_stages_progress_counts_for_nothing(postgres_bench: Bench) -> None:
    """Only a stage that reads the topic can let its blocks go."""
    await postgres_bench.write(ACCEPTED, b"a")
    await postgres_bench.open("tracking").note_progress({ACCEPTED: Cursor(1, {"intake": 1})})

    assert await _prune(postgres_bench.pool, AT_ONCE) == 0


async def test_progress_never_goes_back(postgres_bench: Bench) -> None:
    """An old owner that reports late takes nothing back."""
    await postgres_bench.write(ACCEPTED, b"a", b"b")
    log = postgres_bench.open("deduplication")
    await log.note_progress({ACCEPTED: Cursor(2, {"intake": 2})})
    await log.note_progress({ACCEPTED: Cursor(1, {"intake": 1})})

    assert await _prune(postgres_bench.pool, AT_ONCE) == 2


async def test_what_is_young_is_kept(postgres_bench: Bench) -> None:
    """Blocks that all have read stay for their retention."""
    await postgres_bench.write(ACCEPTED, b"a")
    await postgres_bench.open("deduplication").note_progress({ACCEPTED: Cursor(1, {"intake": 1})})

    assert await _prune(postgres_bench.pool, timedelta(days=7)) == 0


async def test_topics_kept_for_ever_are_never_pruned(postgres_bench: Bench) -> None:
    """Incidents are read from their beginning at every start."""
    await postgres_bench.write(INCIDENTS, b"a")

    assert await _prune(postgres_bench.pool, AT_ONCE) == 0


async def test_dead_letters_outlive_the_retention_of_their_topic(postgres_bench: Bench) -> None:
    """A dead letter waits its own thirty days for a human, then goes, though nobody reads it."""
    topic = dead_letter_topic(ACCEPTED.topic, "deduplication")
    await postgres_bench.write_outputs([Output(topic, 0, b"x"), Output(topic, 0, b"y")], "deduplication")
    await postgres_bench.pool.execute("update log.log set at = at - interval '29 days' where seq = 2")
    await postgres_bench.pool.execute("update log.log set at = at - interval '31 days' where seq = 1")

    assert await _prune(postgres_bench.pool, AT_ONCE) == 1
    assert await _left(postgres_bench.pool) == {(topic, "deduplication"): [2]}


async def test_pruning_goes_in_bounded_pieces(postgres_bench: Bench) -> None:
    """No call deletes more than it is told to."""
    await postgres_bench.write(ACCEPTED, *[b"x"] * 10)
    await postgres_bench.open("deduplication").note_progress({ACCEPTED: Cursor(10, {"intake": 10})})

    assert [await _prune(postgres_bench.pool, AT_ONCE, 4) for _ in range(4)] == [4, 4, 2, 0]


async def test_a_sequence_goes_on_after_pruning(postgres_bench: Bench) -> None:
    """The head remembers what was given, also when no block is left."""
    await postgres_bench.write(ACCEPTED, b"a", b"b")
    await postgres_bench.open("deduplication").note_progress({ACCEPTED: Cursor(2, {"intake": 2})})
    await _prune(postgres_bench.pool, AT_ONCE)

    await postgres_bench.write(ACCEPTED, b"c")

    assert await _left(postgres_bench.pool) == {(ACCEPTED.topic, "intake"): [3]}


async def test_unpublished_blocks_are_never_pruned(postgres_bench: Bench) -> None:
    """With Kafka a block leaves the outbox only when it is acknowledged and past its retention."""
    await postgres_bench.write(ACCEPTED, b"a", b"b", b"c")

    async with postgres_bench.pool.acquire() as connection:
        young = await prune_published(connection, "intake", ACCEPTED, 2, retention=timedelta(days=1))
        old = await prune_published(connection, "intake", ACCEPTED, 2, retention=AT_ONCE)

    assert (young, old) == (0, 2)
    assert await _left(postgres_bench.pool) == {(ACCEPTED.topic, "intake"): [3]}
