"""Blocks of members in, blocks of notices out."""

from typing import Any

import pytest
from notification.v1 import deduplication_pb2, intake_pb2

from services.core.channel import ALL_CHANNELS
from services.core.notices import BLOCK_ENTRIES, MEMBER_FLAGS, Notices
from services.core.witnesses import MAX_FORMS, NO_WITNESSES
from services.deduplication.codec import encode_released, encode_superseded, read_block
from services.deduplication.domain import Superseded
from services.deduplication.judgements import Judged, Seen
from services.kit.errors import InvalidMessage
from services.kit.eventlog.port import Record
from services.wire.notices import notices_from_wire
from tests.unit.deduplication.builders import an_id
from tests.unit.deduplication.said import Said, packed

_FULL = packed(Said((70, 3, 5), frozenset({"vri", "ber"}), False, "jp", "jan", "a", "bis"))


def _wire(**changes: Any) -> intake_pb2.MembersAccepted:
    columns: dict[str, Any] = {
        "incident_id": "i",
        "incident_version": 2,
        "cohort_id": "c",
        "cohort_version": 3,
        "accepted_at": 1000,
        "members": an_id("a") + an_id("b"),
        "versions": [1, 2],
        "slots": [70_000, 1],
        "pseudonyms": an_id("p") + an_id("q"),
        "exposed": [3, 1],
        "confirmed": [1, 0],
        "channels": bytes([4, 7]),
        "flags": bytes([0, 8]),
        "language_names": ["nl"],
        "languages": [0, 0],
        "witnesses": _FULL + NO_WITNESSES,
    }
    return intake_pb2.MembersAccepted(**(columns | changes))


def _record(wire: intake_pb2.MembersAccepted) -> Record:
    return Record("heraut.members.accepted.v1", 5, 0, "intake", 1, 0, wire.SerializeToString())


def test_block_is_read_into_columns() -> None:
    """Each member keeps what intake said of it; the partition is the one it was read from."""
    work = read_block(_record(_wire()))

    assert (5, "i", 2, "c", 3, 1000) == (
        work.block.partition,
        work.block.incident_id,
        work.block.incident_version,
        work.block.cohort_id,
        work.block.cohort_version,
        work.block.accepted_at,
    )
    assert (an_id("b"), 2, 9, 1000, 1, 0, 7, 8, "nl", 70_001, NO_WITNESSES, None, None) == tuple(
        work.block.member(1, 9)
    )
    assert _FULL == work.block.witnesses[0]
    assert work.totals is None


def _judgement(**changes: Any) -> intake_pb2.Judgement:
    said: dict[str, Any] = {
        "number": 5,
        "are_one": True,
        "members": an_id("a") + an_id("b"),
        "versions": [1, 2],
        "pseudonyms": an_id("p") + an_id("q"),
        "witnesses": _FULL + NO_WITNESSES,
    }
    return intake_pb2.Judgement(**(said | changes))


def _judging(judgement: intake_pb2.Judgement) -> Record:
    empty = dict.fromkeys(("members", "pseudonyms", "channels", "flags", "witnesses"), b"")
    none = dict.fromkeys(("versions", "slots", "exposed", "confirmed", "languages"), ())
    return _record(_wire(judgement=judgement, **empty, **none))


def test_what_an_operator_said_is_read() -> None:
    """Of each record the version that was seen, and its witnesses where they are known."""
    seen = [Seen(an_id("a"), 1, _FULL), Seen(an_id("b"), 2)]

    assert Judged(5, True, False, seen, [an_id("p"), an_id("q")]) == read_block(_judging(_judgement())).judged
    assert read_block(_record(_wire())).judged is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"number": 0}, "no-version"),
        ({"versions": [1, 0]}, "no-version"),
        ({"versions": [1]}, "column-length"),
        ({"pseudonyms": an_id("p")}, "column-length"),
        ({"witnesses": _FULL}, "witnesses"),
        ({"members": an_id("a") * 2}, "judgement"),
        ({"members": an_id("a"), "versions": [1], "pseudonyms": an_id("p"), "witnesses": _FULL}, "judgement"),
    ],
)
def test_what_says_nothing_of_two_records_is_a_dead_letter(changes: dict[str, Any], reason: str) -> None:
    """With its reason, and nothing of it taken."""
    with pytest.raises(InvalidMessage, match=reason):
        read_block(_judging(_judgement(**changes)))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"incident_id": ""}, "no-cohort"),
        ({"cohort_version": 0}, "no-version"),
        ({"versions": [1, 0]}, "no-version"),
        ({"versions": [1]}, "column-length"),
        ({"pseudonyms": an_id("p")}, "column-length"),
        ({"channels": bytes([ALL_CHANNELS + 1, 1])}, "flags"),
        ({"flags": bytes([MEMBER_FLAGS + 1, 1])}, "flags"),
        ({"exposed": [1 << 60, 1]}, "facts"),
        ({"confirmed": [4, 0]}, "facts"),  # certain, but not exposed
        ({"languages": [0, 1]}, "column-length"),
        ({"witnesses": b""}, "witnesses"),
        ({"witnesses": NO_WITNESSES}, "witnesses"),
        ({"witnesses": _FULL + NO_WITNESSES + b"\0"}, "witnesses"),  # cut off
        ({"witnesses": bytes([MAX_FORMS + 1]) + bytes(40)}, "witnesses"),
    ],
)
def test_block_that_cannot_be_is_a_dead_letter(changes: dict[str, Any], reason: str) -> None:
    """What does not fit together is set aside whole, with a reason that repeats nothing of it."""
    with pytest.raises(InvalidMessage) as caught:
        read_block(_record(_wire(**changes)))

    assert reason == caught.value.reason


def test_notices_leave_in_blocks_of_bounded_size() -> None:
    """However many are released at once, a block has at most so many, and none is left out."""
    count = 2 * BLOCK_ENTRIES + 1
    notices = Notices("i", 1)
    for row in range(count):
        notices.ids.append(row.to_bytes(16, "big"))
    for name in ("members", "pseudonyms"):
        setattr(notices, name, [bytes(16)] * count)
    for name in ("versions", "revisions", "exposed", "confirmed", "accepted_at"):
        setattr(notices, name, [1] * count)
    for name in ("slots", "told_exposed", "told_confirmed", "channels", "flags", "attempts", "tried"):
        setattr(notices, name, [0] * count)
    notices.supersedes, notices.languages, notices.cohorts = [b""] * count, ["nl"] * count, ["c"] * count
    blocks = [
        notices_from_wire(deduplication_pb2.NoticesReleased.FromString(block).notices)
        for block in encode_released(notices)
    ]

    assert [BLOCK_ENTRIES, BLOCK_ENTRIES, 1] == [len(block) for block in blocks]
    assert notices.ids == [one for block in blocks for one in block.ids]


def test_superseded_notices_name_the_cohorts_of_their_bearers() -> None:
    """Tracking takes each from the right cohort's count."""
    rows = [Superseded(an_id("n"), 1), Superseded(an_id("m"), 2), Superseded(an_id("o"), 1)]
    (block,) = encode_superseded("i", rows, {1: "c1", 2: "c2"})
    wire = deduplication_pb2.NoticesSuperseded.FromString(block)

    assert ("i", an_id("n") + an_id("m") + an_id("o")) == (wire.incident_id, wire.ids)
    assert ["c1", "c2", "c1"] == [wire.cohort_ids[row] for row in wire.cohorts]
