"""Reading events from upstream."""

from base64 import b64encode
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake.control.changes import CohortRequest
from services.intake.control.withdrawals import Named
from services.intake.errors import InvalidEventError
from services.intake.events.cloudevents import (
    EVENT_LIMIT,
    CohortOpened,
    CohortSealed,
    Event,
    MembersAffected,
    MemberWithdrawn,
    read_event,
)
from services.kit.eventlog.port import Record
from services.kit.tracing import TraceParent

SEALED = "eu.breachnotice.cohort-sealed.v1"
IDS = {"incidentId": "lab", "cohortId": "wave-1"}


def a_record(value: bytes | None, **headers: str) -> Record:
    """Return a record of upstream's topic; header names with underscores, `content_type` with a hyphen."""
    given = tuple((name.replace("content_", "content-"), text.encode()) for name, text in headers.items())
    return Record("heraut.cohort.v1", 0, 7, "", 0, 0, value, given)


def attributes(**changed: Any) -> dict[str, Any]:
    """Return the attributes of an event."""
    stated = {"specversion": "1.0", "id": "1", "source": "urn:nld:oin:00000001001234567000:systeem:lab", "type": SEALED}
    return {name: given for name, given in (stated | changed).items() if given is not None}


def binary(data: Any, **changed: Any) -> Record:
    """Return an event in binary mode."""
    headers = {f"ce_{name}": given for name, given in attributes(**changed).items()}
    return a_record(orjson.dumps(data), content_type="application/json", **headers)


def structured(data: Any, **changed: Any) -> Record:
    """Return an event in structured mode."""
    value = orjson.dumps({**attributes(**changed), "data": data})
    return a_record(value, content_type="application/cloudevents+json; charset=UTF-8")


@pytest.mark.parametrize("mode", [binary, structured])
@pytest.mark.parametrize(
    ("kind", "data", "expected"),
    [
        (
            "eu.breachnotice.cohort-opened.v1",
            {**IDS, "source": "lab", "declaredCount": 3},
            CohortOpened("lab", "wave-1", CohortRequest("lab", 3, None)),
        ),
        (
            "eu.breachnotice.members-affected.v1",
            {**IDS, "members": [{"memberRef": "m-1"}, 7]},
            MembersAffected("lab", "wave-1", [{"memberRef": "m-1"}, 7]),
        ),
        (
            "eu.breachnotice.member-withdrawn.v1",
            {**IDS, "memberRef": "m-1"},
            MemberWithdrawn("lab", "wave-1", Named("m-1")),
        ),
        (SEALED, IDS, CohortSealed("lab", "wave-1")),
    ],
)
def test_events_are_read_in_both_modes(mode: Any, kind: str, data: Any, expected: Any) -> None:
    """Each type is read, whichever way it is carried; a bad member is no fault of its event."""
    assert expected == read_event(mode(data, type=kind)).data


def test_data_may_be_base64() -> None:
    """Structured mode may carry its data as base64."""
    value = orjson.dumps({**attributes(), "data_base64": b64encode(orjson.dumps(IDS)).decode()})

    assert (
        CohortSealed("lab", "wave-1") == read_event(a_record(value, content_type="application/cloudevents+json")).data
    )


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/octet-stream"])
def test_structured_event_is_known_without_its_content_type(content_type: str) -> None:
    """Producers leave the content type out, or set another: without attributes in headers, `specversion` tells."""
    value = orjson.dumps({**attributes(), "data": IDS})

    assert CohortSealed("lab", "wave-1") == read_event(a_record(value, content_type=content_type)).data
    assert CohortSealed("lab", "wave-1") == read_event(a_record(value)).data


def test_event_is_known_by_source_and_id() -> None:
    """The same source and id is the same event, in either mode; nothing else is."""
    named = read_event(binary(IDS)).named

    assert named == read_event(structured(IDS)).named
    assert 3 == len({named, read_event(binary(IDS, id="2")).named, read_event(binary(IDS, source="x")).named})


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (a_record(None), "tombstone"),
        (a_record(b"x" * (EVENT_LIMIT + 1)), "too-large"),
        (a_record(b"{}"), "not-a-cloudevent"),
        (a_record(b"[]", content_type="application/cloudevents+json"), "not-a-cloudevent"),
        (a_record(b"{", content_type="application/cloudevents+json"), "invalid-json"),
        (a_record(b"{", ce_id="1"), "invalid-json"),
        (binary(IDS, source=None), "missing-attribute"),
        (binary(IDS, id=""), "missing-attribute"),
        (binary(IDS, specversion="0.3"), "unsupported-specversion"),
        (binary(IDS, type="eu.breachnotice.member-forgotten.v1"), "unsupported-type"),
        (binary(IDS, type="eu.breachnotice.member-withdrawn.v1"), "invalid-data"),
        (binary({**IDS, "line": 1}, type="eu.breachnotice.member-withdrawn.v1"), "invalid-data"),
        (binary({**IDS, "memberRef": " "}, type="eu.breachnotice.member-withdrawn.v1"), "invalid-data"),
        (binary(IDS, time="yesterday"), "invalid-attribute"),
        (binary(IDS, time="2025-09-01T12:00:00"), "invalid-attribute"),
        (structured(IDS, My_Own="x"), "invalid-attribute"),
        (structured(IDS, datacontenttype="text/xml"), "unsupported-data"),
        (binary({}), "invalid-data"),
        (binary({"incidentId": "a b", "cohortId": "c"}), "invalid-data"),
        (binary({**IDS, "members": []}), "invalid-data"),
        (binary({**IDS, "members": {}}, type="eu.breachnotice.members-affected.v1"), "invalid-data"),
        (binary({**IDS, "source": 1}, type="eu.breachnotice.cohort-opened.v1"), "invalid-data"),
    ],
)
def test_unreadable_event_says_why(record: Record, reason: str) -> None:
    """What will never be understood has a code for its dead letter."""
    with pytest.raises(InvalidEventError) as caught:
        read_event(record)

    assert reason == caught.value.reason


@given(
    st.binary(max_size=80),
    st.dictionaries(st.sampled_from(["ce_id", "ce_type", "content-type", "x"]), st.binary(max_size=20)),
)
def test_any_bytes_are_an_event_or_are_not(value: bytes, headers: dict[str, bytes]) -> None:
    """Whatever stands on the topic is read or set aside; nothing crashes."""
    record = Record("heraut.cohort.v1", 0, 7, "", 0, 0, value, tuple(headers.items()))
    try:
        read = read_event(record)
    except InvalidEventError as error:
        assert error.reason.replace("-", "").isalpha()  # noqa: PT017 - either outcome is right
    else:
        assert isinstance(read, Event)


@pytest.mark.parametrize("mode", [binary, structured])
@pytest.mark.parametrize(
    ("given", "read"),
    [(f"00-{'a' * 32}-{'b' * 16}-01", TraceParent("a" * 32, "b" * 16, sampled=True)), ("Jansen", None)],
)
def test_an_event_says_where_its_trace_began(mode: Any, given: str, read: TraceParent | None) -> None:
    """By the extension for distributed tracing; a malformed one is as none."""
    assert read == read_event(mode(IDS, traceparent=given)).origin
