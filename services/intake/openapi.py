"""The document that `/openapi.json` shows; member records in it follow from `records.fields`. Data."""

from typing import Any

from services.core.policy import RULES, Policy, in_words
from services.core.unsettled import ProblemKind
from services.intake.control.shapes import SHAPES
from services.intake.domain import Severity
from services.intake.identities.tying import State
from services.intake.records.fields import FIELDS, TEXTS, Field, Kind

__all__ = ["OPENAPI"]


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/{name}"}


def _answer(description: str, schema: str | None = None, kind: str = "application/json") -> dict[str, Any]:
    content = {"content": {kind: {"schema": _ref(f"schemas/{schema}")}}} if schema else {}
    return {"description": description, **content}


def _faults(*statuses: int) -> dict[str, Any]:
    words = {
        400: "The request is at fault; all of its faults at once",
        401: "Who asks?",
        403: "The caller may not do this",
        404: "The incident or cohort is not known",
        409: "It goes against what stands",
        408: "The body did not come in time",
        413: "The body is too large",
        415: "The body is of another kind",
        429: "Too often, or too much at once",
        503: "Not now",
    }
    return {str(s): _answer(words[s], "Problem", "application/problem+json") for s in (*statuses, 401, 403)}


def _json_body(schema: str) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": _ref(f"schemas/{schema}")}}}


def _member_field(field: Field) -> dict[str, Any]:
    about = field.about
    limit = {"maxLength": about.limit} if field in TEXTS else {}
    return {**_KINDS[field.kind], **limit, "description": about.meaning, "examples": [about.example]}


# As they may stand in JSON; null stands for nothing, and a CSV has texts alone.
_KINDS: dict[Kind, dict[str, Any]] = {
    Kind.TEXT: {"type": ["string", "null"]},
    Kind.NUMBER: {"type": ["string", "integer", "null"]},
    Kind.WORD: {"type": ["string", "null"]},
    Kind.CODES: {"type": ["array", "string", "null"], "items": {"type": "string"}},
    Kind.FLAG: {"type": ["boolean", "string", "null"]},
}
_INCIDENT = [_ref("parameters/incidentId")]
_COHORT = [*_INCIDENT, _ref("parameters/cohortId")]
_PATH_ID = {
    "in": "path",
    "required": True,
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"},
}
_DEFAULTS = in_words(Policy())
_TEXT, _COUNT, _YES_NO = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}
_MAYBE_TEXT, _MAYBE_COUNT = {"type": ["string", "null"]}, {"type": ["integer", "null"]}
_TIE_STATE = {"enum": [state.value for state in State]}

