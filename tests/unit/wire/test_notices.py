"""Columns of notices on the wire: what is said of few costs the others nothing."""

import pytest
from notification.v1 import common_pb2

from services.core.notices import Notices
from services.kit.errors import InvalidMessage
from services.wire.notices import notices_from_wire, notices_to_wire

ONE, OTHER = b"1" * 16, b"2" * 16


def two_notices() -> Notices:
    """Return notices of two bearers, of one of whom something is said; and of somebody who is not among them."""
    ids = [ONE, OTHER]
    return Notices(
        "lab", 1, ids, ids, [3, 1], [0, 0], ids, [2, 1], [b"", b""], [1, 1], [1, 1], [0, 0], [0, 0], [4, 4], [0, 0],
        ["nl", "nl"], ["c", "c"], [5, 5], [0, 0], [0, 0], [("c",), ("c",)], {(ONE, 3): 2, (b"3" * 16, 1): 1},
    )  # fmt: skip


def test_since_when_contact_data_stands_is_said_of_bearers_of_the_block() -> None:
    """By row, and of no other."""
    wire = notices_to_wire(two_notices())

    assert {0: 2} == dict(wire.contact_since)
    assert {(ONE, 3): 2} == notices_from_wire(wire).contact_since


def test_what_is_said_of_a_row_that_is_not_there_is_a_fault() -> None:
    """As with every sparse column."""
    wire = common_pb2.Notices()
    wire.CopyFrom(notices_to_wire(two_notices()))
    wire.contact_since[2] = 1

    with pytest.raises(InvalidMessage, match="column-length"):
        notices_from_wire(wire)
