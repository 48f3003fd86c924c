"""Events from upstream systems: CloudEvents 1.0 on Kafka, by the NL GOV profile. Pure.

Binary mode has the attributes in `ce_*` headers and the data as the value; structured mode has both in one JSON object,
known by its content type (`application/cloudevents+json`) or, where no header has attributes, by its `specversion`.
"""

import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from services.core.synthetic import SYNTHETIC_SOURCE, is_synthetic
from services.intake.control.changes import CohortRequest, read_cohort
from services.intake.control.withdrawals import Named, read_named
from services.intake.errors import InvalidEventError
from services.kit.eventlog import Record
from services.kit.tracing import TraceParent, read_traceparent

__all__ = [
    "NOT_PERMITTED",
    "CohortOpened",
    "CohortSealed",
    "Event",
    "MemberWithdrawn",
    "MembersAffected",
    "is_reserved",
    "read_event",
]

EVENT_LIMIT = 65_536  # bytes: intermediaries need not pass on larger events, so the profile allows none
NOT_PERMITTED = "not-permitted"
_STRUCTURED = "application/cloudevents+json"
_JSON = re.compile(r"application/(?:[a-z0-9.+-]+\+)?json", re.IGNORECASE)
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_ATTRIBUTE = re.compile(r"[a-z0-9]{1,20}", re.ASCII)
_REQUIRED = ("specversion", "id", "source", "type")
_MAX_ATTRIBUTE = 2_048  # characters: far longer than real ids and sources, which are hashed for every event


@dataclass(frozen=True, slots=True)
class CohortOpened:
    """A source opens a cohort."""

    incident_id: str
    cohort_id: str
    request: CohortRequest


@dataclass(frozen=True, slots=True)
class MembersAffected:
    """A source tells of members of its cohort; each of them is checked by itself later."""

    incident_id: str
    cohort_id: str
    members: list[Any]


@dataclass(frozen=True, slots=True)
class CohortSealed:
    """A source says that its cohort is whole."""

    incident_id: str
    cohort_id: str


@dataclass(frozen=True, slots=True)
class MemberWithdrawn:
    """A source takes one of its members back."""

    incident_id: str
    cohort_id: str
    named: Named


Data = CohortOpened | MembersAffected | MemberWithdrawn | CohortSealed


@dataclass(frozen=True, slots=True)
class Event:
    """An event that can be read; by what it is `named` (topic, source and id) a repeat is recognised."""

    named: bytes
    data: Data
    record: Record
    origin: TraceParent | None = None  # where its trace began: the extension `traceparent` (distributed tracing)

    @property
    def entries(self) -> int:
        """How many members are in it, for traces."""
        return len(self.data.members) if isinstance(self.data, MembersAffected) else 0


def is_reserved(event: Event) -> bool:
    """Tell whether an event is about what is Heraut's own: the synthetic person, who is nobody's."""
    data = event.data
    return is_synthetic(data.incident_id) or (
        isinstance(data, CohortOpened) and data.request.source == SYNTHETIC_SOURCE
    )


def read_event(record: Record) -> Event:
    """Read an event. Raises InvalidEventError with a code that says what is wrong with it for good."""
    if record.value is None:
        raise InvalidEventError("tombstone")
    if len(record.value) > EVENT_LIMIT:
        raise InvalidEventError("too-large")
    headers = {name.lower(): value for name, value in record.headers}
    attributes, data = _in_its_mode(headers, record.value)
    _check_attributes(attributes)
    read = _READERS.get(attributes["type"])
    if read is None:
        raise InvalidEventError("unsupported-type")
    # With the topic: what one producer writes into `source` cannot make another's event look like a repeat.
    named = orjson.dumps([record.topic, attributes["source"], attributes["id"]])
    return Event(named, read(data), record, read_traceparent(attributes.get("traceparent")))


def _in_its_mode(headers: Mapping[str, bytes], value: bytes) -> tuple[dict[str, Any], Any]:
    content_type = _text(headers.get("content-type", b"application/json"))
    if content_type.split(";")[0].strip().lower() == _STRUCTURED:
        return _structured(value)
    if any(name.startswith("ce_") for name in headers):
        return _binary(headers, content_type, value)
    try:
        attributes, data = _structured(value)
    except InvalidEventError:
        raise InvalidEventError("not-a-cloudevent") from None
    if "specversion" not in attributes:
        raise InvalidEventError("not-a-cloudevent")
    return attributes, data


