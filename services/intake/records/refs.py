"""Which memberRefs may be repeated: sources put names and numbers of people into them. Pure."""

import re
from collections.abc import Iterable

import msgspec

from services.intake.domain import Fault
from services.intake.records.bsn import names_a_bsn
from services.intake.records.identity import names_in
from services.intake.records.record import Record

__all__ = ["shown_of_contact", "shown_of_record"]

_TOKEN = re.compile(r"[A-Za-z0-9._:/-]{1,64}", re.ASCII)
_PERSON_KEY = re.compile(r"[0-9A-Fa-f]{64}", re.ASCII)
_BSN_DIGITS = 7  # at least, without leading zeros: fewer stand in a reference by chance
_NO_DIGIT = re.compile(r"[^0-9]")
_NAME_FIELDS = frozenset({"givenName", "familyName", "birthName", "partnerName"})


class _Names(msgspec.Struct, rename="camel"):
    """What a contact says of the name."""

    given_name: str = ""
    family_name: str = ""
    birth_name: str = ""
    partner_name: str = ""


_read_names = msgspec.json.Decoder(_Names).decode


def shown_of_record(record: Record, faults: Iterable[Fault]) -> str | None:
    """Return the memberRef of a checked record as far as it may be repeated."""
    if any(fault.field in _NAME_FIELDS for fault in faults):
        return None  # the name was emptied: whether it stands in the memberRef cannot be told any more
    return _shown(str(record.member_ref or ""), str(record.bsn or ""), _names_of(record))


def shown_of_contact(ref: str, bsn: str, contact: bytes) -> str | None:
    """Return the memberRef of an accepted record as far as it may be repeated, by what was sealed of it."""
    return _shown(ref, bsn, _names_of(_read_names(contact)))


def _names_of(named: Record | _Names) -> tuple[str, ...]:
    given = named.given_name, named.family_name, named.birth_name, named.partner_name
    return tuple(str(name or "") for name in given)


def _shown(ref: str, bsn: str, names: Iterable[str]) -> str | None:
    """Return a memberRef; None where it may name somebody.

    It may not unless it is a plain token, has no BSN in it, the record's or another's, is no person key, and has none
    of the names in it.
    """
    if not _TOKEN.fullmatch(ref) or _PERSON_KEY.fullmatch(ref) or names_a_bsn(ref):
        return None
    own = _NO_DIGIT.sub("", bsn).lstrip("0")
    if ref == bsn or (len(own) >= _BSN_DIGITS and own in _NO_DIGIT.sub("", ref)):  # also where it is no valid one
        return None
    lower = ref.lower()
    return None if any(word in lower for name in names for word in names_in(name)) else ref
