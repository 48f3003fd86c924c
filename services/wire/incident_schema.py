"""What an incident document may have, field by field, as JSON Schema (2020-12). Data.

The page on the document, the schema beside it and `/openapi.json` are made of this, and `incident_document` takes the
names of its fields from here. What a schema cannot say (texts in all languages, no code twice) stands in `description`,
and is checked by `incident_document` alone.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final

from services.core.addressee import AddresseeRole
from services.core.channel import CHANNEL_NAMES
from services.core.facts import MAX_CATEGORIES
from services.core.incident import CONTENT_BLOCKS, MORE_BLOCKS, PHRASED_LANGUAGES
from services.core.policy import (
    MOST_DAYS_UNREAD,
    OF_AGE,
    RULES,
    SMALLEST_SAMPLE,
    CallCentre,
    Minors,
    Policy,
    Stop,
    in_words,
)
from services.core.variants import Certainty, Kind
from services.wire.incident_words import CATEGORY_CODE, GROUP, LANGUAGE, MOST_VARIANTS

__all__ = ["INCIDENT_SCHEMAS"]

Schema = dict[str, Any]

_MOST: Final = 10**9
_TEXT: Final[Schema] = {"type": "string", "pattern": r"\S"}
_EXAMPLES: Final = {
    "nature": "Bij een inbraak in onze computers zijn gegevens gestolen, ook gegevens van u.",
    "consequences": "Criminelen kunnen zich met deze gegevens voordoen als iemand anders.",
    "measures": "Wij hebben het lek gedicht en het datalek gemeld bij de Autoriteit Persoonsgegevens.",
    "advice": "Wees voorzichtig met telefoontjes, berichten en brieven van onbekenden.",
    "contact": "Vraag naar onze functionaris voor gegevensbescherming.",
    "apology": "Wij vinden dit heel vervelend voor u.",
    "notTaken": "Uw wachtwoorden zijn niet gelekt.",
    "whereNow": "Wij hebben de gegevens tot nu toe niet op internet gevonden.",
}
_BLOCKS: Final = {
    "nature": "What happened (art. 34(2) with 33(3) GDPR)",
    "consequences": "What it may lead to",
    "measures": "What was done about it",
    "advice": "What people can do themselves",
    "contact": "Whom they can ask, beside the controller's phone and e-mail",
    "apology": "What the controller says of its own part",
    "notTaken": "What was not taken",
    "whereNow": "Where the data is now, as far as it is known",
}


def _ref(name: str, meaning: str = "") -> Schema:
    return {"$ref": f"#/components/schemas/{name}", **({"description": meaning} if meaning else {})}


def _text(meaning: str, example: str, **more: Any) -> Schema:
    return {**_TEXT, "description": meaning, "examples": [example], **more}


def _maybe(schema: Mapping[str, Any]) -> Schema:
    """Return a field that may be null, which is the same as leaving it out."""
    return {**schema, "type": [schema["type"], "null"]}


def _object(properties: Mapping[str, Schema], *required: str, **more: Any) -> Schema:
    asked = {"required": list(required)} if required else {}
    return {"type": "object", **asked, "additionalProperties": False, "properties": dict(properties), **more}


def _words(meaning: str, example: str) -> Schema:
    return {**_ref("TextByLanguage", meaning), "examples": [{"nl": example}]}


def _channels(meaning: str, example: list[str], **more: Any) -> Schema:
    items = {"enum": list(CHANNEL_NAMES.values())}
    return {
        "type": "array", "uniqueItems": True, "items": items, "description": meaning, "examples": [example], **more,
    }  # fmt: skip


def _one_of(words: type[Enum], meaning: str) -> Schema:
    known: list[str | None] = [word.value for word in words]
    return {"enum": [*known, None], "description": meaning, "examples": [known[0]]}


def _count(meaning: str, example: int) -> Schema:
    return {"type": "integer", "minimum": 1, "maximum": _MOST, "description": meaning, "examples": [example]}


_CONTROLLER: Final = _object(
    {
        "name": _text("Name of the organisation", "Stichting Laboratorium De Proef"),
        "address": {
            "type": "array",
            "minItems": 1,
            "items": {"type": "string", "minLength": 1},
            "description": "Postal address, a line each",
            "examples": [["Postbus 1", "1000 AA  AMSTERDAM"]],
        },
        "phone": _text("Number to call within the Netherlands", "0800 0001"),
        "email": _text("Address that mails are written from: one plain address", "fg@deproef.example.org"),
        "website": _maybe(_text("Page about the breach", "https://deproef.example.org/datalek")),
        "phoneAbroad": _maybe(_text("Number to call from other countries", "+31 20 000 00 01")),
        "signatory": _maybe(_text("Who signs, by name; a line each", "drs. M. de Boer\ndirecteur")),
    },
    *("name", "address", "phone", "email"),
    description="Who is responsible and signs",
)
_CATEGORY: Final = _object(
    {
        "code": _text(
            "What records call it by; stays for good",
            "test-result",
            pattern=f"^{CATEGORY_CODE.pattern}$",
            type="string",
        ),
        "label": _words("What people read, in every language of the incident", "uitslag van onderzoek"),
        "advice": {
            "description": "Advice to those it was taken of: words in every language, or a code of the library",
            "anyOf": [{"type": "string"}, _ref("TextByLanguage"), {"type": "null"}],
            "examples": ["test-result"],
        },
        "adviceFor": {
            "description": "Advice in its place to those who read for somebody else; a code of the library has its own",
            "type": ["object", "null"],
            "additionalProperties": False,
            "properties": {
                role.value: {
                    "description": f"Advice to the {role.value}",
                    "anyOf": [{"type": "string"}, _ref("TextByLanguage"), {"type": "null"}],
                    "examples": [{"nl": "Bel de huisarts."}],
                }
                for role in AddresseeRole
                if role is not AddresseeRole.SELF
            },
            "examples": [{"next-of-kin": {"nl": "Bel de huisarts van de overledene."}}],
        },
    },
    "code",
    "label",
    description="A kind of data that was taken",
)
_CONTENT: Final = _object(
    {block: _words(_BLOCKS[block], _EXAMPLES[block]) for block in (*CONTENT_BLOCKS, *MORE_BLOCKS)},
    *CONTENT_BLOCKS,
    description="What everybody is told, in every language of the incident",
)
_SAID: Final[Schema] = {"anyOf": [_TEXT, _ref("TextByLanguage")]}
_WHEN: Final = _object(
    {
        "certainty": _one_of(Certainty, "How certain it is what was taken of the reader: all, nothing, or some of it"),
        "kind": _one_of(Kind, "What the notice is to the one before"),
        "group": {
            "type": ["string", "null"],
            "pattern": f"^{GROUP.pattern}$",
            "description": "The group that the cohort names which bears the notice",
            "examples": ["employees"],
        },
        "language": {
            "type": ["string", "null"],
            "description": "One of the languages of the incident; the texts may be plain then",
            "examples": ["nl"],
        },
        "reader": _one_of(AddresseeRole, "What the reader is to the person that the notice is about"),
    },
    description="Conditions; all that are given must hold",
    minProperties=1,
)
_VARIANT: Final = _object(
    {
        "when": _ref("When", "For whom; no two variants have the same"),
        "title": {**_SAID, "description": "Title in place of the general one", "examples": [{"nl": "Misschien"}]},
        "content": _object(
            {
                block: {**_SAID, "description": text, "examples": [{"nl": _EXAMPLES[block]}]}
                for block, text in _BLOCKS.items()
            },
            description="Blocks in place of the general ones",
            examples=[{"nature": {"nl": "Misschien zijn ook uw gegevens gestolen."}}],
        ),
    },
    "when",
    description="Words for some, with title or content or both; the most special one is used",
)
_EXCEPTION: Final = _object(
    {
        "rule": _text("Rule of the linter", "long-sentence"),
        "field": _text("Place in this document", "content.nature.nl"),
        "reason": _text("Why it is meant so", "The name of the law is that long."),
    },
    *("rule", "field", "reason"),
    description="A finding about words that is meant so",
)
_DEFAULTS: Final = in_words(Policy())
_PACE: Final = _object(
    {
        "perDay": _maybe(_count("Notices a day", 50_000)),
        "perChannel": _maybe(
            _object(
                {
                    name: _maybe(_count(f"Notices a day that take {name} first", 20_000))
                    for name in CHANNEL_NAMES.values()
                },
                description="By the channel that a notice takes first",
            )
        ),
        "callCentre": _maybe(
            _object(
                {
                    "callsPerDay": _count("Calls that can be answered a day", 2_000),
                    "shareOfCallers": {
                        "type": ["number", "null"],
                        "exclusiveMinimum": 0,
                        "maximum": 1,
                        "default": CallCentre(1).share_of_callers,
                        "description": "Which share of those who are told calls, on the same day",
                        "examples": [0.05],
                    },
                },
                "callsPerDay",
                description="callsPerDay / shareOfCallers notices a day",
            )
        ),
    },
    description="How many notices are let go on a calendar day in the Netherlands, of all cohorts together",
)
_STOPS: Final = {
    "refused": "Of the hand-overs that ended, on any one channel",
    "bounced": "Of the mails that were accepted",
    "returned": "Of the letters that were accepted",
    "complaints": "Of all that was accepted",
}
_STOP: Final = _object(
    {
        rule: {
            "type": "number",
            "exclusiveMinimum": 0,
            "maximum": 1,
            "default": share,
            "description": _STOPS[rule],
            "examples": [share],
        }
        for rule, share in Stop()._asdict().items()
    },
    description=f"Shares above which a cohort is paused by itself, of {SMALLEST_SAMPLE} hand-overs or more; 1 = never",
)
_MINORS: Final = _object(
    {
        "underAge": {
            "type": ["integer", "null"],
            "minimum": 0,
            "maximum": OF_AGE,
            "default": Minors().under_age,
            "description": "Years: of who is younger when the record comes, the parents or carers are written to,"
            " unless the record says who is; 0 = of nobody",
            "examples": [Minors().under_age],
        }
    },
    description="To whom a notice about a minor is written",
)
_CASCADE_RULE: Final = _object(
    {
        "when": {
            "enum": ["bounced", "returned", "unread"],
            "description": "A mail came back, a letter came back, or a portal message lies unread",
            "examples": ["bounced"],
        },
        "afterDays": {
            "type": "integer",
            "minimum": 1,
            "maximum": MOST_DAYS_UNREAD,
            "description": "Of `unread`, and of nothing else: days since the message was handed over",
            "examples": [14],
        },
    },
    "when",
    description="Something that leads to the next channel after a hand-over",
)
_POLICY: Final = _object(
    {
        key: {
            "enum": [word.value for word in rule.words],
            "default": _DEFAULTS[key],
            "description": rule.meaning,
            "examples": [_DEFAULTS[key]],
        }
        for key, rule in RULES.items()
    }
    | {
        "pace": {"anyOf": [_ref("Pace"), {"type": "null"}], "description": "How many notices go a day"},
        "stop": {"anyOf": [_ref("Stop"), {"type": "null"}], "description": "What stops a cohort by itself"},
        "minors": {"anyOf": [_ref("Minors"), {"type": "null"}], "description": "To whom is written about a minor"},
        "cascade": {
            "type": ["array", "null"],
            "items": _ref("CascadeRule"),
            "maxItems": 3,
            "default": _DEFAULTS["cascade"],
            "description": "What leads to the next channel after a hand-over; who is not written to on it is given up, "
            "and listed to their source. Left out: mails and letters that came back",
            "examples": [_DEFAULTS["cascade"]],
        },
    },
    description="Rules; each that is left out is its default",
)
_LANGUAGES: Final = {
    "type": "array",
    "minItems": 1,
    "items": {"type": "string", "pattern": f"^{LANGUAGE.pattern}$"},
    "description": "Languages that are offered (BCP 47), the one of all others first. Heraut has sentences of its own "
    f"in {', '.join(sorted(PHRASED_LANGUAGES))}",
    "examples": [["nl", "en"]],
}
_DOCUMENT: Final = _object(
    {
        "title": {
            **_SAID,
            "description": "Title of the notices; a plain text is the title in the first language, and others have a"
            " subject of ours",
            "examples": [{"nl": "Uw gegevens zijn gestolen", "en": "Your data was stolen"}],
        },
        "awareAt": {
            "type": "string",
            "format": "date-time",
            "description": "When the controller became aware (RFC 3339, with offset): the clock of the GDPR starts",
            "examples": ["2025-07-06T09:00:00+02:00"],
        },
        "occurredAt": {
            "type": ["string", "null"],
            "format": "date-time",
            "description": "When it happened, where that is known",
            "examples": ["2025-07-03T23:00:00+02:00"],
        },
        "controller": _ref("Controller", "Who is responsible and signs"),
        "languages": _LANGUAGES,
        "channels": _channels("Channels that are allowed, preferred first", ["portal", "email", "letter"], minItems=1),
        "compromisedChannels": _channels("Channels that the breach has made unsafe: they are not used", ["email"]),
        "dataCategories": {
            "type": "array",
            "minItems": 1,
            "maxItems": MAX_CATEGORIES,
            "items": _ref("DataCategory"),
            "description": "Kinds of data that were taken; a later version may add some at the end, and no more",
        },
        "content": _ref("Content", "What everybody is told"),
        "variants": {
            "type": "array",
            "maxItems": MOST_VARIANTS,
            "items": _ref("Variant"),
            "description": "Words for some",
        },
        "exceptions": {
            "type": "array",
            "maxItems": 1000,
            "items": _ref("Exception"),
            "description": "Findings about words that are meant so",
        },
        "fourEyes": {
            "type": "boolean",
            "default": False,
            "description": "A release takes two: one asks, another approves",
            "examples": [True],
        },
        "policy": _ref("Policy", "What is decided beside the words"),
    },
    *("title", "awareAt", "controller", "languages", "channels", "dataCategories", "content"),
    description="What happened, who tells, over which channels, in which words (art. 34 GDPR)",
)

INCIDENT_SCHEMAS: Final[Mapping[str, Schema]] = {
    "IncidentDocument": _DOCUMENT,
    "Controller": _CONTROLLER,
    "DataCategory": _CATEGORY,
    "Content": _CONTENT,
    "Variant": _VARIANT,
    "When": _WHEN,
    "Exception": _EXCEPTION,
    "Policy": _POLICY,
    "CascadeRule": _CASCADE_RULE,
    "Minors": _MINORS,
    "Pace": _PACE,
    "Stop": _STOP,
    "TextByLanguage": {
        "type": "object",
        "description": "A text for each language of the incident, by its tag",
        "propertyNames": {"pattern": f"^{LANGUAGE.pattern}$"},
        "additionalProperties": _TEXT,
    },
}
