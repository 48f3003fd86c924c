"""What `/openapi.json` says. Data; the words of the ledger come from `core.ledger`."""

from typing import Any

from services.core.cohort import Figures
from services.core.ledger import NOTHING_DUE, Disposition, HoldReason
from services.kit.process import answer, described, faults, ref
from services.tracking.verification.page import LANGUAGES

__all__ = ["OPENAPI"]


def _object(properties: dict[str, Any], *optional: str) -> dict[str, Any]:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "required": required, "properties": properties}


_TEXT, _COUNT, _YES_NO = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}
_STANDING = [disposition.value for disposition in Disposition]

_LIST_INCIDENTS = {
    "operationId": "listIncidents",
    "summary": "The incidents that the caller sees: a source those in which it has a cohort",
    "responses": {
        "200": answer(
            "Incidents, by id",
            _object({"incidents": {"type": "array", "items": _object({"incidentId": _TEXT, "title": _TEXT})}}),
        ),
        **faults(503),
    },
}
_SHOW_LEDGER = {
    "operationId": "showLedger",
    "summary": "The ledger of an incident",
    "description": "For every cohort declared = missing + received, received = rejected + accepted, and "
    f"accepted = {' + '.join(_STANDING)}. balanced is false once figures have disagreed for two seconds without "
    "moving; such an answer takes that long.",
    "parameters": [{"name": "incidentId", "in": "path", "required": True, "schema": _TEXT}],
    "responses": {"200": answer("The ledger", ref("schemas/Ledger")), **faults(400, 404, 503)},
}
_SHOW_PAUSE = {
    "operationId": "showPause",
    "summary": "What had begun when a cohort was paused",
    "description": "Two seconds after the answer to a pause nothing begins any more; what had begun by then is listed "
    "here once each channel of the incident has reported of each partition.",
    "parameters": [
        {"name": name, "in": "path", "required": True, "schema": _TEXT} for name in ("incidentId", "pauseId")
    ],
    "responses": {"200": answer("What had begun", ref("schemas/Pause")), **faults(400, 404, 503)},
}
_LIST_CLOSURES = {
    "operationId": "listClosures",
    "summary": "What had begun when channels of an incident were closed, and how many moved on",
    "description": "Two seconds after the answer to a version that closes a channel nothing begins on it any more. "
    "Who speaks for some sources alone does not see them.",
    "parameters": [{"name": "incidentId", "in": "path", "required": True, "schema": _TEXT}],
    "responses": {
        "200": answer("Every closure, in the order of versions", ref("schemas/Closures")),
        **faults(400, 404, 503),
    },
}
_LIST_PAUSES = {
    "operationId": "listPauses",
    "summary": "What had begun of every pause of an incident that holds now",
    "parameters": [{"name": "incidentId", "in": "path", "required": True, "schema": _TEXT}],
    "responses": {
        "200": answer(
            "The pauses of the cohorts that the caller sees",
            _object(
                {"incidentId": _TEXT, "complete": _YES_NO, "pauses": {"type": "array", "items": ref("schemas/Pause")}}
            ),
        ),
        **faults(400, 404, 503),
    },
}
_SHOW_RELEASE = {
    "operationId": "showRelease",
    "summary": "How the release of a cohort goes, and how near its stop rules are",
    "parameters": [
        {"name": name, "in": "path", "required": True, "schema": _TEXT} for name in ("incidentId", "cohortId")
    ],
    "responses": {"200": answer("As it is known now", ref("schemas/Release")), **faults(400, 404, 503)},
}
_SHOW_PAGE = {
    "operationId": "showPage",
    "summary": "The ledgers of all incidents as a page",
    "description": "HTTP Basic with any user name and a token as the password, or the token as bearer.",
    "parameters": [
        {
            "name": "refresh",
            "in": "query",
            "schema": {"type": "string", "enum": ["off"]},
            "description": "off: the page does not renew itself",
        }
    ],
    "security": [{"basic": []}, {"bearer": []}],
    "responses": {"200": answer("The page", _TEXT, "text/html"), **faults(400, 503)},
}

_UNTOLD = {
    "400": "The page: the reference was mistyped",
    "429": "The page: too many were asked about",
    "503": "The page: it cannot be told now",
}
_VERIFY = {
    "operationId": "verifyReference",
    "summary": "Whether a reference is of a notice of ours",
    "description": "For whoever holds a letter: asks for no token, tells nothing else, and may be asked so often only. "
    "A reference with a slip in it is 400, with the type urn:heraut:problem:mistyped-reference.",
    "security": [],
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": _object({"reference": _TEXT | {"maxLength": 40, "examples": ["7K2M-9QXR-4TBN-W3HK"]}})
            }
        },
    },
    "responses": {
        "200": answer("What is known of it", _object({"genuine": _YES_NO})),
        **faults(400, 408, 413, 415, 429, 500, 503, guarded=False),
    },
}

