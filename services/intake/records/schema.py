"""A member record as JSON Schema (2020-12), made of `fields`: as it is in NDJSON and in events. Pure."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from services.intake.records.fields import FIELDS, TEXTS, Field, Kind

__all__ = ["MEMBER_SCHEMA"]

# null stands for nothing, and a CSV has texts alone.
_FORMS: Final[Mapping[Kind, Mapping[str, Any]]] = MappingProxyType(
    {
        Kind.TEXT: {"type": ["string", "null"]},
        Kind.NUMBER: {"type": ["string", "integer", "null"]},
        Kind.WORD: {"type": ["string", "null"]},
        Kind.CODES: {"type": ["array", "string", "null"], "items": {"type": "string"}},
        Kind.FLAG: {"type": ["boolean", "string", "null"]},
    }
)
# Not `date`: a register knows some dates in part, and people write them in several ways.
_FORMATS: Final = {"birthDate": "partial-date"}


def _schema(field: Field) -> dict[str, Any]:
    about = field.about
    limit = {"maxLength": about.limit} if field in TEXTS else {}
    named = {"format": _FORMATS[field.name]} if field.name in _FORMATS else {}
    return {**_FORMS[field.kind], **named, **limit, "description": about.meaning, "examples": [about.example]}


MEMBER_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "description": "A person in a cohort, by a bsn, a personKey, or familyName (else birthName, else partnerName), "
    "birthDate, postcode and houseNumber",
    "required": [field.name for field in FIELDS if field.about.required],
    "additionalProperties": False,
    "properties": {field.name: _schema(field) for field in FIELDS},
}
