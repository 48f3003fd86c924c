"""What goes over the wire comes back the same, and what cannot be read is said to be so."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from notification.v1 import common_pb2

from services.core.cohort import Cohort
from services.core.notices import Notices
from services.kit.errors import InvalidMessage
from services.kit.stage.totals import TotalsRow
from services.wire.incidents import decode_incidents, encode_cohort
from services.wire.notices import notices_from_wire, notices_to_wire
from services.wire.totals import decode_totals, encode_totals

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
    )


@given(st.lists(_row(), max_size=6))
def test_notices_come_back_the_same(rows: list[tuple[object, ...]]) -> None:
    """No column is lost, shifted or mixed with another on the way between rooms."""
    columns = [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(18)]
    sent = Notices("lab", 3, *columns)

    wire = common_pb2.Notices.FromString(notices_to_wire(sent).SerializeToString())

    assert sent == notices_from_wire(wire)


@pytest.mark.parametrize("column", ["members", "versions", "channels", "languages", "accepted_at", "tried"])
def test_a_column_of_another_length_is_invalid(column: str) -> None:
    """A block whose columns do not fit is never read as somebody else's notice."""
    sent = Notices("lab", 1)
    for name, value in {
        "ids": b"n" * 16, "members": b"m" * 16, "versions": 1, "slots": 1, "pseudonyms": b"p" * 16, "revisions": 1,
        "supersedes": b"", "exposed": 1, "confirmed": 1, "told_exposed": 0, "told_confirmed": 0, "channels": 4,
        "flags": 0, "languages": "nl", "cohorts": "a", "accepted_at": 1, "attempts": 0, "tried": 0,
    }.items():  # fmt: skip
        getattr(sent, name).append(value)
    wire = notices_to_wire(sent)
    wire.ClearField(column)

    with pytest.raises(InvalidMessage, match="column-length"):
        notices_from_wire(wire)


def test_totals_come_back_the_same() -> None:
    """Counts keep their names and their sequence."""
    row = TotalsRow("intake", "intake", "lab/wave-1", 7, {"received": 3, "rejected": 1}, 5)

    assert [row] == decode_totals(encode_totals([row]))


@given(st.one_of(st.none(), st.integers(0, 10**9)), st.booleans(), st.booleans(), st.booleans())
def test_cohorts_come_back_the_same(declared: int | None, auto: bool, sealed: bool, released: bool) -> None:  # noqa: FBT001
    """A number that was not said stays not said: it is not zero."""
    cohort = Cohort("lab", "wave-1", 2, "source", declared, auto, sealed, released, (3, 0, 2**60) if released else ())

    (entry,) = decode_incidents(encode_cohort(cohort))

    assert (("cohort", "lab", "wave-1"), 2, cohort) == entry


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
