"""What goes over the wire comes back the same, and what cannot be read is said to be so."""

from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from notification.v1 import common_pb2, deduplication_pb2

from services.core.cohort import Cohort
from services.core.incident import KeyVersions
from services.core.notices import Notices
from services.kit.errors import InvalidMessage
from services.kit.eventlog import Entry, Record
from services.kit.stage.totals import TotalsRow
from services.wire.incidents import decode_incidents, encode_cohort, encode_incident
from services.wire.notices import notices_from_wire, notices_to_wire
from services.wire.recalls import Recalled, decode_recalled, encode_known
from services.wire.totals import decode_totals, encode_totals
from tests.unit.wire.test_incident_document import document

IDS = st.binary(min_size=16, max_size=16)
MASKS = st.integers(0, 2**60 - 1)
BYTES = st.integers(0, 255)
NAMES = st.text("abcxyz019-", min_size=1, max_size=8)


def _row() -> st.SearchStrategy[tuple[object, ...]]:
    times = st.integers(1_600_000_000_000, 1_900_000_000_000)
    small = st.integers(1, 9)
    return st.tuples(
        *(IDS, IDS, small, MASKS, IDS, small, st.one_of(IDS, st.just(b""))),
        *(MASKS, MASKS, MASKS, MASKS, BYTES, BYTES, NAMES, NAMES, times, small, BYTES),
        st.lists(NAMES, min_size=1, max_size=3).map(tuple),
    )


def notices_of(count: int) -> Notices:
    """Return so many notices that differ in nothing."""
    columns: dict[str, Any] = {
        "ids": b"n" * 16, "members": b"m" * 16, "versions": 1, "slots": 1, "pseudonyms": b"p" * 16, "revisions": 1,
        "supersedes": b"", "exposed": 1, "confirmed": 1, "told_exposed": 0, "told_confirmed": 0, "channels": 4,
        "flags": 0, "languages": "nl", "cohorts": "a", "accepted_at": 1, "attempts": 0, "tried": 0, "carriers": ("a",),
    }  # fmt: skip
    given: dict[str, Any] = {name: [value] * count for name, value in columns.items()}
    return Notices("lab", 1, **given)


@given(st.lists(_row(), max_size=6))
def test_notices_come_back_the_same(rows: list[tuple[object, ...]]) -> None:
    """No column is lost, shifted or mixed with another on the way between rooms."""
    columns: list[Any] = [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(19)]
    sent = Notices("lab", 3, *columns)

    wire = common_pb2.Notices.FromString(notices_to_wire(sent).SerializeToString())

    assert sent == notices_from_wire(wire)


@pytest.mark.parametrize("column", ["members", "versions", "channels", "languages", "accepted_at", "tried"])
def test_a_column_of_another_length_is_invalid(column: str) -> None:
    """A block whose columns do not fit is never read as somebody else's notice."""
    wire = notices_to_wire(notices_of(1))
    wire.ClearField(column)

    with pytest.raises(InvalidMessage, match="column-length"):
        notices_from_wire(wire)


def test_carriers_that_all_share_cost_nothing_a_notice() -> None:
    """Nearly always all notices of a block name the facts of the same cohorts: those are said once."""
    sent = replace(notices_of(3), cohorts=["a", "b", "a"], carriers=[("a", "b", "c")] * 3)

    wire = notices_to_wire(sent)

    assert ([[0, 1, 2]], []) == ([list(one.cohorts) for one in wire.carrier_sets], list(wire.carriers))
    assert sent.carriers == notices_from_wire(wire).carriers


def test_without_carriers_a_notice_names_its_bearers_facts() -> None:
    """What says nothing of carriers is stopped with its bearer's cohort, and never by nobody."""
    sent = replace(notices_of(3), cohorts=["a", "b", "a"], carriers=[])

    assert [("a",), ("b",), ("a",)] == notices_from_wire(notices_to_wire(sent)).carriers


@pytest.mark.parametrize(
    ("sets", "rows", "reason"),
    [([[0]], [1], "column-length"), ([[0], [7]], [0], "column-length"), ([[]], [], "no-cohort")],
)
def test_carriers_that_point_nowhere_are_invalid(sets: list[list[int]], rows: list[int], reason: str) -> None:
    """A notice that could not be stopped is never taken."""
    wire = notices_to_wire(notices_of(1))
    del wire.carrier_sets[:]
    wire.carrier_sets.extend(common_pb2.CohortSet(cohorts=one) for one in sets)
    wire.carriers[:] = rows

    with pytest.raises(InvalidMessage, match=reason):
        notices_from_wire(wire)


def test_totals_come_back_the_same() -> None:
    """Counts keep their names and their sequence."""
    row = TotalsRow("intake", "intake", "lab/wave-1", 7, {"received": 3, "rejected": 1}, 5)

    assert [row] == decode_totals(encode_totals([row]))


MAYBE = st.one_of(st.none(), st.integers(0, 10**9))
HEADS = st.sampled_from([(), (3, 0, 2**60)])


@given(
    st.tuples(MAYBE, *[st.booleans()] * 3, HEADS, st.booleans(), st.integers(0, 9), HEADS, MAYBE, MAYBE), st.booleans()
)
def test_cohorts_come_back_the_same(state: tuple[Any, ...], tied: bool) -> None:  # noqa: FBT001 - drawn
    """A number that was not said stays not said: it is not zero."""
    cohort = replace(Cohort("lab", "wave-1", 2, "source", *state), tied=tied)

    entry, *pause = decode_incidents(encode_cohort(cohort))

    assert Entry(("cohort", "lab", "wave-1"), 2, cohort) == entry
    assert ([Entry(("pause", "lab", cohort.pause_id), 1, cohort)] if cohort.pause_id else []) == pause


@given(HEADS, st.booleans())
def test_what_a_version_permits_comes_back_the_same(after: tuple[int, ...], tied: bool) -> None:  # noqa: FBT001 - drawn
    """Whatever room reads it, and though the version itself has left the memory."""
    block = encode_incident("lab", 2, orjson.dumps(document()), KeyVersions(), after, tied=tied)
    version, newest, rules = decode_incidents(block)

    assert (after, tied) == (newest.value.after, newest.value.tied)
    assert [("incident", "lab", "2"), ("rules", "lab", "2")] == [version.key, rules.key]
    assert (newest.value.rules, 0) == (rules.value, rules.size)


@given(st.lists(st.integers(0, 2**63 - 1), min_size=3), st.integers(0, 2))
def test_how_far_blocks_are_known_comes_back_the_same(taken: list[int], partition: int) -> None:
    """A word that says nothing of its own partition, or what no sequence reaches, is no such word."""
    output = encode_known(partition, taken)
    record = Record(output.topic, partition, 0, "deduplication", 1, 0, output.value)

    assert Recalled((), over=False, partition=partition, known=tuple(taken)) == decode_recalled(record)
    for faulty, reason in ((replace(record, partition=len(taken)), "partitions"), (_beyond(record), "number-range")):
        with pytest.raises(InvalidMessage, match=reason):
            decode_recalled(faulty)


def _beyond(record: Record) -> Record:
    word = deduplication_pb2.NoticesRecalled(known=[2**63] * (record.partition + 1))
    return replace(record, value=word.SerializeToString())


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_invalid(value: bytes) -> None:
    """A malformed record on a topic is a dead letter, never a crash."""
    for decode in (decode_incidents, decode_totals):
        try:
            decode(value)
        except InvalidMessage:
            continue


def test_a_tombstone_is_invalid() -> None:
    """A record without a value says nothing."""
    with pytest.raises(InvalidMessage, match="tombstone"):
        decode_totals(None)
