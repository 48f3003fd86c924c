"""What `/openapi.json` says. Data."""

from typing import Any, Final

from services.core.channel import Channel
from services.dispatch.metrics import PAUSES
from services.dispatch.print_answers import REASONS, PrintState
from services.dispatch.print_runs import HANDLINGS
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
        "provider": {"type": ["string", "null"], "description": "Whom it hands over to; null where that is nobody"},
        "queued": _state("Not begun"),
        "underWay": _state("Begun, and its end not known yet"),
        "unknown": _state("Ended, and nobody can tell how; waits for the next channel"),
        "refused": _state("Refused, and waits in case the provider is ill"),
        "paused": _state("Held back by the pause of a cohort"),
        "rejected": _state("Taken, and rejected afterwards through no fault of the recipient; in no print job"),
        "decided": _state(
            "Rejected, and an operator decided about it: done once all is known that was accepted before"
        ),
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
            "description": "How many messages the provider is handed at most, in any window of so many seconds; "
            "86400 is a day from midnight UTC, with how many of it are used",
            "items": {
                "type": "object",
                "required": ["messages", "seconds"],
                "additionalProperties": False,
                "properties": {"messages": _COUNT, "seconds": {"type": "number"}, "usedToday": _COUNT},
            },
        },
        "heldBack": {
            "description": "What waits in this process for limits, and is queued meanwhile",
            **_object(
                {
                    "messages": {**_COUNT, "description": "Whose receiving domain has a limit; about"},
                    "domains": {**_COUNT, "description": "How many domains those are"},
                    "domainsLeftAlone": {**_COUNT, "description": "Domains that asked for less"},
                    "capsUntil": {
                        "type": ["string", "null"],
                        "format": "date-time",
                        "description": "Until when the provider is handed nothing, as its caps are used up",
                    },
                }
            ),
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
            **faults(400, 404, 503),
        },
    }


