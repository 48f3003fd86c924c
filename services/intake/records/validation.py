"""The checks that a record must pass, field by field, and the normal form of what it says. Pure.

A record is checked in place: what passes is left in its normal form, and what does not is emptied. Faults are (field,
code, severity) and never repeat a value. A flaw in what neither the identity nor the decision about harm needs is a
warning: the record is taken without it. This runs once a person: the quick path of each check costs some tens of
nanoseconds.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from datetime import date
from operator import attrgetter

from services.core.addressee import AddresseeRole
from services.core.channel import Channel
from services.core.incident import Incident
from services.core.notices import (
    FLAG_DECEASED,
    FLAG_NEXT_OF_KIN,
    FLAG_NOT_AT_ADDRESS,
    FLAG_NOT_DECEASED,
    FLAG_SECRET_ADDRESS,
)
from services.intake.domain import Fault, Severity
from services.intake.records.address import ADDRESS, DEFAULT_COUNTRY, check_address
from services.intake.records.bsn import is_bsn, normal_bsn
from services.intake.records.dates import is_future, is_whole, normal_date
from services.intake.records.email import normal_email
from services.intake.records.fields import FIELDS, MAX_TEXT, SHORT_TEXTS, TEXTS, values_of
from services.intake.records.names import matched_name
from services.intake.records.record import Record
from services.intake.records.texts import has_controls, normal_text

__all__ = [
    "ATTRIBUTES",
    "LETTER",
    "REACHED_BY",
    "REMEMBERED",
    "Attributes",
    "Checked",
    "GivenAttributes",
    "Validator",
    "is_accepted",
    "is_nobody",
    "normal_key",
    "normal_role",
]

_DEFAULT_LANGUAGE = "nl"
_NAMES = {field.attribute: field.name for field in FIELDS}
# A number or null of JSON among these values makes their join fail: that is how the check finds them.
_texts: Callable[[Record], tuple[str, ...]] = values_of(field.attribute for field in TEXTS)
_SHORT_TEXTS = tuple((TEXTS.index(field), field.about.limit) for field in SHORT_TEXTS)  # place in `_texts`, limit

_PERSON_KEY = re.compile(r"[0-9a-f]{64}", re.ASCII)
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{1,8})*", re.ASCII)  # as in the incident document
_MAX_LANGUAGE = 35  # characters: what RFC 5646 asks software to have room for at least
# Plain numbers: an operator on members of an enum costs a microsecond, for each record.
LETTER = int(Channel.LETTER)
# Channels for which one field is enough: whoever has it can be written to there.
REACHED_BY = ((int(Channel.PORTAL), "portal_id"), (int(Channel.EMAIL), "email"))
_reaches = attrgetter(*(field for _, field in REACHED_BY))
_YES, _NO = ("true", "yes", "ja", "j", "y", "waar", "1"), ("false", "no", "nee", "n", "onwaar", "0", "")
_BOOLEANS: dict[object, bool] = {**dict.fromkeys((*_YES, True), True), **dict.fromkeys((*_NO, None, False), False)}
_ROLES = {role.value: "" if role is AddresseeRole.SELF else role.value for role in AddresseeRole} | {"": ""}
_NEXT_OF_KIN = AddresseeRole.NEXT_OF_KIN.value
_CERTAINTIES = {"": True, "confirmed": True, "possible": False}
REMEMBERED = 4_096  # different attributes: a bound against a source whose records all differ in them

# Fields whose flaw rejects a record. Who it is about: a BSN that is wrong never makes way for another identity, which
# could be somebody else's. What is told, and what decides whether telling does harm: a death or a secret address that
# cannot be read is not the absence of one.
_FATAL = frozenset({"memberRef", "identity", "bsn", "dataCategories", "certainty", "deceased", "secretAddress", "role"})
# Without BSN and person key: what the match key is made of, how its postcode and number are to be read, and what tells
# two people with one match key apart.
_MATCHED = frozenset({"familyName", "birthDate", "postcode", "houseNumber"})
_TOLD_APART_BY = frozenset({"country", "initials", "givenName", "houseLetter", "houseNumberAddition"})
_FATAL_WITHOUT_BSN = _FATAL | {"personKey"}
_FATAL_BY_NAME = _FATAL_WITHOUT_BSN | _MATCHED | _TOLD_APART_BY
_FATAL_BY_BIRTH_NAME = _FATAL_BY_NAME | {"birthName"}  # without it, the partner's name would be the match key's
_IDENTITY = _MATCHED | {"identity", "bsn", "personKey"}
_NO_CATEGORIES = Fault("dataCategories", "required")

# What is known of a valid record beside its own normalised fields: exposed and confirmed facts, channels, flags.
# A plain tuple: a class of its own would cost as much as three checks.
Checked = tuple[int, int, int, int]

# The fields that have few values among all records, and so are read once for each combination of values.
_FLAGS = {
    "deceased": FLAG_DECEASED,
    "secret_address": FLAG_SECRET_ADDRESS,
    "not_at_address": FLAG_NOT_AT_ADDRESS,
}
ATTRIBUTES = ("language", "data_categories", "certainty", *_FLAGS)
GivenAttributes = tuple[  # as given, in the order of ATTRIBUTES
    str | None, tuple[str, ...] | str | None, str | None, bool | str | None, bool | str | None, bool | str | None
]
Attributes = tuple[str, int, int, int]  # what they come to: a language, exposed and confirmed facts, flags
_given_attributes: Callable[[Record], GivenAttributes] = values_of(ATTRIBUTES)


class Validator:
    """Checks records against one incident version, as of one day."""

    def __init__(self, incident: Incident, today: date) -> None:
        self._bits = {category.code: 1 << bit for bit, category in enumerate(incident.categories)}
        self._today = today.isoformat()
        self._attributes: dict[GivenAttributes, Attributes] = {}  # those that are right

    def check(self, record: Record, faults: list[Fault]) -> Checked:
        """Check `record`, bring it to its normal form, and add what is wrong to `faults`; `is_accepted` weighs them.

        Faults that are there already are those of fields that were emptied when the record was read.
        """
        _check_texts(record, faults)
        self._check_person(record, faults)
        if not record.member_ref:
            faults.append(Fault("memberRef", "required"))
        check_address(record, faults)
        if record.role:
            _check_role(record, record.role, faults)
        if record.email:
            _check_email(record, faults)
        given = _given_attributes(record)
        record.language, exposed, confirmed, flags = self._attributes.get(given) or self._read_attributes(given, faults)
        if record.role == _NEXT_OF_KIN:
            flags |= FLAG_DECEASED | FLAG_NEXT_OF_KIN
        if not (record.bsn or record.person_key):
            _check_match_key(record, faults)
        channels = _channels(record)
        if faults:
            faults[:] = _weighed(record, faults)
            if any(fault.field in ADDRESS for fault in faults):
                channels &= ~LETTER
        return exposed, confirmed, channels, flags

    def attributes(self, given: GivenAttributes) -> Attributes | None:
        """Return what the fields with few values come to; None where any of them is wrong."""
        faults: list[Fault] = []
        attributes = self._attributes.get(given) or self._read_attributes(given, faults)
        return None if faults else attributes

    def birth_date(self, text: str) -> str | None:
        """Return a date in its one spelling; None where it is none, or in the future."""
        born = normal_date(text)
        return None if born is None or is_future(born, self._today) else born

    def _check_person(self, record: Record, faults: list[Fault]) -> None:
        bsn, key = record.bsn, record.person_key
        if bsn and (len(bsn) != 9 or not is_bsn(bsn)):  # type: ignore[arg-type]  # texts only after _check_texts
            digits = normal_bsn(str(bsn))
            record.bsn = digits or bsn
            if not digits:
                faults.append(Fault("bsn", "invalid-bsn"))
        if key:
            record.person_key = key.lower()
            if not normal_key(key):
                faults.append(Fault("personKey", "invalid-person-key"))
        if record.birth_date:
            self._check_birth_date(record, record.birth_date, faults)

    def _check_birth_date(self, record: Record, text: str, faults: list[Fault]) -> None:
        born = normal_date(text)
        if born is None:
            faults.append(Fault("birthDate", "invalid-date"))
        elif is_future(born, self._today):
            faults.append(Fault("birthDate", "date-in-future"))
            born = None
        record.birth_date = born or ""

    def _read_attributes(self, given: GivenAttributes, faults: list[Fault]) -> Attributes:
        """Read the fields whose values are few, and remember what they come to."""
        language, categories, certainty, *flags = given
        before = len(faults)
        exposed = self._mask(categories, faults)
        certain = _CERTAINTIES.get((certainty or "").strip().lower())
        if certain is None:
            faults.append(Fault("certainty", "invalid-certainty"))
        attributes = _language(language or "", faults), exposed, exposed if certain else 0, _flags(flags, faults)
        if len(faults) == before and len(self._attributes) < REMEMBERED:
            self._attributes[given] = attributes
        return attributes

    def _mask(self, given: tuple[str, ...] | str | None, faults: list[Fault]) -> int:
        codes = given.split("|") if isinstance(given, str) else given or ()
        bits = [self._bits.get(code.strip()) for code in codes if code.strip()]
        if not bits:
            faults.append(_NO_CATEGORIES)
        elif None in bits:
            faults.append(Fault("dataCategories", "unknown-category"))
        mask = 0
        for bit in bits:
            mask |= bit or 0
        return mask


def is_accepted(faults: Sequence[Fault]) -> bool:
    """Tell whether a checked record with these faults is taken all the same: all of them are warnings."""
    return all(fault.severity is Severity.WARNING for fault in faults)


def is_nobody(faults: Sequence[Fault]) -> bool:
    """Tell whether the line of a checked record is no member: it cannot be named, or says neither who nor what.

    The second is the total or the title that a spreadsheet leaves: counted as a member, it would hide a missing one.
    """
    unnamed = any(fault.field == "memberRef" for fault in faults)
    return unnamed or (_NO_CATEGORIES in faults and any(fault.field in _IDENTITY for fault in faults))


def _weighed(record: Record, faults: Sequence[Fault]) -> list[Fault]:
    """Return the first fault of each field, with its severity: the others follow from it."""
    first = {fault.field: fault for fault in reversed(faults)}
    fatal = _fatal_of(record)
    in_order = reversed(first.values())
    return [fault if fault.field in fatal else fault._replace(severity=Severity.WARNING) for fault in in_order]


def _fatal_of(record: Record) -> frozenset[str]:
    """Return the fields whose flaw rejects this record, by what it says of who it is about."""
    if record.bsn:
        return _FATAL
    if record.person_key:
        return _FATAL_WITHOUT_BSN
    return _FATAL_BY_NAME if record.family_name else _FATAL_BY_BIRTH_NAME


def _check_match_key(record: Record, faults: list[Fault]) -> None:
    """Check that a record without BSN and person key says who it is about: a date known in part names too many."""
    if record.birth_date and not is_whole(record.birth_date):
        faults.append(Fault("birthDate", "incomplete-date"))
    known = matched_name(record) and record.birth_date and record.postcode and record.house_number
    if not known and not any(fault.field in _IDENTITY for fault in faults):
        faults.append(Fault("identity", "required"))


def _language(tag: str, faults: list[Fault]) -> str:
    if tag and not (len(tag) <= _MAX_LANGUAGE and _LANGUAGE.fullmatch(tag)):
        faults.append(Fault("language", "invalid-language"))
        return _DEFAULT_LANGUAGE
    return tag or _DEFAULT_LANGUAGE


def _check_texts(record: Record, faults: list[Fault]) -> None:
    """Check all texts in one look at their join; only where that is not enough, each of them."""
    texts = _texts(record)
    try:
        joined = "|".join(texts)
    except TypeError:
        _even_out(record)
        texts = _texts(record)
        joined = "|".join(texts)
    too_long = len(joined) > MAX_TEXT  # at most so long together, no text is over a limit but one below MAX_TEXT
    for at, limit in _SHORT_TEXTS:
        too_long = too_long or len(texts[at]) > limit
    if (
        too_long
        or not joined.isprintable()
        or " |" in joined
        or "| " in joined
        or joined[0] == " "
        or joined[-1] == " "
        or not (joined.isascii() or unicodedata.is_normalized("NFC", joined))
    ):
        _look_closer(record, faults)


def _even_out(record: Record) -> None:
    """Make texts of what JSON gave as numbers and nulls."""
    for field in TEXTS:
        value = getattr(record, field.attribute)
        if not isinstance(value, str):
            setattr(record, field.attribute, "" if value is None else str(value))


def _look_closer(record: Record, faults: list[Fault]) -> None:
    """Check each text by itself, and bring it to its one spelling."""
    for field in TEXTS:
        text = normal_text(getattr(record, field.attribute))
        if len(text) > field.about.limit:
            faults.append(Fault(field.name, "too-long"))
            text = ""
        elif has_controls(text):
            faults.append(Fault(field.name, "control-characters"))
            text = ""
        setattr(record, field.attribute, text)


def normal_key(text: str) -> str | None:
    """Return a person key in lower case; None where the text is no person key."""
    key = text.lower()
    return key if _PERSON_KEY.fullmatch(key) else None


def _check_email(record: Record, faults: list[Fault]) -> None:
    record.email = normal_email(record.email or "") or ""
    if not record.email:
        faults.append(Fault("email", "invalid-email"))


def normal_role(text: str) -> str | None:
    """Return what the reader is to the person, empty for the person; None where it is no word for that."""
    return _ROLES.get(text.strip().lower())


def _check_role(record: Record, given: str, faults: list[Fault]) -> None:
    role = normal_role(given)
    record.role = role or ""
    if role is None:
        faults.append(Fault("role", "invalid-role"))


def _channels(record: Record) -> int:
    """Return the channels that the record has data for.

    A letter needs an addressee, because without one anybody at the address may open it, and an address that a
    postman can use: in the Netherlands street, number, postcode and city; elsewhere at least street and city; or the
    lines as they are printed.
    """
    mask = sum(channel for (channel, _), given in zip(REACHED_BY, _reaches(record), strict=True) if given)
    abroad = record.country != DEFAULT_COUNTRY
    composed = record.street and record.city and (abroad or (record.postcode and record.house_number))
    named = record.family_name or record.birth_name or record.partner_name or record.addressee
    if named and (composed or record.address_lines):
        mask |= LETTER
    return mask


def _flags(given: Sequence[bool | str | None], faults: list[Fault]) -> int:
    mask = 0
    for (attribute, flag), value in zip(_FLAGS.items(), given, strict=True):
        said = value.strip().lower() if isinstance(value, str) else value
        known = _BOOLEANS.get(said)
        if known is None:
            faults.append(Fault(_NAMES[attribute], "invalid-boolean"))
        # What cannot be read counts as true: no letter goes to an address where the person may not live.
        if known or known is None:
            mask |= flag
        elif flag == FLAG_DECEASED and said not in {"", None}:
            mask |= FLAG_NOT_DECEASED
    return mask
