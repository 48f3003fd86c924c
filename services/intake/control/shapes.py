"""What `/openapi.json` says of putting incidents, and of cohorts, releases and conflicts. Data."""

from typing import Any, Final

from services.core.channel import CHANNEL_NAMES
from services.core.cohort import Figures
from services.core.policy import Stop
from services.core.unsettled import ProblemKind
from services.intake.control.reissuing import WAITING
from services.wire.incident_schema import INCIDENT_SCHEMAS
from services.wire.incident_words import GROUP

__all__ = ["ASKED_CHANGE", "CONFLICTS", "SHAPES"]

_MOST: Final = 10**9  # notices, or people who complain
_SOME = {"type": "integer", "minimum": 1, "maximum": _MOST}
_TEXT, _COUNT, _YES_NO = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}
_MAYBE_TEXT, _MAYBE_COUNT = {"type": ["string", "null"]}, {"type": ["integer", "null"]}
_SHARE = {"type": "number", "exclusiveMinimum": 0, "maximum": 1}

# Of an incident with four eyes; to a source all three are null.
ASKED_CHANGE: Final[dict[str, Any]] = {
    "changeAskedBy": _MAYBE_TEXT | {"description": "Who asked for the last change that takes two principals"},
    "changeApprovedBy": _MAYBE_TEXT,
    "changeAsked": {
        "type": ["object", "null"],
        "description": "The change that waits for somebody else's approval, null where none does",
        "required": ["number", "reissue", "document"],
        "properties": {
            "number": _COUNT | {"description": "By which it is approved"},
            "reissue": {"enum": [WAITING, None]},
            "document": {"$ref": "#/components/schemas/IncidentDocument"},
        },
    },
}

SHAPES: Final[dict[str, Any]] = {
    "IncidentRequest": INCIDENT_SCHEMAS["IncidentDocument"]
    | {
        "properties": INCIDENT_SCHEMAS["IncidentDocument"]["properties"]
        | {
            "reissue": {
                "enum": [WAITING],
                "description": "Notices that were released with an earlier version and are not begun follow this one;"
                " no part of the document",
            }
        }
    },
    "IncidentPut": {
        "type": "object",
        "required": ["incidentId", "version", "changed", "asked", "warnings", "closed"],
        "properties": {
            "incidentId": _TEXT,
            "version": _COUNT,
            "changed": _YES_NO,
            "asked": {
                "type": ["object", "null"],
                "description": "The change that waits for somebody else's approval, who names its number",
                "properties": {"number": _COUNT, "askedBy": _TEXT},
            },
            "warnings": {"type": "array", "items": {"type": "object"}, "description": "What a reader may stumble over"},
            "closed": {
                "type": "array",
                "items": {"type": "string", "enum": list(CHANNEL_NAMES.values())},
                "description": "Channels that the version before allows, and this one does not: two seconds after the "
                "answer nothing begins on them any more, whatever version a notice has. Tracking lists what had begun",
            },
        },
    },
    "IncidentApproval": {
        "type": "object",
        "required": ["number"],
        "additionalProperties": False,
        "properties": {
            "number": {
                "type": "integer",
                "minimum": 1,
                "maximum": 2**31 - 1,
                "description": "Of the change that was read",
            }
        },
    },
    "CohortRequest": {
        "type": "object",
        "required": ["source"],
        "additionalProperties": False,
        "properties": {
            "source": {"type": "string", "maxLength": 200, "pattern": r"\S", "description": "Printable, on one line"},
            "declaredCount": {"type": "integer", "minimum": 0, "maximum": 10**10},
            "autoRelease": _YES_NO,
            "group": {"type": "string", "pattern": f"^{GROUP.pattern}$"},
        },
    },
    "Cohort": {
        "type": "object",
        "properties": {
            **dict.fromkeys(("incidentId", "cohortId", "source", "changedAt"), _TEXT),
            **dict.fromkeys(("version", "received", "rejected", "accepted", "discarded", *Figures._fields), _COUNT),
            **dict.fromkeys(("autoRelease", "sealed", "released", "cancelled", "paused"), _YES_NO),
            "declared": _MAYBE_COUNT,
            "pauseId": _MAYBE_TEXT | {"description": "The pause that holds now"},
            "pausedBy": _MAYBE_TEXT
            | {"description": "A principal, or `rule:<name>`; null, though paused: its incident"},
            "stopped": {"oneOf": [{"$ref": "#/components/schemas/Stopped"}, {"type": "null"}]},
            "canary": _MAYBE_COUNT | {"description": "The release lets go at most so many notices in all"},
            "perDay": _MAYBE_COUNT | {"description": "The release lets go at most so many notices a day"},
            "releaseAskedBy": _MAYBE_TEXT | {"description": "Who asked for a release that takes two principals"},
            "releaseApprovedBy": _MAYBE_TEXT,
            "releaseAsked": {
                "description": "The release that waits for somebody else's approval, null where none does",
                "oneOf": [{"$ref": "#/components/schemas/Release"}, {"type": "null"}],
            },
        },
    },
    "Stopped": {
        "type": "object",
        "description": "What a stop rule found: `count` of `of`, a share above `above`; channel: of that one alone",
        "properties": {
            "rule": {"enum": [*Stop._fields]},
            "channel": _TEXT,
            "count": _COUNT,
            "of": _COUNT,
            "above": _SHARE,
        },
    },
    "Figures": {
        "type": "object",
        "description": "Each in all so far; what is left out stays",
        "additionalProperties": False,
        "minProperties": 1,
        "properties": {name: {"type": "integer", "minimum": 0, "maximum": _MOST} for name in Figures._fields},
    },
    "IncidentPause": {
        "type": "object",
        "properties": {
            "incidentId": _TEXT,
            "paused": _YES_NO,
            "pausedBy": _MAYBE_TEXT,
            "pauses": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"cohortId": _TEXT, "pauseId": _TEXT, "pausedBy": _MAYBE_TEXT},
                },
            },
        },
    },
    "Release": {
        "type": "object",
        "description": "One of the three; numbers of persons' notices. A day is a calendar day in the Netherlands",
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
        "properties": {"all": {"const": True}, "canary": _SOME, "perDay": _SOME},
    },
    "Withdrawal": {
        "type": "object",
        "description": "Either of the two",
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
        "properties": {
            "memberRef": {**_TEXT, "maxLength": 64, "pattern": r"[!-~]"},
            "line": _COUNT
            | {
                "minimum": 1,
                "maximum": 10**12 - 1,
                "description": "On which the record was rejected, if it was on no other",
            },
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
}

CONFLICTS: Final[dict[str, Any]] = {
    "nextConflict": _MAYBE_TEXT | {"description": "Ask again, as afterConflict; null: that was all"},
    "conflicts": {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {
                "conflict": _TEXT,
                "others": _COUNT | {"description": "Records that are not shown: of other sources, or more than a few"},
                "records": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {
                            **dict.fromkeys(("cohortId", "source", "reason", "since"), _TEXT),
                            "record": _TEXT | {"description": "The id of the member: a keyed hash"},
                            "version": _COUNT | {"description": "The version that this is said of"},
                            "kind": {"enum": [ProblemKind.HELD.value, ProblemKind.CONFLICTING.value]},
                            "memberRef": _MAYBE_TEXT | {"description": "Whole, as the source sent it"},
                            "line": _MAYBE_COUNT,
                            "fields": {"type": "array", "items": _TEXT},
                        },
                    },
                },
            },
        },
    },
}
