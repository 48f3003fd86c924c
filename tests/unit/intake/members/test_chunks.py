"""Bringing records to columns."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.ids import member_id
from services.intake.domain import Chunk, Fault, Problem
from services.intake.errors import BrokenBodyError
from services.intake.reading.lines import RawRecord, TooLong
from services.intake.reading.ndjson import NdjsonReader
from tests.unit.intake.builders import a_builder, a_record


def chunk_of(*records: dict[str, Any]) -> Chunk:
    """Return the chunk that these records make, one a line."""
    builder = a_builder()
    builder.add([(at, json.dumps(record).encode()) for at, record in enumerate(records, 1)], NdjsonReader())
    return builder.give()


def test_valid_record_is_a_row() -> None:
    """A valid record fills one entry of every column."""
    chunk = chunk_of(a_record())

    assert [member_id("lab", "wave-1", "m-1")] == chunk.members
    assert (1, 0, []) == (chunk.accepted_lines, chunk.rejected_lines, chunk.problems)
    assert {1} == {
        len(column)
        for column in (
            chunk.refs, chunk.lines, chunk.contents, chunk.pseudonyms, chunk.witnesses, chunk.exposed,
            chunk.confirmed, chunk.channels, chunk.flags, chunk.languages, chunk.contacts,
        )
    }  # fmt: skip


def test_same_record_again_changes_nothing() -> None:
    """The same record twice counts as two accepted lines and one member."""
    chunk = chunk_of(a_record(), a_record(postcode="1234 ab"))

    assert (2, 1, {0: [2]}) == (chunk.accepted_lines, len(chunk.members), chunk.again)


def test_other_content_under_one_ref_is_a_mistake() -> None:
    """Within one upload a memberRef means one record; the first one stands."""
    chunk = chunk_of(a_record(), a_record(city="Breda"))

    assert (1, 1) == (chunk.accepted_lines, chunk.rejected_lines)
    assert [Problem(2, "m-1", "memberRef", "repeated-member-ref")] == chunk.problems


def test_rejected_record_is_known_by_its_ref_or_its_line() -> None:
    """A rejected record is counted by its member id where the ref can be read, else by its line."""
    named, unnamed = a_record(bsn="1"), a_record(memberRef="x" * 65)
    chunk = chunk_of(named, named, unnamed, unnamed)

    assert (4, 2) == (chunk.rejected_lines, len(chunk.rejected))
    assert member_id("lab", "wave-1", "m-1") in chunk.rejected
    assert {"m-1", None} == {rejected.member_ref for rejected in chunk.rejected.values()}


def test_member_ref_that_names_a_person_is_not_repeated() -> None:
    """A source that uses the BSN as its memberRef does not get it into our tables or answers."""
    chunk = chunk_of(a_record(memberRef="123456789", bsn="123456789"))

    assert [Problem(1, None, "bsn", "invalid-bsn")] == chunk.problems
    assert [None] == [rejected.member_ref for rejected in chunk.rejected.values()]


def test_name_that_came_from_the_source_is_not_kept() -> None:
    """The sender hears which field is unknown; of a rejection only fields of member records are kept."""
    chunk = chunk_of({"memberRef": "m-1", "shoeSize": 43})

    assert [Problem(1, "m-1", "shoeSize", "unknown-field")] == chunk.problems
    assert [(Fault(None, "unknown-field"),)] == [rejected.faults for rejected in chunk.rejected.values()]


def test_unreachable_record_is_taken_and_told() -> None:
    """A record that no channel can use is accepted, and its source is told; the dead are not written to."""
    nowhere = {"email": None, "portalId": None, "street": None}
    chunk = chunk_of(a_record(**nowhere), a_record(memberRef="m-2", deceased=True, **nowhere))

    assert 2 == chunk.accepted_lines
    assert [Problem(1, "m-1", None, "unreachable")] == chunk.problems


def test_long_and_blank_lines() -> None:
    """A line over the limit is rejected once however often it comes; a blank line is no record."""
    builder = a_builder()
    builder.add([(1, TooLong(b"digest")), (2, b" "), (3, TooLong(b"digest"))], NdjsonReader())

    assert (2, 1, 3) == (len(builder.chunk), len(builder.chunk.rejected), builder.chunk.last_line)


def test_records_before_a_broken_line_are_taken() -> None:
    """A line that is not UTF-8 ends the reading, with what stood before it kept."""
    builder = a_builder()
    lines: list[RawRecord] = [(4, json.dumps(a_record()).encode()), (5, b'{"memberRef":"\xff"}'), (6, b"{}")]
    with pytest.raises(BrokenBodyError, match="encoding") as caught:
        builder.add(lines, NdjsonReader())

    assert (5, ["m-1"]) == (caught.value.line, builder.chunk.refs)


@given(st.lists(st.sampled_from([a_record(), a_record(city="X"), a_record(memberRef="m-2"), a_record(bsn="1")])))
def test_every_line_is_accepted_or_rejected(records: list[dict[str, Any]]) -> None:
    """However records repeat each other, each line is counted once."""
    chunk = chunk_of(*records)

    assert len(records) == chunk.accepted_lines + chunk.rejected_lines
    assert len(chunk.members) == len(set(chunk.members))
