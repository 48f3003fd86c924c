"""What is taken of what was read, decided without I/O."""

import itertools
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from services.kit.errors import InvalidMessage
from services.kit.eventlog.dead_letters import DlqLimit, DlqTally
from services.kit.eventlog.port import Cursor, Record, TopicPartition
from services.kit.stage.plan import Read, over_limit, plan_batch

AT = TopicPartition("numbers", 3)


def _reads(sequences: Sequence[tuple[str, int]], first_offset: int = 0) -> list[Read]:
    return [
        Read(Record(*AT, first_offset + place, source, seq, 0, b""))
        for place, (source, seq) in enumerate(sequences)
    ]  # fmt: skip


def _taken(reads: Sequence[Read]) -> list[tuple[str, int]]:
    return [(read.record.source, read.record.seq) for read in reads]


def test_the_next_of_each_source_is_taken() -> None:
    """Sources are counted apart: order across them is nobody's promise."""
    plan = plan_batch(_reads([("a", 5), ("b", 1), ("a", 6)]), {AT: Cursor(0, {"a": 4})}, offsets=True)

    assert [("a", 5), ("b", 1), ("a", 6)] == _taken(plan.taken)
    assert Cursor(3, {"a": 6, "b": 1}) == plan.moves[0].after


def test_what_was_taken_before_is_dropped_and_stepped_over() -> None:
    """A repeat costs nothing but its place in the log."""
    plan = plan_batch(_reads([("a", 3), ("a", 4), ("a", 5)]), {AT: Cursor(0, {"a": 4})}, offsets=True)

    assert ([("a", 5)], 2, 3) == (_taken(plan.taken), plan.repeated, plan.moves[0].after.next_offset)


def test_a_gap_stops_there() -> None:
    """What came before a gap is taken, nothing after it, though it would fit."""
    plan = plan_batch(_reads([("a", 1), ("a", 3), ("b", 1)]), {AT: Cursor()}, offsets=True)

    assert [("a", 1)] == _taken(plan.taken)
    assert {3: 3} == {partition: record.seq for partition, record in plan.gaps.items()}
    assert 1 == plan.moves[0].after.next_offset


def test_a_gap_stops_all_topics_of_its_partition() -> None:
    """One owner, one position: a partition stands still as a whole."""
    other = Record("words", 3, 0, "a", 1, 0, b"")

    plan = plan_batch([*_reads([("a", 2)]), Read(other)], {AT: Cursor(), other.topic_partition: Cursor()}, offsets=True)

    assert ([], []) == (plan.taken, plan.moves)


def test_blocks_are_counted_where_there_are_no_offsets() -> None:
    """On the embedded log the position is how many blocks were taken, whatever their sequences."""
    plan = plan_batch(_reads([("a", 5), ("b", 1)], first_offset=77), {AT: Cursor(4, {"a": 4})}, offsets=False)

    assert Cursor(6, {"a": 5, "b": 1}) == plan.moves[0].after


def test_foreign_records_are_taken_by_offset_alone() -> None:
    """A topic that is not ours carries no sequence: only what lies before the position is left alone."""
    plan = plan_batch(_reads([("", 0), ("", 0), ("", 0)], first_offset=4), {AT: Cursor(5)}, offsets=True)

    assert ([5, 6], Cursor(7)) == ([read.record.offset for read in plan.taken], plan.moves[0].after)


def test_a_partition_without_position_is_left_alone() -> None:
    """What was read before a partition was lost is nobody's business here any more."""
    plan = plan_batch(_reads([("a", 1)]), {}, offsets=True)

    assert ([], []) == (plan.taken, plan.moves)


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 6)), max_size=20),
    st.lists(st.integers(0, 20), max_size=4),
    st.booleans(),
)
def test_cutting_a_batch_anywhere_changes_nothing(
    sequences: list[tuple[str, int]],
    cuts: list[int],
    offsets: bool,  # noqa: FBT001
) -> None:
    """Whether blocks come in one batch or in several, the same ones are taken, each once, without holes."""
    reads = _reads(sequences)
    whole = plan_batch(reads, {AT: Cursor()}, offsets=offsets)
    cursors, taken = {AT: Cursor()}, []
    edges = [0, *sorted(cut for cut in cuts if cut < len(reads)), len(reads)]
    for start, end in itertools.pairwise(edges):
        part = plan_batch(reads[start:end], cursors, offsets=offsets)
        taken += part.taken
        cursors |= {move.at: move.after for move in part.moves}
        if part.gaps:
            break

    assert _taken(whole.taken) == _taken(taken)
    for source in "ab":
        own = [seq for name, seq in _taken(taken) if name == source]
        assert list(range(1, len(own) + 1)) == own


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 9)), max_size=20))
def test_reading_the_same_again_takes_nothing(sequences: list[tuple[str, int]]) -> None:
    """After a commit, a replay of the batch is dropped whole, up to where it stopped."""
    reads = _reads(sequences)
    first = plan_batch(reads, {AT: Cursor()}, offsets=False)
    after = {AT: first.moves[0].after} if first.moves else {AT: Cursor()}

    again = plan_batch(reads, after, offsets=False)

    assert [] == again.taken


def test_too_many_unreadable_blocks_stop_a_partition() -> None:
    """A bad deploy must not drain a topic into the dead letters."""
    bad = [Read(Record(*AT, n, "a", n, 0, b""), invalid=InvalidMessage("x")) for n in range(1, 4)]

    tallies, stopped = over_limit(bad, {3: DlqTally(in_a_row=1, set_aside=1)}, DlqLimit(max_consecutive=3))

    assert (4, [3]) == (tallies[3].in_a_row, list(stopped))


def test_malformed_records_of_others_stop_nobody() -> None:
    """However much of an upstream topic cannot be read, it is set aside, and its partition goes on."""
    record = Record("heraut.cohort.v1", 3, 0, "", 0, 0, b"x")
    bad = [Read(record, invalid=InvalidMessage("not-a-cloudevent"))] * 500

    assert ({}, {}) == over_limit(bad, {}, DlqLimit())
