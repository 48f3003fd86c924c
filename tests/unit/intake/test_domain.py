"""What intake decides."""

import json
from typing import Any

import pytest

from services.core.ids import partition_of
from services.core.notices import FLAG_RETRACTED
from services.intake.chunks import Chunk
from services.intake.cohorts import CohortRequest, changed_cohort, read_cohort
from services.intake.domain import BLOCK_MEMBERS, Settled, Stored, blocks_of, check_growth, settle
from services.intake.errors import ConflictError
from services.intake.records import NdjsonReader
from tests.unit.intake.builders import a_builder, a_cohort, a_record


def a_chunk(count: int) -> Chunk:
    """Give a chunk of so many members, all of the same person."""
    builder = a_builder()
    lines = [(at, json.dumps(a_record(memberRef=f"m-{at}")).encode()) for at in range(count)]
    builder.add(lines, NdjsonReader())
    return builder.give()


def test_rows_are_told_apart_by_what_is_stored() -> None:
    """Unknown is new, same content is the same, other content is a correction, or a mistake in one upload."""
    chunk = a_chunk(5)
    same, person = chunk.contents[1], chunk.pseudonyms[0]
    stored = {
        chunk.members[1]: Stored(1, person, same, 7),
        chunk.members[2]: Stored(4, person, b"other", 7),
        chunk.members[3]: Stored(2, b"somebody else...", b"other", 7),
        chunk.members[4]: Stored(1, person, b"other", 8),
    }

    assert Settled(
        new=[0],
        same=[1],
        corrected=[2, 3],
        versions=[5, 3],
        retracted=[(3, 3, b"somebody else...")],
        repeated=[4],
    ) == settle(chunk, range(5), stored, upload=8)


def test_blocks_are_bounded_and_keep_to_a_partition() -> None:
    """Members go in blocks of a bounded size, each of one partition."""
    chunk = a_chunk(BLOCK_MEMBERS + 1)
    blocks = blocks_of(chunk, Settled(new=list(range(BLOCK_MEMBERS + 1))), 8)

    assert [BLOCK_MEMBERS, 1] == [len(block.members) for block in blocks]
    assert {partition_of(chunk.pseudonyms[0], 8)} == {block.partition for block in blocks}


def test_member_that_left_a_person_is_told_there() -> None:
    """A retraction names the old pseudonym in its own partition, with no channel to use."""
    chunk, old = a_chunk(1), b"\x00\x00\x00\x05" + bytes(12)
    left, moved = blocks_of(chunk, Settled(corrected=[0], versions=[2], retracted=[(0, 2, old)]), 8)

    assert (5, [old], [0], [FLAG_RETRACTED], [2]) == (
        left.partition,
        left.pseudonyms,
        left.channels,
        left.flags,
        left.versions,
    )
    assert (chunk.pseudonyms, [2]) == (moved.pseudonyms, moved.versions)


def a_document(*codes: str) -> dict[str, Any]:
    """Give a document with these data categories and nothing else."""
    return {"dataCategories": [{"code": code} for code in codes]}


@pytest.mark.parametrize("codes", [["a", "b"], ["a", "b", "c"]])
def test_categories_may_grow(codes: list[str]) -> None:
    """Codes may be added after those that are there."""
    check_growth(json.dumps(a_document("a", "b")).encode(), a_document(*codes))


@pytest.mark.parametrize("codes", [["a"], ["b", "a"], ["c", "a", "b"]])
def test_categories_are_not_lost_or_moved(codes: list[str]) -> None:
    """A code keeps its place, which is what facts name it by."""
    with pytest.raises(ConflictError):
        check_growth(json.dumps(a_document("a", "b")).encode(), a_document(*codes))


def test_what_is_not_said_of_a_cohort_stays() -> None:
    """A source that repeats only its name changes nothing."""
    assert changed_cohort(a_cohort(declared=3, auto_release=True), "lab", None, auto_release=None) is None


def test_cohort_changes_by_what_is_said() -> None:
    """A change is the next version."""
    assert a_cohort(version=2, declared=4, auto_release=True) == changed_cohort(
        a_cohort(declared=3), "lab", 4, auto_release=True
    )


@pytest.mark.parametrize(("source", "declared"), [("other", 3), ("lab", 4)])
def test_sealed_cohort_keeps_source_and_count(source: str, declared: int) -> None:
    """Another source never, and another count not after sealing."""
    with pytest.raises(ConflictError):
        changed_cohort(a_cohort(declared=3, sealed=True), source, declared, auto_release=None)


def test_cohort_is_read_with_all_its_faults() -> None:
    """A cohort that says it right is read; else everything wrong is told."""
    assert (CohortRequest("lab", 3, None), []) == read_cohort({"source": "lab", "declaredCount": 3})
    assert 3 == len(read_cohort({"source": 1, "declaredCount": True, "autoRelease": 1})[1])
    assert 1 == len(read_cohort([])[1])