_LANGUAGE = {
    "name": "lang",
    "in": "query",
    "schema": {"type": "string", "enum": list(LANGUAGES)},
    "description": "Of the page; unset: what the browser accepts first",
}
_CHECKED = answer("The page", _TEXT, "text/html")
_VERIFY_PAGE = {
    "servers": [{"url": "/", "description": "This process"}],
    "parameters": [_LANGUAGE],
    "get": {
        "operationId": "showVerification",
        "summary": "The page on which people have a reference checked",
        "security": [],
        "responses": {"200": _CHECKED, **faults(500, guarded=False)},
    },
    "post": {
        "operationId": "verifyOnPage",
        "summary": "The page with what is known of a reference",
        "security": [],
        "requestBody": {
            "required": True,
            "content": {"application/x-www-form-urlencoded": {"schema": _object({"reference": _TEXT})}},
        },
        "responses": {
            "200": _CHECKED,
            **{status: answer(said, _TEXT, "text/html") for status, said in _UNTOLD.items()},
            **faults(408, 413, 415, 500, guarded=False),
        },
    },
}

_LINE = _object(
    {
        "declared": _COUNT,
        "received": _COUNT,
        "missing": _COUNT | {"description": "declared - received; negative where more came than declared"},
        "rejected": _COUNT,
        "accepted": _COUNT,
        **dict.fromkeys(_STANDING, _COUNT),
        "identityConflicts": _COUNT
        | {"description": "Accepted members, wherever they stand, whose identity is that of somebody else too"},
        "uncorrected": _COUNT
        | {
            "description": "Accepted members by whose notice somebody was told what is not theirs: the record is"
            " another person's, the policy wants a correction, and nobody could be told so"
        },
        "bareJoins": _COUNT
        | {
            "description": "Accepted members that say neither name nor birth date, and are taken for one person with"
            " others by their identity alone (policy bareJoins)"
        },
        "heldReasons": {
            **_object({reason.key: _COUNT for reason in HoldReason}),
            "description": "Held members by what they wait for",
        },
        "toBeTold": _COUNT
        | {
            "description": "Records for which somebody should be told, missing, rejected and held ones included: "
            "declared or received, whichever is more in each cohort, less "
            f"{' and '.join(one.value for one in Disposition if one in NOTHING_DUE)}"
        },
        "told": {
            "type": ["number", "null"],
            "minimum": 0,
            "description": "The share of toBeTold that is notified; null where there is nobody to tell",
        },
    }
)
_COHORT = _object(
    {
        "cohortId": _TEXT,
        "source": {"type": ["string", "null"], "description": "null while its opening has not been heard of"},
        "surplus": _YES_NO | {"description": "More records came than were declared"},
        "balanced": _YES_NO,
    }
)
_LEDGER = _object(
    {
        "incidentId": _TEXT,
        "title": _TEXT,
        "balanced": _YES_NO,
        "cohorts": {"type": "array", "items": ref("schemas/Cohort")},
        "totals": ref("schemas/Line"),
    }
)
_CLOSURES = _object(
    {
        "incidentId": _TEXT,
        "complete": _YES_NO,
        "closures": {
            "type": "array",
            "items": _object(
                {
                    "channel": _TEXT,
                    "version": _COUNT | {"description": "Of the incident: the one that closed it"},
                    "openAgain": _YES_NO,
                    "complete": _YES_NO | {"description": "Its channel has reported of each partition"},
                    "begun": {"type": "array", "items": _object({"noticeId": _TEXT, "attempt": _COUNT})},
                }
            ),
        },
        "movedOn": {
            "type": "object",
            "description": "By channel: notices that waited for it and went back for their next one",
            "additionalProperties": _COUNT,
        },
    }
)
_PAUSE = _object(
    {
        "incidentId": _TEXT,
        "cohortId": _TEXT,
        "pauseId": _TEXT,
        "complete": _YES_NO | {"description": "Nothing is still to be reported"},
        "waitingFor": {"type": "array", "items": _TEXT, "description": "Channels that have not reported all"},
        "begun": {
            "type": "array",
            "items": _object({"noticeId": _TEXT, "channel": _TEXT, "attempt": _COUNT}),
            "description": "Attempts that may have been handed over after the pause was said",
        },
    }
)