_PATHS: dict[str, Any] = {
    "/v1/incidents/{incidentId}": {
        "parameters": _INCIDENT,
        "put": {
            "summary": "Make an incident known, or change it: the same document again changes nothing",
            "requestBody": _json_body("IncidentDocument"),
            "responses": {"200": _answer("It stands"), "201": _answer("It is new"), **_faults(400, 409)},
        },
        "get": {
            "summary": "An incident and its cohorts",
            "responses": {"200": _answer("As it stands"), **_faults(404)},
        },
    },
    "/v1/incidents/{incidentId}/acts": {
        "parameters": _INCIDENT,
        "get": {
            "summary": "Who did what to an incident and its cohorts, from the oldest act",
            "parameters": [{"in": "query", "name": "after", "schema": {"type": "integer", "minimum": 0}}],
            "responses": {"200": _answer("A page of acts", "Acts"), **_faults(400, 404)},
        },
    },
    "/v1/incidents/{incidentId}/cohorts/{cohortId}": {
        "parameters": _COHORT,
        "put": {
            "summary": "Open a cohort, or change what its source says of it",
            "requestBody": _json_body("CohortRequest"),
            "responses": {
                "200": _answer("It stands", "Cohort"),
                "201": _answer("It is open", "Cohort"),
                **_faults(400, 404, 409),
            },
        },
        "get": {
            "summary": "A cohort and what was counted of it",
            "responses": {"200": _answer("As it stands", "Cohort"), **_faults(404)},
        },
    },
    "/v1/incidents/{incidentId}/cohorts/{cohortId}/members": {
        "parameters": _COHORT,
        "post": {
            "summary": "Take members; answered once they are durable",
            "parameters": [
                {"in": "header", "name": "Idempotency-Key", "schema": {"type": "string", "maxLength": 255}},
                {"in": "header", "name": "Content-Encoding", "schema": {"enum": ["gzip", "identity"]}},
            ],
            "requestBody": {
                "required": True,
                "content": {
                    "text/csv": {"schema": {"type": "string"}},
                    "application/x-ndjson": {"schema": _ref("schemas/Member")},
                },
            },
            "responses": {"202": _answer("Taken", "UploadReport"), **_faults(400, 404, 409, 415, 503)},
        },
    },
    "/v1/incidents/{incidentId}/cohorts/{cohortId}/seal": {
        "parameters": _COHORT,
        "post": {
            "summary": "Close a cohort for new members; corrections are still taken",
            "responses": {"200": _answer("It is sealed", "Cohort"), **_faults(404, 409)},
        },
    },
    "/v1/incidents/{incidentId}/cohorts/{cohortId}/release": {
        "parameters": _COHORT,
        "post": {
            "summary": "Let the notices of a cohort go",
            "requestBody": _json_body("Release"),
            "responses": {
                "200": _answer("It is released", "Cohort"),
                "202": _answer("It is asked for, and waits for somebody else's approval", "Cohort"),
                **_faults(400, 404, 409),
            },
        },
    },
    "/v1/incidents/{incidentId}/cohorts/{cohortId}/approve": {
        "parameters": _COHORT,
        "post": {
            "summary": "Let the notices of a cohort go that somebody else asked for; a body says what that is",
            "requestBody": {**_json_body("Release"), "required": False},
            "responses": {"200": _answer("It is released", "Cohort"), **_faults(404, 409)},
        },
    },
    "/v1/incidents/{incidentId}/cohorts/{cohortId}/pause": {
        "parameters": _COHORT,
        "post": {
            "summary": "Stop every notice that names a fact of the cohort; repeated, it is the same pause",
            "responses": {"202": _answer("It is paused, under its pauseId", "Cohort"), **_faults(404, 409, 503)},
        },
    },
    "/v1/incidents/{incidentId}/cohorts/{cohortId}/resume": {
        "parameters": _COHORT,
        "post": {
            "summary": "End a pause, after all that was acknowledged before; of a cohort that is not paused, nothing",
            "responses": {"200": _answer("It goes on, as far as it is released", "Cohort"), **_faults(404, 409)},
        },
    },
    "/v1/incidents/{incidentId}/cohorts/{cohortId}/cancel": {
        "parameters": _COHORT,
        "post": {
            "summary": "Take a whole cohort back, for good: whoever was not told by it counts as withdrawn",
            "responses": {"200": _answer("It is cancelled", "Cohort"), **_faults(404)},
        },
    },
    "/v1/incidents/{incidentId}/cohorts/{cohortId}/problems": {
        "parameters": _COHORT,
        "get": {
            "summary": "Whose records are rejected, held, or told apart from others, and why; for their source",
            "parameters": [
                {"in": "query", "name": "format", "schema": {"enum": ["json", "csv"]}},
                {"in": "query", "name": "after", "schema": _TEXT, "description": "`next` of the page before"},
                {"in": "query", "name": "limit", "schema": {"type": "integer", "minimum": 1, "maximum": 1000}},
            ],
            "responses": {
                "200": {
                    "description": "A page as JSON, or all of them as CSV",
                    "content": {
                        "application/json": {"schema": _ref("schemas/Problems")},
                        "text/csv": {"schema": _TEXT},
                    },
                },
                **_faults(400, 404, 503),
            },
        },
    },
    "/v1/incidents/{incidentId}/cohorts/{cohortId}/withdrawals": {
        "parameters": _COHORT,
        "post": {
            "summary": "Take one record back; a later upload of it brings it back",
            "requestBody": _json_body("Withdrawal"),
            "responses": {"200": _answer("It is withdrawn", "Withdrawn"), **_faults(400, 404, 409)},
        },
    },
    "/v1/incidents/{incidentId}/identities": {
        "parameters": _INCIDENT,
        "get": {
            "summary": "Pairs of identities that are, or may be, one person",
            "parameters": [
                {"name": "after", "in": "query", "schema": {"type": "integer", "minimum": 0}},
                {"name": "state", "in": "query", "schema": _TIE_STATE},
            ],
            "responses": {"200": _answer("From the oldest; a page", "Ties"), **_faults(400, 404, 409)},
        },
        "post": {
            "summary": "Say that a listed pair is one person, or is not",
            "requestBody": _json_body("Settlement"),
            "responses": {"200": _answer("It stands", "Settled"), **_faults(400, 404, 409)},
        },
    },
}

