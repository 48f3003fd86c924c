"""Bringing records to columns."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.channel import Channel
from services.core.ids import member_id
from services.intake.domain import Chunk, Fault, Problem, Severity
from services.intake.errors import BrokenBodyError
from services.intake.reading.csv import CsvReader
from services.intake.reading.lines import TOO_LONG, RawRecord
from services.intake.reading.ndjson import NdjsonReader
from tests.keys import a_key
from tests.unit.intake.builders import a_builder, a_record


def chunk_of(*records: dict[str, Any]) -> Chunk:
    """Return the chunk that these records make, one a line."""
    builder = a_builder()
    builder.add([(at, json.dumps(record).encode()) for at, record in enumerate(records, 1)], NdjsonReader())
    return builder.give()


def test_valid_record_is_a_row() -> None:
    """A valid record fills one entry of every column."""
    chunk = chunk_of(a_record())

    assert [member_id(a_key("member"), "lab", "wave-1", "m-1")] == chunk.members
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


def test_rejected_record_is_known_by_its_ref() -> None:
    """A rejected record is counted by its member id, once; without a readable ref it is nobody's, and not kept."""
    named, unnamed = a_record(bsn="1"), a_record(memberRef="x" * 65)
    chunk = chunk_of(named, named, unnamed, unnamed)

    assert (2, 2) == (chunk.rejected_lines, chunk.unreadable_lines)
    assert [member_id(a_key("member"), "lab", "wave-1", "m-1")] == list(chunk.rejected)
    assert [(1, "m-1"), (2, "m-1"), (3, None), (4, None)] == [(p.line, p.member_ref) for p in chunk.problems]


@pytest.mark.parametrize("line", [b",,,", b'"",""', b"\x1a", b" \xc2\xa0;\t;", b"\xef\xbb\xbf", b"''"])
def test_line_with_nothing_in_it_is_no_record(line: bytes) -> None:
    """Separators, quotes, blanks and what editors leave at the end are nothing: not counted, and not told."""
    builder = a_builder()
    builder.add([(2, line), (3, b"m-1,999990019,name,p-1")], CsvReader(b"memberRef,bsn,dataCategories,portalId"))

    assert (1, 1, []) == (len(builder.chunk), builder.chunk.accepted_lines, builder.chunk.problems)


@pytest.mark.parametrize("line", [b"Totaal,,,", b"Totaal,6,,", b",6,,"])
def test_total_is_no_member(line: bytes) -> None:
    """A line that says neither who nor what would hide a missing person, were it counted as one."""
    builder = a_builder()
    builder.add([(2, line)], CsvReader(b"memberRef,bsn,dataCategories,city"))

    assert (0, 1, {}) == (builder.chunk.rejected_lines, builder.chunk.unreadable_lines, builder.chunk.rejected)
    assert {None} == {problem.member_ref for problem in builder.chunk.problems}


def test_record_with_a_flaw_that_does_not_matter_is_taken() -> None:
    """What is flawed is left out of what is sealed and of the channels, and the source is warned."""
    chunk = chunk_of(a_record(email="onbekend", houseNumberAddition="\0", dataCategories=["name"]))

    assert [(Channel.PORTAL, False, False)] == [
        (channels, b"onbekend" in contact, b"Addition" in contact)
        for channels, contact in zip(chunk.channels, chunk.contacts, strict=True)
    ]
    assert [
        Problem(1, "m-1", "houseNumberAddition", "control-characters", Severity.WARNING),
        Problem(1, "m-1", "email", "invalid-email", Severity.WARNING),
    ] == chunk.problems


def test_name_that_was_left_out_stands_in_no_answer() -> None:
    """Where a name cannot be taken, nobody can tell any more whether the memberRef has it."""
    chunk = chunk_of(a_record(memberRef="vriezen-1", familyName="Vriezen\0"), a_record(memberRef="m-2", bsn="1"))

    assert [(1, None), (2, "m-2")] == [(problem.line, problem.member_ref) for problem in chunk.problems]


@given(st.text(max_size=40))
def test_unreadable_lines_are_told_by_their_numbers(text: str) -> None:
    """Whatever stands in a line of the wrong shape, none of it is repeated or kept."""
    builder = a_builder()
    reader = CsvReader(b"memberRef,bsn,dataCategories,city")
    line = "".join(letter for letter in text if letter not in '",\n\r').encode(errors="ignore")
    builder.add([(2, line)], reader)

    assert {} == builder.chunk.rejected
    assert set() == {problem.member_ref for problem in builder.chunk.problems} - {None}


def test_member_ref_that_names_a_person_is_not_repeated() -> None:
    """A source that uses the BSN as its memberRef does not get it into answers; what is kept of it is sealed."""
    chunk = chunk_of(a_record(memberRef="123456789", bsn="123456789"))

    assert [Problem(1, None, "bsn", "invalid-bsn")] == chunk.problems
    assert ["123456789"] == [rejected.member_ref for rejected in chunk.rejected.values()]


def test_name_that_came_from_the_source_is_not_kept() -> None:
    """The sender hears which field is unknown; of a rejection only fields of member records are kept."""
    chunk = chunk_of({"memberRef": "m-1", "shoeSize": 43})

    assert [Problem(1, None, "shoeSize", "unknown-field")] == chunk.problems
    assert [(Fault(None, "unknown-field"),)] == [rejected.faults for rejected in chunk.rejected.values()]


def test_unreachable_record_is_taken_and_told() -> None:
    """A record that no channel can use is accepted, and its source is told; the dead are not written to."""
    nowhere = {"email": None, "portalId": None, "street": None}
    chunk = chunk_of(a_record(**nowhere), a_record(memberRef="m-2", deceased=True, **nowhere))

    assert 2 == chunk.accepted_lines
    assert [Problem(1, "m-1", None, "unreachable", Severity.WARNING)] == chunk.problems


def test_long_and_blank_lines() -> None:
    """A line over the limit is nobody's; a blank line is no record."""
    builder = a_builder()
    builder.add([(1, TOO_LONG), (2, b" "), (3, TOO_LONG)], NdjsonReader())

    assert (2, 2, {}, 3) == (
        len(builder.chunk), builder.chunk.unreadable_lines, builder.chunk.rejected, builder.chunk.last_line,
    )  # fmt: skip


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

    assert len(records) == chunk.accepted_lines + chunk.rejected_lines == len(chunk)
    assert len(chunk.members) == len(set(chunk.members))
