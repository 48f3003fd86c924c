"""Corrupt blocks on inner topics: each reader understands a block or says that it cannot; it never fails on one."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st
from notification import topics
from notification.v1 import common_pb2, deduplication_pb2, dispatch_pb2, intake_pb2, routing_pb2, tracking_pb2

from services.deduplication.codec import read_block
from services.dispatch.codec import decode_routed
from services.intake.codec import read_held, read_stops
from services.kit.errors import InvalidMessage
from services.kit.eventlog.port import Record
from services.routing.codec import decode_work
from services.tracking.codec import decode
from services.wire.incidents import decode_incidents
from services.wire.recalls import decode_recalled, decode_stopped
from services.wire.receipts import decode_accepted
from services.wire.synthetic import decode_arrived

EXAMPLES = Path(__file__).parents[3] / "proto" / "examples"
MODULES = (common_pb2, deduplication_pb2, dispatch_pb2, intake_pb2, routing_pb2, tracking_pb2)
READERS: dict[str, Callable[[Record], Any]] = {
    topics.MEMBERS_ACCEPTED: read_block,
    topics.MEMBERS_HELD: read_held,
    topics.NOTICES_RELEASED: decode_work,
    topics.DELIVERIES_REFUSED: decode_work,
    topics.NOTICES_READDRESSED: decode_work,
    topics.NOTICES_REATTEMPTED: decode,
    topics.NOTICES_ROUTED_LETTER: lambda record: decode_routed(record.value),
    topics.NOTICES_ROUTED_EMAIL: lambda record: decode_routed(record.value),
    topics.NOTICES_ROUTED_PORTAL: lambda record: decode_routed(record.value),
    topics.DELIVERIES_ATTEMPTED: decode,
    topics.NOTICES_EXHAUSTED: decode,
    topics.NOTICES_SUPERSEDED: decode,
    topics.PAUSES_OBSERVED: decode,
    topics.RECEIPTS_RECEIVED: decode,
    topics.RECEIPTS_ACCEPTED: decode_accepted,
    topics.STOPS_RAISED: read_stops,
    topics.SYNTHETIC_ARRIVED: lambda record: decode_arrived(record.value),
    topics.NOTICES_RECALLED: decode_recalled,
    topics.NOTICES_STOPPED: decode_stopped,
    topics.NOTICES_READDRESSED: decode_work,
    topics.NOTICES_REATTEMPTED: decode,
    topics.TOTALS_CHANGED: decode,
    topics.INCIDENTS_CHANGED: lambda record: decode_incidents(record.value),
}


def _whole(topic: str) -> list[bytes]:
    """Return the golden examples of a topic as they stand on it."""
    name = topics.TOPIC[topic].message.rpartition(".")[2]
    message: type[Message] = next(getattr(module, name) for module in MODULES if hasattr(module, name))
    folder = EXAMPLES / topic.rpartition(".")[0] / topic.rpartition(".")[2]
    return [ParseDict(json.loads(path.read_text()), message()).SerializeToString() for path in folder.glob("*.json")]


BLOCKS = {topic: _whole(topic) for topic in READERS}


def corrupted(block: bytes) -> st.SearchStrategy[bytes]:
    """Return a block with some bytes changed, left out or added, and perhaps its end cut off."""
    change = st.tuples(st.integers(0, len(block)), st.integers(0, 3), st.binary(max_size=3))

    def apply(changes: list[tuple[int, int, bytes]], end: int) -> bytes:
        made = block
        for at, left_out, added in changes:
            made = made[:at] + added + made[at + left_out :]
        return made[:end]

    return st.builds(apply, st.lists(change, max_size=3), st.integers(0, len(block) + 9))


def read(topic: str, value: bytes | None) -> str:
    """Read a block; returns the reason why it cannot be, or an empty text."""
    try:
        READERS[topic](Record(topic, 0, 1, "source", 1, 1_767_258_000_000, value))
    except InvalidMessage as error:
        return error.reason
    return ""


def test_every_inner_topic_is_tried() -> None:
    """A topic that is added is added here; each has an example to corrupt, and is read when whole."""
    assert {spec.name for spec in topics.TOPICS} - {topics.COHORT} == READERS.keys()
    assert all(BLOCKS.values())
    assert {""} == {read(topic, block) for topic, blocks in BLOCKS.items() for block in blocks}


@pytest.mark.parametrize("topic", READERS)
@given(data=st.data())
@settings(max_examples=150)
def test_corrupt_block_is_told_by_a_code(topic: str, data: st.DataObject) -> None:
    """Whatever was done to a block, it is read, or refused with a code that repeats nothing of it."""
    block = data.draw(st.sampled_from(BLOCKS[topic]))
    reason = read(topic, data.draw(corrupted(block) | st.binary(max_size=60)))

    assert reason.replace("-", "").isalpha() or not reason


@pytest.mark.parametrize("topic", READERS)
def test_block_that_was_cut_off_is_refused_or_whole(topic: str) -> None:
    """There is no length at which a block that was cut off makes its reader fail."""
    reasons = {read(topic, block[:end]) for block in BLOCKS[topic] for end in range(len(block))}

    assert all(reason.replace("-", "").isalpha() for reason in reasons - {""})


@pytest.mark.parametrize("topic", READERS)
def test_tombstone_is_refused(topic: str) -> None:
    """A record without a value is nobody's block."""
    assert "tombstone" == read(topic, None)
