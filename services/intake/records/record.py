"""A member record as named fields: one record, many rows as columns, and what is sealed of them. Pure.

Readers only name the fields; what they say is checked in `validation` and `columnar`.
"""

from collections.abc import Callable
from operator import attrgetter
from typing import NamedTuple

import msgspec

from services.intake.domain import Fault
from services.intake.records.fields import MAX_REF, SEALED, MemberFields, values_of
from services.intake.records.texts import has_controls, normal_text

__all__ = [
    "Flawed",
    "Reading",
    "Record",
    "RecordColumns",
    "Unreadable",
    "contact_json",
    "contacts_json",
    "readable_ref",
]


class Record(
    MemberFields[str | None, str | int | None, str | None, tuple[str, ...] | str | None, bool | str | None],
    forbid_unknown_fields=True,
    gc=False,
):
    """One member record; empty text = not given.

    JSON writes numbers without quotes and null for nothing: `validation` makes texts of both. The garbage collector
    need not look at records: they hold texts only, so they are never part of a cycle.
    """


class RecordColumns(MemberFields[list[str], list[str], list[str], list[str], list[str]], gc=False, kw_only=True):
    """Rows of CSV as columns of cells; a column that the header does not have is empty texts."""

    rows: list[bytes]  # the cells of each row with commas between them, and no commas within them
    left_out: frozenset[str] = frozenset()  # attributes whose column the header does not have


class Flawed(NamedTuple):
    """A record without those of its fields that hold something of the wrong kind, and what is wrong with them."""

    record: Record
    faults: tuple[Fault, ...]


class Unreadable(NamedTuple):
    """A line that gives no record: why, in which field, and its memberRef if that can be read all the same."""

    problem: str
    field: str | None = None
    member_ref: str | None = None


Reading = Record | Flawed | Unreadable

# The sealed JSON has the fields of `SEALED` under their names; those that are not given are left out.
_Contact: Callable[..., msgspec.Struct] = msgspec.defstruct(
    "_Contact",
    [(field.attribute, str | int | None, "") for field in SEALED],
    rename="camel",
    omit_defaults=True,
    gc=False,
)
_encode = msgspec.json.Encoder().encode
_sealed_values = values_of(field.attribute for field in SEALED)
_sealed_columns = attrgetter(*(field.attribute for field in SEALED))


def contact_json(record: Record) -> bytes:
    """Return what is sealed of a checked record, as JSON."""
    return _encode(_Contact(*_sealed_values(record)))


def contacts_json(columns: RecordColumns) -> list[bytes]:
    """Return what is sealed of each row of checked columns, as JSON."""
    return list(map(_encode, map(_Contact, *_sealed_columns(columns))))


def readable_ref(text: str) -> str | None:
    """Return a memberRef in its one spelling; None where it cannot be used to name a record."""
    ref = normal_text(text)
    return ref if ref and len(ref) <= MAX_REF and not has_controls(ref) else None