def _structured(value: bytes) -> tuple[dict[str, Any], Any]:
    event = _loads(value)
    if not isinstance(event, dict):
        raise InvalidEventError("not-a-cloudevent")
    attributes = {name: given for name, given in event.items() if name not in {"data", "data_base64"}}
    if "data_base64" in event:
        try:
            return attributes, _loads(b64decode(event["data_base64"], validate=True))
        except (Base64Error, TypeError, ValueError):
            raise InvalidEventError("invalid-data") from None
    return attributes, event.get("data")


def _binary(headers: Mapping[str, bytes], content_type: str, value: bytes) -> tuple[dict[str, Any], Any]:
    attributes: dict[str, Any] = {name[3:]: _text(given) for name, given in headers.items() if name.startswith("ce_")}
    attributes["datacontenttype"] = content_type
    return attributes, _loads(value)


def _check_attributes(attributes: Mapping[str, Any]) -> None:
    for name in _REQUIRED:
        given = attributes.get(name)
        if not isinstance(given, str) or not given or len(given) > _MAX_ATTRIBUTE:
            raise InvalidEventError("missing-attribute")
    if attributes["specversion"] != "1.0":
        raise InvalidEventError("unsupported-specversion")
    if not all(_ATTRIBUTE.fullmatch(name) for name in attributes):
        raise InvalidEventError("invalid-attribute")
    if not _JSON.fullmatch(str(attributes.get("datacontenttype", "application/json")).split(";")[0].strip()):
        raise InvalidEventError("unsupported-data")
    if "time" in attributes:
        try:
            at = datetime.fromisoformat(attributes["time"])
        except (ValueError, TypeError):
            raise InvalidEventError("invalid-attribute") from None
        if at.tzinfo is None:
            raise InvalidEventError("invalid-attribute")


def _opened(data: Any) -> CohortOpened:
    ids = _cohort_of(data)
    if "autoRelease" in data:
        raise InvalidEventError(NOT_PERMITTED)  # no event lets a notice go
    request, problems = read_cohort({name: data[name] for name in data if name not in {"incidentId", "cohortId"}})
    if problems:
        raise InvalidEventError("invalid-data")
    return CohortOpened(*ids, request)


def _affected(data: Any) -> MembersAffected:
    ids = _cohort_of(data)
    members = data.get("members")
    if not isinstance(members, list) or set(data) - {"incidentId", "cohortId", "members"}:
        raise InvalidEventError("invalid-data")
    return MembersAffected(*ids, members)


def _sealed(data: Any) -> CohortSealed:
    ids = _cohort_of(data)
    if set(data) - {"incidentId", "cohortId"}:
        raise InvalidEventError("invalid-data")
    return CohortSealed(*ids)


def _withdrawn(data: Any) -> MemberWithdrawn:
    ids = _cohort_of(data)
    if set(data) != {"incidentId", "cohortId", "memberRef"}:  # a line is of an upload
        raise InvalidEventError("invalid-data")
    named, problems = read_named({"memberRef": data["memberRef"]})
    if problems:
        raise InvalidEventError("invalid-data")
    return MemberWithdrawn(*ids, named)


def _cohort_of(data: Any) -> tuple[str, str]:
    if not isinstance(data, dict):
        raise InvalidEventError("invalid-data")
    ids = data.get("incidentId"), data.get("cohortId")
    if not all(isinstance(given, str) and _ID.fullmatch(given) for given in ids):
        raise InvalidEventError("invalid-data")
    return str(ids[0]), str(ids[1])


_READERS: Mapping[str, Callable[[Any], Data]] = {
    "eu.breachnotice.cohort-opened.v1": _opened,
    "eu.breachnotice.members-affected.v1": _affected,
    "eu.breachnotice.member-withdrawn.v1": _withdrawn,
    "eu.breachnotice.cohort-sealed.v1": _sealed,
}


def _loads(value: bytes) -> Any:
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        raise InvalidEventError("invalid-json") from None


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise InvalidEventError("invalid-attribute") from None
