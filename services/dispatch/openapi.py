"""What `/openapi.json` says. Data."""

from typing import Any, Final

from services.core.channel import Channel
from services.dispatch.metrics import PAUSES
from services.kit.process import answer, described, faults, ref

__all__ = ["OPENAPI"]

_TEXT, _COUNT = {"type": "string"}, {"type": "integer", "minimum": 0}
_TIME: Final = {"type": "string", "format": "date-time"}
_CHANNEL: Final = {"type": "string", "enum": [channel.label for channel in Channel]}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties}


def _state(meaning: str) -> dict[str, Any]:
    return {"description": meaning, **ref("schemas/Waiting")}


_PAUSED: Final = {
    "pausedBy": {"type": ["string", "null"], "description": "Which operator paused the channel"},
    "since": {"type": ["string", "null"], "format": "date-time"},
}
_STANDING: Final = _object(
    {
        "channel": _CHANNEL,
        "provider": _TEXT,
        "queued": _state("Not begun"),
        "underWay": _state("Begun, and its end not known yet"),
        "unknown": _state("Ended, and nobody can tell how; waits for the next channel"),
        "refused": _state("Refused, and waits in case the provider is ill"),
        "paused": _state("Held back by the pause of a cohort"),
        "pauses": {
            "type": "array",
            "description": "Why this process leaves the channel, a domain or an incident alone",
            "items": {"type": "string", "enum": list(PAUSES)},
        },
        "closedFor": {
            "type": "array",
            "description": "Incidents for which the channel is closed: nothing of them begins on it",
            "items": _TEXT,
        },
        "waysPaused": {
            "type": "array",
            "description": "What this process found ill: the channel, receiving domains, words of incidents",
            "items": _object({"kind": {"type": "string", "enum": ["channel", "content", "domain"]}, "number": _COUNT}),
        },
        "caps": {
            "type": "array",
            "description": "How many messages the provider is handed at most, in any window of so many seconds",
            "items": _object({"messages": _COUNT, "seconds": {"type": "number"}}),
        },
        **_PAUSED,
    }
)
_UNKNOWN: Final = _object(
    {
        "noticeId": _TEXT,
        "attempt": _COUNT,
        "incidentId": _TEXT,
        "cohortId": {"type": "string", "description": "Of the record whose contact data was used"},
        "channel": _CHANNEL,
        "since": _TIME,
        "nextChannelAt": {**_TIME, "description": "From when the notice may go to its next channel"},
    }
)
_LIST_CHANNELS: Final = {
    "operationId": "listChannels",
    "summary": "How the channel of this process stands: what waits, since when, and what keeps it",
    "responses": {
        "200": answer(
            "The one channel of this process",
            _object({"channels": {"type": "array", "items": ref("schemas/Channel")}}),
        ),
        **faults(503),
    },
}


def _change(operation: str, summary: str) -> dict[str, Any]:
    channel = {"name": "channel", "in": "path", "required": True, "schema": _CHANNEL}
    return {
        "operationId": operation,
        "summary": summary,
        "parameters": [channel],
        "responses": {
            "200": answer("How it stands now", _object({"channel": _CHANNEL, **_PAUSED})),
            **faults(404, 503),
        },
    }


_LIST_UNKNOWNS: Final = {
    "operationId": "listUnknowns",
    "summary": "Attempts that began and of which nobody can tell how they ended",
    "parameters": [
        {
            "name": "after",
            "in": "query",
            "description": "The `next` of the page before",
            "schema": {"type": "string", "pattern": "^[0-9]{1,18}$"},
        }
    ],
    "responses": {
        "200": answer(
            "A page of them, those that are unknown for longest first",
            _object(
                {"unknowns": {"type": "array", "items": ref("schemas/Unknown")}, "next": {"type": ["string", "null"]}}
            ),
        ),
        **faults(400, 503),
    },
}

OPENAPI: Final[dict[str, Any]] = described(
    "Heraut dispatch",
    "One process a channel: what it has to hand over, and how that goes.",
    {
        "/channels": {"get": _LIST_CHANNELS},
        "/channels/{channel}/pause": {
            "post": _change("pauseChannel", "Pause a channel: two seconds later nothing begins, on any replica")
        },
        "/channels/{channel}/resume": {"post": _change("resumeChannel", "Let a paused channel go on")},
        "/unknowns": {"get": _LIST_UNKNOWNS},
    },
    {
        "Channel": _STANDING,
        "Unknown": _UNKNOWN,
        "Waiting": _object({"attempts": _COUNT, "since": {"type": ["string", "null"], "format": "date-time"}}),
    },
)