_LIST_UNKNOWNS: Final[dict[str, Any]] = {
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

_DECIDED: Final = {
    "oneOf": [
        {"type": "null"},
        _object(
            {
                "notices": _COUNT,
                "since": _TIME,
                "behindIn": {
                    "type": "array",
                    "description": "Partitions of which deduplication has not said that it knows all that was accepted",
                    "items": _COUNT,
                },
            }
        ),
    ],
    "description": "What an operator decided about and is not done yet; null where that is nothing",
}
_WAITS_ALREADY: Final = {**_COUNT, "description": "That wait for an earlier act about the same"}
_REJECTED: Final = {
    "channel": _CHANNEL,
    "incidentId": _TEXT,
    "notices": {**_COUNT, "description": "That nobody decided about"},
}
_REJECTED_NOTICE: Final = _object(
    {"noticeId": _TEXT, "attempt": _COUNT, "incidentId": _TEXT, "cohortId": _TEXT, "channel": _CHANNEL, "since": _TIME}
)
_INCIDENT: Final = {"name": "incidentId", "in": "path", "required": True, "schema": _TEXT}
_LIST_REJECTED: Final = {
    "operationId": "listRejected",
    "summary": "What the provider took and rejected afterwards, through no fault of its recipients, by incident",
    "responses": {
        "200": answer(
            "Those of this process's channel; letters in files of a print house are in its jobs",
            _object(
                {"rejected": {"type": "array", "items": _object({**_REJECTED, "since": _TIME, "decided": _DECIDED})}}
            ),
        ),
        **faults(503),
    },
}
_LIST_REJECTED_NOTICES: Final = {
    "operationId": "listRejectedNotices",
    "summary": "Whose they are that nobody decided about",
    "parameters": [_INCIDENT, *_LIST_UNKNOWNS["parameters"]],
    "responses": {
        "200": answer(
            "A page of them, which may have none and yet not be the last",
            _object(
                {
                    "notices": {"type": "array", "items": ref("schemas/Rejected")},
                    "next": {"type": ["string", "null"]},
                }
            ),
        ),
        **faults(400, 503),
    },
}


def _end(operation: str, summary: str) -> dict[str, Any]:
    return {
        "operationId": operation,
        "summary": summary,
        "parameters": [_INCIDENT],
        "responses": {
            "202": answer(
                "How many it is about: it is done once all is known that was accepted before",
                _object(
                    {
                        "channel": _CHANNEL,
                        "incidentId": _TEXT,
                        "notices": {**_COUNT, "description": "That are decided about now"},
                        "waiting": _WAITS_ALREADY,
                    }
                ),
            ),
            **faults(400, 503),
        },
    }


_JOB: Final = {"name": "job", "in": "path", "required": True, "schema": _TEXT}
_PRINT_JOB: Final = _object(
    {
        "job": {"type": "string", "description": "The print run"},
        "day": {"type": "string", "format": "date"},
        "handling": {"type": "string", "enum": list(HANDLINGS)},
        "state": {
            "type": "string",
            "enum": list(PrintState),
            "description": "What the print house said of its files: the worst of them",
        },
        "closed": {"type": "boolean", "description": "The print house has its total"},
        "files": _COUNT,
        "letters": _COUNT,
        "filesWaiting": {**_COUNT, "description": "Of which nothing was said"},
        "waitsSince": {"type": ["string", "null"], "format": "date-time"},
        "filesRejected": _COUNT,
        "reasons": {"type": "array", "items": {"type": "string", "enum": list(REASONS)}},
        "contradictory": {"type": "boolean", "description": "A file was rejected, and posted as well"},
        "unprinted": {**_COUNT, "description": "Rejected letters that nobody decided about"},
        "unprintedFiles": {"type": "array", "items": _object({"batchId": _TEXT, "letters": _COUNT})},
        "decided": _DECIDED,
    }
)
_UNPRINTED: Final = _object(
    {"noticeId": _TEXT, "attempt": _COUNT, "incidentId": _TEXT, "cohortId": _TEXT, "batchId": _TEXT, "since": _TIME}
)
_LIST_JOBS: Final = {
    "operationId": "listPrintJobs",
    "summary": "How print jobs stand with the print house, the latest first",
    "parameters": [
        {
            "name": "all",
            "in": "query",
            "description": "`true`: those too of which everything is known",
            "schema": {"type": "string", "enum": ["true", "false"]},
        }
    ],
    "responses": {
        "200": answer("The latest of them", _object({"jobs": {"type": "array", "items": ref("schemas/PrintJob")}})),
        **faults(400, 503),
    },
}
_LIST_UNPRINTED: Final = {
    "operationId": "listUnprintedLetters",
    "summary": "Letters of a job, or of one of its files, that were rejected and that nobody decided about",
    "parameters": [_JOB, *_LIST_UNKNOWNS["parameters"]],
    "responses": {
        "200": answer(
            "A page of them",
            _object(
                {"letters": {"type": "array", "items": ref("schemas/Unprinted")}, "next": {"type": ["string", "null"]}}
            ),
        ),
        **faults(400, 503),
    },
}


def _decide(operation: str, summary: str) -> dict[str, Any]:
    although = {
        "name": "evenIfPosted",
        "in": "query",
        "description": "`true`: although the print house also said that it was posted",
        "schema": {"type": "string", "enum": ["true", "false"]},
    }
    return {
        "operationId": operation,
        "summary": summary,
        "parameters": [_JOB, although],
        "responses": {
            "202": answer(
                "How many letters it is about: it is done once all is known that was accepted before",
                _object(
                    {
                        "job": _TEXT,
                        "letters": {**_COUNT, "description": "That are decided about now"},
                        "waiting": _WAITS_ALREADY,
                    }
                ),
            ),
            **faults(400, 404, 409, 503),
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
        "/print-jobs": {"get": _LIST_JOBS},
        "/print-jobs/{job}/letters": {"get": _LIST_UNPRINTED},
        "/print-jobs/{job}/print-again": {
            "post": _decide("printAgain", "Print rejected letters again, as new attempts in new files")
        },
        "/print-jobs/{job}/give-up": {
            "post": _decide("giveUpPrint", "Give the notices of rejected letters to their next channel")
        },
        "/rejected": {"get": _LIST_REJECTED},
        "/rejected/{incidentId}": {"get": _LIST_REJECTED_NOTICES},
        "/rejected/{incidentId}/again": {
            "post": _end("sendAgain", "Hand what was rejected over again, as new attempts")
        },
        "/rejected/{incidentId}/give-up": {
            "post": _end("giveUpRejected", "Give the notices of what was rejected to their next channel")
        },
        "/unknowns": {"get": _LIST_UNKNOWNS},
    },
    {
        "Channel": _STANDING,
        "PrintJob": _PRINT_JOB,
        "Rejected": _REJECTED_NOTICE,
        "Unprinted": _UNPRINTED,
        "Unknown": _UNKNOWN,
        "Waiting": _object({"attempts": _COUNT, "since": {"type": ["string", "null"], "format": "date-time"}}),
    },
)
