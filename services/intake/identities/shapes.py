"""What `/openapi.json` says of ties and judgements. Data."""

from typing import Any, Final

from services.intake.identities.judgements import MOST_RECORDS, REFERENCE, Evidence, People
from services.intake.identities.tying import State

__all__ = ["JUDGEMENTS", "SETTLING", "TIE_STATE"]

_TEXT, _SOME, _YES_NO = {"type": "string"}, {"type": "integer", "minimum": 1}, {"type": "boolean"}
_NUMBER = _SOME | {"maximum": 2**63 - 2}
_MAYBE_TEXT = {"type": ["string", "null"]}
TIE_STATE: Final[dict[str, Any]] = {"enum": [state.value for state in State]}
_PEOPLE = {"enum": [one.value for one in People], "description": "All of one person, or each of another one"}
_EVIDENCE = {"enum": [one.value for one in Evidence], "description": "What it rests on"}
_RECORD = {"type": "string", "pattern": "^[0-9a-f]{32}$", "description": "The id of the member: a keyed hash"}
_COHORT = {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"}
_REF = {"type": "string", "maxLength": 64, "pattern": r"[!-~]"}
_VERSION = _SOME | {
    "maximum": 2**31 - 1,
    "description": "That was seen: 409 where it was corrected since; the present one if left out",
}

_SETTLEMENTS: Final[list[dict[str, Any]]] = [
    {
        "type": "object",
        "required": ["action", "tie"],
        "additionalProperties": False,
        "properties": {"action": {"enum": ["tie", "untie", "refuse"]}, "tie": _NUMBER},
    },
    {
        "type": "object",
        "required": ["action", "people", "records", "evidence"],
        "additionalProperties": False,
        "properties": {
            "action": {"const": "settle"},
            "people": _PEOPLE,
            "records": {
                "type": "array",
                "minItems": 2,
                "maxItems": MOST_RECORDS,
                "items": {
                    "oneOf": [
                        {
                            "type": "object",
                            "required": [*names],
                            "additionalProperties": False,
                            "properties": {**names, "version": _VERSION},
                        }
                        for names in ({"record": _RECORD}, {"cohortId": _COHORT, "memberRef": _REF})
                    ]
                },
            },
            "evidence": _EVIDENCE,
            "reference": _TEXT
            | {"pattern": f"^{REFERENCE.pattern}$", "description": "Of the file that says more; names nobody"},
        },
    },
    {
        "type": "object",
        "required": ["action", "judgement"],
        "additionalProperties": False,
        "properties": {"action": {"const": "unsettle"}, "judgement": _NUMBER},
    },
]

JUDGEMENTS: Final[dict[str, Any]] = {
    "nextJudgement": {"type": ["integer", "null"], "description": "Ask again, as afterJudgement; null: that was all"},
    "judgements": {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {
                "judgement": _SOME,
                "people": _PEOPLE,
                "decidedAt": _TEXT,
                "undoneAt": _MAYBE_TEXT,
                "evidence": _EVIDENCE,
                **dict.fromkeys(("reference", "decidedBy"), _TEXT),
                "undoneBy": _MAYBE_TEXT,
                "others": {"type": "integer", "description": "Records of other sources, which are not shown"},
                "records": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {
                            **dict.fromkeys(("cohortId", "source"), _TEXT),
                            "record": _RECORD,
                            "version": _SOME,
                            "memberRef": _MAYBE_TEXT,
                            "holds": _YES_NO
                            | {"description": "false: undone, or the record says something else by now of who it is"},
                        },
                    },
                },
            },
        },
    },
}

_JUDGEMENT: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "incidentId": _TEXT,
        "judgement": _SOME,
        "people": _PEOPLE,
        "undone": _YES_NO,
        "changed": _YES_NO | {"description": "false: it was said, or undone, before"},
        "told": {"enum": ["no", "maybe"], "description": "maybe: somebody may have been told; that stays told"},
    },
}

SETTLING: Final[dict[str, Any]] = {
    "Settlement": {"anyOf": _SETTLEMENTS},
    "Settled": {
        "type": "object",
        "properties": {"incidentId": _TEXT, "tie": _SOME, "state": TIE_STATE, "changed": _YES_NO},
    },
    "Judgement": _JUDGEMENT,
}
