"""The checks that a record must pass, field by field, and the normal form of what it says. Pure.

A record is checked in place: what passes is left in its normal form. Faults are (field, code) and never
repeat a value. This runs once a person: the quick path of each check costs some tens of nanoseconds.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from datetime import date
from operator import attrgetter

from services.core.channel import Channel
from services.core.incident import Incident
from services.core.notices import FLAG_DECEASED, FLAG_NOT_AT_ADDRESS, FLAG_SECRET_ADDRESS
from services.intake.domain import Fault
from services.intake.records.countries import COUNTRIES
from services.intake.records.email import normal_email
from services.intake.records.fields import FIELDS, MAX_TEXT, SHORT_TEXTS, TEXTS, values_of
from services.intake.records.record import Record

__all__ = [
    "ATTRIBUTES",
    "DEFAULT_COUNTRY",
    "LETTER",
    "PERSON_KEY_DIGITS",
    "REACHED_BY",
    "REMEMBERED",
    "Attributes",
    "Checked",
    "GivenAttributes",
    "Validator",
    "bsn_digits",
    "is_bsn",
    "normal_bsn",
    "normal_house_number",
    "normal_key",
    "normal_postcode",
]

DEFAULT_COUNTRY, _DEFAULT_LANGUAGE = "NL", "nl"
_NAMES = {field.attribute: field.name for field in FIELDS}
# A number or null of JSON among these values makes their join fail: that is how the check finds them.
_texts: Callable[[Record], tuple[str, ...]] = values_of(field.attribute for field in TEXTS)
_SHORT_TEXTS = tuple((TEXTS.index(field), field.about.limit) for field in SHORT_TEXTS)  # place in `_texts`, limit

_POSTCODE = re.compile(r"([1-9][0-9]{3}) ?([A-Za-z]{2})", re.ASCII)
_PLAIN_POSTCODE = re.compile(r"[1-9][0-9]{3}[A-Z]{2}", re.ASCII).fullmatch
_PLAIN_NUMBER = re.compile(r"[1-9][0-9]{0,4}", re.ASCII).fullmatch
_HOUSE_NUMBER = re.compile(r"0*([1-9][0-9]{0,4})", re.ASCII)
PERSON_KEY_DIGITS = 64
_PERSON_KEY = re.compile(r"[0-9a-f]{64}", re.ASCII)
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{1,8})*", re.ASCII)  # as in the incident document
_MAX_LANGUAGE = 35  # characters: what RFC 5646 asks software to have room for at least
# Plain numbers: an operator on members of an enum costs a microsecond, for each record.
LETTER = int(Channel.LETTER)
# Channels for which one field is enough: whoever has it can be written to there.
REACHED_BY = ((int(Channel.PORTAL), "portal_id"), (int(Channel.EMAIL), "email"))
_reaches = attrgetter(*(field for _, field in REACHED_BY))
_BOOLEANS: dict[object, bool] = {None: False, "": False, "false": False, "true": True, False: False, True: True}
_CERTAINTIES = {"": True, "confirmed": True, "possible": False}
REMEMBERED = 4_096  # different attributes: a bound against a source whose records all differ in them

# The weighted sum of the 11-test, looked up three digits at a time: a third of the price of nine products.
_WEIGHTS = ((9, 8, 7), (6, 5, 4), (3, 2, -1))
_HIGH, _MIDDLE, _LOW = (
    {f"{n:03}": sum(w * int(d) for w, d in zip(weights, f"{n:03}", strict=True)) for n in range(1000)}
    for weights in _WEIGHTS
)


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


def is_bsn(digits: str) -> bool:
    """Tell whether nine digits pass the 11-test: 9a+8b+7c+6d+5e+4f+3g+2h-i divides by 11, and are not all zero."""
    try:
        total = _HIGH[digits[:3]] + _MIDDLE[digits[3:6]] + _LOW[digits[6:]]
    except KeyError:
        return False
    return total % 11 == 0 and digits != "000000000"


class Validator:
    """Checks records against one incident version, as of one day."""

    def __init__(self, incident: Incident, today: date) -> None:
        self._bits = {category.code: 1 << bit for bit, category in enumerate(incident.categories)}
        self._today = today
        self._attributes: dict[GivenAttributes, Attributes] = {}  # those that are right

    def check(self, record: Record, faults: list[Fault]) -> Checked:
        """Check `record`, bring it to its normal form, and add what is wrong to `faults`."""
        _check_texts(record, faults)
        self._check_person(record, faults)
        if not record.member_ref and Fault("memberRef", "too-long") not in faults:
            faults.append(Fault("memberRef", "required"))
        _check_address(record, faults)
        if record.email:
            _check_email(record, faults)
        given = _given_attributes(record)
        record.language, exposed, confirmed, flags = self._attributes.get(given) or self._read_attributes(given, faults)
        return exposed, confirmed, _channels(record), flags

    def attributes(self, given: GivenAttributes) -> Attributes | None:
        """Return what the fields with few values come to; None where any of them is wrong."""
        faults: list[Fault] = []
        attributes = self._attributes.get(given) or self._read_attributes(given, faults)
        return None if faults else attributes

    def is_birth_date(self, text: str) -> bool:
        """Tell whether a text is a day that is not in the future."""
        born = _day(text)
        return born is not None and born <= self._today

    def _check_person(self, record: Record, faults: list[Fault]) -> None:
        bsn, key = record.bsn, record.person_key
        if bsn:
            if len(bsn) != 9 or not is_bsn(bsn):  # type: ignore[arg-type]  # texts only after _check_texts
                _check_odd_bsn(record, faults)
        elif not (
            key or faults or (record.family_name and record.birth_date and record.postcode and record.house_number)
        ):
            faults.append(Fault("identity", "required"))
        if key:
            record.person_key = key = key.lower()
            if not normal_key(key):
                faults.append(Fault("personKey", "invalid-person-key"))
        if record.birth_date:
            self._check_birth_date(record.birth_date, faults)

    def _check_birth_date(self, text: str, faults: list[Fault]) -> None:
        born = _day(text)
        if born is None:
            faults.append(Fault("birthDate", "invalid-date"))
        elif born > self._today:
            faults.append(Fault("birthDate", "date-in-future"))

    def _read_attributes(self, given: GivenAttributes, faults: list[Fault]) -> Attributes:
        """Read the fields whose values are few, and remember what they come to."""
        language, categories, certainty, *flags = given
        before = len(faults)
        exposed = self._mask(categories, faults)
        certain = _CERTAINTIES.get((certainty or "").strip())
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
            faults.append(Fault("dataCategories", "required"))
        elif None in bits:
            faults.append(Fault("dataCategories", "unknown-category"))
        mask = 0
        for bit in bits:
            mask |= bit or 0
        return mask


def _day(text: str) -> date | None:
    try:
        # fromisoformat reads week dates and dates without hyphens as well.
        return date.fromisoformat(text) if text[4:5] == text[7:8] == "-" and len(text) == 10 else None
    except ValueError:
        return None


def _language(tag: str, faults: list[Fault]) -> str:
    if tag and not (len(tag) <= _MAX_LANGUAGE and _LANGUAGE.fullmatch(tag)):
        faults.append(Fault("language", "invalid-language"))
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
    """Check each text by itself, and compose and strip it."""
    for field in TEXTS:
        text = unicodedata.normalize("NFC", getattr(record, field.attribute)).strip()
        if len(text) > field.about.limit:
            faults.append(Fault(field.name, "too-long"))
            text = ""
        elif not text.isprintable() and any(map(_is_control, text)):
            faults.append(Fault(field.name, "control-characters"))
            text = ""
        setattr(record, field.attribute, text)


def _is_control(letter: str) -> bool:
    """Tell whether a letter is a control code, a line end, half a surrogate or a direction override."""
    return unicodedata.category(letter) in {"Cc", "Cs", "Zl", "Zp"} or letter in "\u202a\u202b\u202d\u202e"


def _check_odd_bsn(record: Record, faults: list[Fault]) -> None:
    """Take a BSN written with separators or without its leading zeros."""
    digits = normal_bsn(str(record.bsn))
    if digits:
        record.bsn = digits
    else:
        faults.append(Fault("bsn", "invalid-bsn"))


def normal_bsn(text: str) -> str | None:
    """Return the nine digits of a BSN written with separators or without leading zeros; None where it is no BSN."""
    if len(text) == 9 and is_bsn(text):
        return text
    digits = bsn_digits(text)
    return digits if len(digits) == 9 and is_bsn(digits) else None


def bsn_digits(text: str) -> str:
    """Return a text without separators and with leading zeros, as a BSN is written; it need not be a BSN."""
    return (text if text.isdigit() else text.translate(_SEPARATORS)).zfill(9)


_SEPARATORS = {ord(separator): None for separator in " -."}


def normal_key(text: str) -> str | None:
    """Return a person key in lower case; None where the text is no person key."""
    key = text.lower()
    return key if _PERSON_KEY.fullmatch(key) else None


def normal_postcode(text: str) -> str | None:
    """Return a Dutch postcode in its one spelling, `1234AB`; None where the text is no Dutch postcode."""
    found = _POSTCODE.fullmatch(text)
    return found[1] + found[2].upper() if found else None


def normal_house_number(text: str) -> str | None:
    """Return a Dutch house number without leading zeros; None where the text is no house number."""
    found = _HOUSE_NUMBER.fullmatch(text)
    return found[1] if found else None


def _check_address(record: Record, faults: list[Fault]) -> None:
    country = record.country
    if country != DEFAULT_COUNTRY:
        country = record.country = (country or DEFAULT_COUNTRY).upper()
        if country not in COUNTRIES:
            faults.append(Fault("country", "unknown-country"))
            return
    if country != DEFAULT_COUNTRY:  # elsewhere postcodes and house numbers are free text
        return
    if record.postcode and not _PLAIN_POSTCODE(record.postcode):
        postcode = normal_postcode(record.postcode)
        if postcode:
            record.postcode = postcode
        else:
            faults.append(Fault("postcode", "invalid-postcode"))
    if record.house_number and not _PLAIN_NUMBER(record.house_number):  # type: ignore[arg-type]  # a text by now
        number = normal_house_number(record.house_number)  # type: ignore[arg-type]  # as above
        if number:
            record.house_number = number
        else:
            faults.append(Fault("houseNumber", "invalid-house-number"))


def _check_email(record: Record, faults: list[Fault]) -> None:
    record.email = normal_email(record.email or "")
    if not record.email:
        faults.append(Fault("email", "invalid-email"))


def _channels(record: Record) -> int:
    """Return the channels that the record has data for.

    A letter needs an addressee, because without one anybody at the address may open it, and an address that a
    postman can use: in the Netherlands street, number, postcode and city; elsewhere at least street and city.
    """
    mask = sum(channel for (channel, _), given in zip(REACHED_BY, _reaches(record), strict=True) if given)
    abroad = record.country != DEFAULT_COUNTRY
    if record.family_name and record.street and record.city and (abroad or (record.postcode and record.house_number)):
        mask |= LETTER
    return mask


def _flags(given: Sequence[bool | str | None], faults: list[Fault]) -> int:
    mask = 0
    for (attribute, flag), value in zip(_FLAGS.items(), given, strict=True):
        known = _BOOLEANS.get(value.strip().lower() if isinstance(value, str) else value)
        if known is None:
            faults.append(Fault(_NAMES[attribute], "invalid-boolean"))
        elif known:
            mask |= flag
    return mask