_SCHEMAS: dict[str, Any] = {
    "IncidentDocument": {
        "type": "object",
        "required": ["title", "awareAt", "controller", "languages", "channels", "dataCategories", "content"],
        "properties": {
            "policy": _ref("schemas/Policy"),
            "variants": {"type": "array", "items": _ref("schemas/Variant")},
        },
    },
    "Variant": {
        "type": "object",
        "description": "Words for some: `when` has certainty, kind, group or language; with title or content, or both",
        "required": ["when"],
    },
    "Policy": {
        "type": "object",
        "properties": {
            key: {"enum": [word.value for word in rule.words], "default": _DEFAULTS[key], "description": rule.meaning}
            for key, rule in RULES.items()
        }
        | {"pace": _ref("schemas/Pace")},
        "additionalProperties": False,
    },
    "CohortRequest": {
        "type": "object",
        "required": ["source"],
        "additionalProperties": False,
        "properties": {
            "source": _TEXT,
            "declaredCount": {"type": "integer", "minimum": 0},
            "autoRelease": _YES_NO,
            "group": _TEXT,
        },
    },
    **SHAPES,
    "Withdrawal": {
        "type": "object",
        "description": "Either of the two",
        "additionalProperties": False,
        "properties": {
            "memberRef": {**_TEXT, "maxLength": 64},
            "line": _COUNT | {"minimum": 1, "description": "On which the record was rejected, if it was on no other"},
        },
    },
    "Withdrawn": {
        "type": "object",
        "properties": {
            **dict.fromkeys(("incidentId", "cohortId"), _TEXT),
            "was": {"enum": ["accepted", "rejected"]},
            "changed": _YES_NO | {"description": "false: it was withdrawn before"},
            "told": {
                "enum": ["no", "maybe"],
                "description": "maybe: some notice of the incident was let go before, and the person, or another "
                "record of the same person with these facts, may have been told, or be about to be",
            },
        },
    },
    "Problems": {
        "type": "object",
        "properties": {
            **dict.fromkeys(("incidentId", "cohortId"), _TEXT),
            "next": _MAYBE_TEXT | {"description": "Ask again, after this; null: there are no more"},
            "problems": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "kind": {"enum": [kind.value for kind in ProblemKind]},
                        "memberRef": _MAYBE_TEXT | {"description": "Whole, as the source sent it"},
                        "line": {"type": ["integer", "null"], "description": "Of the upload that said this last"},
                        "reason": _TEXT,
                        "fields": {"type": "array", "items": _TEXT},
                        "since": _TEXT,
                    },
                },
            },
        },
    },
    "Ties": {
        "type": "object",
        "properties": {
            "incidentId": _TEXT,
            "next": {"type": ["integer", "null"], "description": "Ask again, after this number; null: that was all"},
            "ties": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "tie": _COUNT,
                        "state": _TIE_STATE,
                        "fields": {"type": "array", "items": _TEXT, "description": "Those that agree"},
                        "record": _TEXT | {"description": "The id of the member that showed it: a keyed hash"},
                        "decidedBy": _TEXT | {"description": "`rule`, or an operator"},
                        **dict.fromkeys(("cohortId", "source", "decidedAt"), _TEXT),
                    },
                },
            },
        },
    },
    "Settlement": {
        "type": "object",
        "required": ["action", "tie"],
        "additionalProperties": False,
        "properties": {"action": {"enum": ["tie", "untie", "refuse"]}, "tie": _COUNT | {"minimum": 1}},
    },
    "Settled": {
        "type": "object",
        "properties": {"incidentId": _TEXT, "tie": _COUNT, "state": _TIE_STATE, "changed": _YES_NO},
    },
    "Member": {
        "type": "object",
        "required": [field.name for field in FIELDS if field.about.required],
        "additionalProperties": False,
        "properties": {field.name: _member_field(field) for field in FIELDS},
    },
    "UploadReport": {
        "type": "object",
        "properties": {
            **dict.fromkeys(("received", "accepted", "rejected", "unreadable", "warnings"), _COUNT),
            "problemsTruncated": _YES_NO,
            "problems": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "line": _COUNT,
                        "problem": _TEXT,
                        **dict.fromkeys(("memberRef", "field"), _MAYBE_TEXT),
                        "severity": {"enum": [severity.value for severity in Severity]},
                    },
                },
            },
        },
    },
    "Problem": {
        "type": "object",
        "required": ["status", "title"],
        "properties": {"status": _COUNT, "title": _TEXT, "detail": _TEXT, "requestId": _TEXT},
    },
    "Acts": {
        "type": "object",
        "properties": {
            "incidentId": _TEXT,
            "more": _YES_NO | {"description": "Ask again, after the last number"},
            "acts": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        **dict.fromkeys(("at", "principal", "act", "requestId"), _TEXT),
                        "number": _COUNT,
                        "cohortId": _MAYBE_TEXT,
                        "version": _MAYBE_COUNT,
                        "detail": {"type": ["object", "null"], "description": "What was asked for, or why"},
                    },
                },
            },
        },
    },
}

OPENAPI: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Heraut intake", "version": "1.0.0"},
    "security": [{"bearer": []}],
    "paths": _PATHS,
    "components": {
        "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        "parameters": {name: {"name": name, **_PATH_ID} for name in ("incidentId", "cohortId")},
        "schemas": _SCHEMAS,
    },
}
