"""Golden examples: what was once written to a topic is understood by the code of today."""

import json
import re
from pathlib import Path

import pytest
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message
from notification.topics import TOPIC, TOPICS
from notification.v1 import common_pb2, deduplication_pb2, dispatch_pb2, intake_pb2, routing_pb2, tracking_pb2

from services.intake.events.cloudevents import read_event
from services.kit.eventlog import Record

EXAMPLES = Path(__file__).parents[2] / "proto" / "examples"
FILES = sorted(EXAMPLES.glob("*/v*/*.json"))
MODULES = (common_pb2, deduplication_pb2, dispatch_pb2, intake_pb2, routing_pb2, tracking_pb2)
PROTOBUF = [path for path in FILES if path.parts[-3] != "heraut.cohort"]
UPSTREAM = [path for path in FILES if path.parts[-3] == "heraut.cohort"]


def _topic(path: Path) -> str:
    return f"{path.parts[-3]}.{path.parts[-2]}"


def _name(path: Path) -> str:
    return f"{_topic(path)}/{path.stem}"


def _message(path: Path) -> Message:
    """Return an empty message of the type that the topic of this example holds."""
    name = TOPIC[_topic(path)].message.rpartition(".")[2]
    made: Message = next(getattr(module, name)() for module in MODULES if hasattr(module, name))
    return made


@pytest.mark.parametrize("path", PROTOBUF, ids=_name)
def test_example_survives_the_wire_unchanged(path: Path) -> None:
    """An example is read, written and read again without a loss."""
    example = json.loads(path.read_text(encoding="utf-8"))
    message = ParseDict(example, _message(path))
    again = _message(path)

    again.ParseFromString(message.SerializeToString())

    assert message == again
    assert example == MessageToDict(again)


@pytest.mark.parametrize("path", PROTOBUF, ids=_name)
def test_columns_of_an_example_have_one_entry_a_row(path: Path) -> None:
    """An example is a block that a stage would take: ids of 16 bytes, and every column as long as they are."""
    message = ParseDict(json.loads(path.read_text(encoding="utf-8")), _message(path))
    block = getattr(message, "notices", message)
    if isinstance(block, common_pb2.Notices):
        rows = [len(block.ids) // 16, len(block.members) // 16, len(block.pseudonyms) // 16, len(block.channels)]
        rows += [len(c) for c in (block.versions, block.revisions, block.exposed, block.cohorts, block.attempts)]
        assert [rows[0]] * len(rows) == rows
    elif isinstance(block, intake_pb2.MembersAccepted):
        rows = [len(block.members) // 16, len(block.pseudonyms) // 16, len(block.versions), len(block.channels)]
        assert [rows[0]] * len(rows) == rows


@pytest.mark.parametrize("path", UPSTREAM, ids=_name)
def test_upstream_example_is_a_cloudevent_of_the_dutch_profile(path: Path) -> None:
    """An upstream example carries what CloudEvents and the NL GOV profile ask for."""
    event = json.loads(path.read_text(encoding="utf-8"))

    assert event["specversion"] == "1.0"
    assert {"id", "source", "type", "data"} <= event.keys()
    assert re.fullmatch(r"urn:nld:oin:[0-9]{20}:systeem:[a-z]+", event["source"])
    assert re.fullmatch(r"eu\.breachnotice\.[a-z]+-[a-z]+\.v1", event["type"])
    assert len(path.read_bytes()) <= 64 * 1024


@pytest.mark.parametrize("path", UPSTREAM, ids=_name)
def test_upstream_example_is_understood(path: Path) -> None:
    """Intake takes each kind of event that the contract shows."""
    headers = (("content-type", b"application/cloudevents+json"),)
    event = read_event(Record("heraut.cohort.v1", 0, 1, "", 0, 0, path.read_bytes(), headers))

    assert json.loads(path.read_text(encoding="utf-8"))["data"]["cohortId"] == event.data.cohort_id


def test_every_topic_has_examples() -> None:
    """No contract is without an example, and no example without a contract."""
    assert sorted({spec.name for spec in TOPICS}) == sorted({_topic(path) for path in FILES})


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_no_example_holds_personal_data(path: Path) -> None:
    """An example names no person: no citizen number, birth date, postcode of a person or private address."""
    text = path.read_text(encoding="utf-8")

    assert re.findall(r'"(?:bsn|(?:family|birth|partner|given)Name|birthDate|street|email|postcode)" *:', text) == []
    assert re.findall(r"(?<![0-9A-Za-z+/=-])[0-9]{9}(?![0-9A-Za-z+/=])", text) == []