_SOME, _SHARE = {"type": ["integer", "null"]}, {"type": ["number", "null"]}
_RELEASE = _object(
    {
        **dict.fromkeys(("incidentId", "cohortId"), _TEXT),
        "released": _YES_NO,
        **dict.fromkeys(("canary", "perDay"), _SOME),
        "letGo": _COUNT | {"description": "People of this cohort whose notices were let go, and stand"},
        "left": _SOME | {"description": "canary - letGo; fewer where recalled notices have had their turn"},
        "told": _COUNT,
        "channels": {"type": "object", "description": "accepted and refused hand-overs of each"},
        **dict.fromkeys(Figures._fields, _COUNT),
        "paused": _YES_NO,
        "pauseId": {"type": ["string", "null"]},
        "stopped": {"type": ["object", "null"], "description": "What a rule found since it began to count"},
        "rules": {
            "type": "array",
            "items": _object(
                {
                    "rule": _TEXT,
                    "channel": {"type": ["string", "null"]},
                    **dict.fromkeys(("count", "of"), _COUNT),
                    "share": _SHARE,
                    "above": {"type": "number"},
                    "enough": _YES_NO | {"description": "Of enough hand-overs to stop by"},
                }
            ),
        },
    }
)

_LIST = "reference,reason,date\n7K2M-9QXR-4TBN-W3HK,moved,2026-03-02"
_PROVIDER = {"name": "provider", "in": "path", "required": True, "schema": _TEXT}
_SIGNED = [
    {"name": f"webhook-{name}", "in": "header", "required": True, "schema": _TEXT}
    for name in ("id", "timestamp", "signature")
]
_TAKE_WEBHOOK = {
    "operationId": "takeReceipts",
    "summary": "What a provider says of messages after their hand-over, signed by it (Standard Webhooks)",
    "description": "The last word of `type` is what happened (accepted, acknowledged, posted, delivered, read, "
    "complained, refused, bounced, returned); of another word nothing is taken. Each of `data`, or it alone, names a "
    "message by `reference` or by `idempotencyKey`. The same again changes nothing.",
    "security": [],
    "parameters": [_PROVIDER, *_SIGNED],
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": _object({"type": _TEXT, "timestamp": _TEXT, "data": {}}, "timestamp"),
                "example": {"type": "message.read", "data": {"reference": "7K2M-9QXR-4TBN-W3HK"}},
            }
        },
    },
    "responses": {
        "202": answer("Written down", _object({"taken": _COUNT})),
        **faults(400, 401, 408, 413, 415, 503, guarded=False),
    },
}
_LOAD_RETURNED = {
    "operationId": "loadReturnedMail",
    "summary": "A list of letters that came back: reference, reason, date",
    "description": "A megabyte at most. Lines that cannot be read are named by number and field; the others are taken.",
    "requestBody": {
        "required": True,
        "content": {"text/csv": {"schema": _TEXT, "example": _LIST}},
    },
    "responses": {
        "202": answer(
            "Written down",
            _object(
                {
                    "received": _COUNT,
                    "taken": _COUNT,
                    "problems": {
                        "type": "array",
                        "items": _object({"line": _COUNT, "field": _TEXT, "problem": _TEXT}),
                    },
                    "problemsTruncated": _YES_NO,
                }
            ),
        ),
        **faults(400, 408, 413, 415, 503),
    },
}

OPENAPI: dict[str, Any] = described(
    "Heraut tracking",
    "Where every member of every cohort stands. Holds figures, no persons.",
    {
        "/incidents": {"get": _LIST_INCIDENTS},
        "/incidents/{incidentId}/ledger": {"get": _SHOW_LEDGER},
        "/incidents/{incidentId}/pauses": {"get": _LIST_PAUSES},
        "/incidents/{incidentId}/closures": {"get": _LIST_CLOSURES},
        "/incidents/{incidentId}/pauses/{pauseId}": {"get": _SHOW_PAUSE},
        "/incidents/{incidentId}/cohorts/{cohortId}/release": {"get": _SHOW_RELEASE},
        "/receipts": {"post": _LOAD_RETURNED},
        "/receipts/{provider}": {"post": _TAKE_WEBHOOK},
        "/verifications": {"post": _VERIFY},
        "/verify": _VERIFY_PAGE,
    },
    {
        "Line": _LINE,
        "Cohort": {"allOf": [ref("schemas/Line"), _COHORT]},
        "Ledger": _LEDGER,
        "Pause": _PAUSE,
        "Closures": _CLOSURES,
        "Release": _RELEASE,
    },
    page=_SHOW_PAGE,
)
