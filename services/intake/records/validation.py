"""Whether a record can be taken, field by field, and the one spelling of what it says. Pure.

A record is checked in place: what passes is left in its normal form. Problems are (field, code) and never
repeat a value. This runs once a person: the quick path of each check costs some tens of nanoseconds.
"""

import re
import unicodedata
from collections.abc import Sequence
from datetime import date

from services.core.channel import Channel
from services.core.incident import Incident
from services.core.notices import FLAG_DECEASED, FLAG_NOT_AT_ADDRESS, FLAG_SECRET_ADDRESS
from services.intake.domain import Fault
from services.intake.records.countries import COUNTRIES
from services.intake.records.email import normal_email
from services.intake.records.record import MAX_REF, Record

__all__ = [
    "DEFAULT_COUNTRY",
    "MAX_TEXT",
    "PERSON_KEY_DIGITS",
    "REMEMBERED",
    "Checked",
    "Said",
    "Validator",
    "Words",
    "bsn_digits",
    "is_bsn",
    "normal_bsn",
    "normal_house_number",
    "normal_key",
    "normal_postcode",
]

DEFAULT_COUNTRY, _DEFAULT_LANGUAGE = "NL", "nl"
MAX_TEXT = 200  # characters: longer than any name or street in the registers, short enough for an address window
_LIMITS = {"member_ref": MAX_REF, "email": 254}  # the contract's, and that of RFC 5321
_TEXTS = tuple(f for f in Record.__struct_fields__ if f not in
               {"data_categories", "certainty", "deceased", "secret_address", "not_at_address"})  # fmt: skip
_NAMES = dict(zip(Record.__struct_fields__, Record.__struct_encode_fields__, strict=True))

_POSTCODE = re.compile(r"([1-9][0-9]{3}) ?([A-Za-z]{2})", re.ASCII)
_PLAIN_POSTCODE = re.compile(r"[1-9][0-9]{3}[A-Z]{2}", re.ASCII).fullmatch
_PLAIN_NUMBER = re.compile(r"[1-9][0-9]{0,4}", re.ASCII).fullmatch
_HOUSE_NUMBER = re.compile(r"0*([1-9][0-9]{0,4})", re.ASCII)
PERSON_KEY_DIGITS = 64
_PERSON_KEY = re.compile(r"[0-9a-f]{64}", re.ASCII)
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{1,8})*", re.ASCII)  # as in the incident document
_MAX_LANGUAGE = 35  # characters: what RFC 5646 asks software to have room for at least
_PORTAL, _EMAIL, _LETTER = int(Channel.PORTAL), int(Channel.EMAIL), int(Channel.LETTER)
_BOOLEANS: dict[object, bool] = {None: False, "": False, "false": False, "true": True, False: False, True: True}
_CERTAINTIES = {"": True, "confirmed": True, "possible": False}
REMEMBERED = 4_096  # different things said: a bound against a source that makes each one new

# The weighted sum of the 11-test, looked up three digits at a time: a third of the price of nine products.
_WEIGHTS = ((9, 8, 7), (6, 5, 4), (3, 2, -1))
_HIGH, _MIDDLE, _LOW = (
    {f"{n:03}": sum(w * int(d) for w, d in zip(weights, f"{n:03}", strict=True)) for n in range(1000)}
    for weights in _WEIGHTS
)


# What a valid record comes down to, beside its own normalised fields: exposed and confirmed facts, channels,
# flags. A plain tuple: a class of its own would cost as much as three checks.
Checked = tuple[int, int, int, int]

# Language, data categories, certainty, and whether deceased, at a secret address, not at the address: as given,
# and what they come to: a language, exposed and confirmed facts, flags.
Words = tuple[
    str | None, tuple[str, ...] | str | None, str | None, bool | str | None, bool | str | None, bool | str | None
]
Said = tuple[str, int, int, int]


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
        # Most records say one of a few things about language, facts and flags.
        self._said: dict[Words, Said] = {}

    def check(self, record: Record, faults: list[Fault]) -> Checked:
        """Check `record` and bring it to its normal form; adds what is wrong to `faults`."""
        _check_texts(record, faults)
        self._check_person(record, faults)
        if not record.member_ref and Fault("memberRef", "too-long") not in faults:
            faults.append(Fault("memberRef", "required"))
        _check_address(record, faults)
        if record.email:
            _check_email(record, faults)
        words = (
            record.language, record.data_categories, record.certainty,
            record.deceased, record.secret_address, record.not_at_address,
        )  # fmt: skip
        record.language, exposed, confirmed, flags = self._said.get(words) or self._read_words(words, faults)
        return exposed, confirmed, _channels(record), flags

    def said(self, words: Words) -> Said | None:
        """Return what the fields with few values come to; None where any of them is wrong."""
        faults: list[Fault] = []
        said = self._said.get(words) or self._read_words(words, faults)
        return None if faults else said

    def is_birth_date(self, text: str) -> bool:
        """Tell whether it is a day, and one that has come."""
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

    def _read_words(self, words: Words, faults: list[Fault]) -> Said:
        """Read the fields whose values are few, and remember what they come to."""
        language, categories, certainty, *flags = words
        before = len(faults)
        exposed = self._mask(categories, faults)
        certain = _CERTAINTIES.get((certainty or "").strip())
        if certain is None:
            faults.append(Fault("certainty", "invalid-certainty"))
        said = _language(language or "", faults), exposed, exposed if certain else 0, _flags(flags, faults)
        if len(faults) == before and len(self._said) < REMEMBERED:
            self._said[words] = said
        return said

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
    """See in one look at all texts together whether any of them needs a closer one."""
    try:
        joined = "|".join(_all_texts(record))
    except TypeError:
        _even_out(record)
        joined = "|".join(_all_texts(record))
    if (
        len(joined) > MAX_TEXT  # so no single one is too long below it, but a memberRef
        or len(record.member_ref) > MAX_REF  # type: ignore[arg-type]  # a text, or the join had failed
        or not joined.isprintable()
        or " |" in joined
        or "| " in joined
        or joined[0] == " "
        or joined[-1] == " "
        or not (joined.isascii() or unicodedata.is_normalized("NFC", joined))
    ):
        _look_closer(record, faults)


def _all_texts(record: Record) -> tuple[str, ...]:
    return (  # type: ignore[return-value]  # a number or None among them raises TypeError, which is the test
        record.member_ref, record.bsn, record.person_key, record.initials, record.given_name, record.prefix,
        record.family_name, record.birth_date, record.street, record.house_number, record.house_letter,
        record.house_number_addition, record.postcode, record.city, record.country, record.care_of,
        record.email, record.portal_id, record.language,
    )  # fmt: skip


def _even_out(record: Record) -> None:
    """Make texts of what JSON gave as numbers and nulls."""
    for name in _TEXTS:
        value = getattr(record, name)
        if not isinstance(value, str):
            setattr(record, name, "" if value is None else str(value))


def _look_closer(record: Record, faults: list[Fault]) -> None:
    for name in _TEXTS:
        text = unicodedata.normalize("NFC", getattr(record, name)).strip()
        if len(text) > _LIMITS.get(name, MAX_TEXT):
            faults.append(Fault(_NAMES[name], "too-long"))
            text = ""
        elif not text.isprintable() and any(map(_is_control, text)):
            faults.append(Fault(_NAMES[name], "control-characters"))
            text = ""
        setattr(record, name, text)


def _is_control(letter: str) -> bool:
    """Tell whether it steers rather than writes: control codes, line ends, half a surrogate, direction overrides."""
    return unicodedata.category(letter) in {"Cc", "Cs", "Zl", "Zp"} or letter in "\u202a\u202b\u202d\u202e"


def _check_odd_bsn(record: Record, faults: list[Fault]) -> None:
    """Take a BSN written with separators or without its leading zeros."""
    digits = normal_bsn(str(record.bsn))
    if digits:
        record.bsn = digits
    else:
        faults.append(Fault("bsn", "invalid-bsn"))


def normal_bsn(text: str) -> str | None:
    """Return a BSN that may be written with separators or without its leading zeros; None where it is none."""
    if len(text) == 9 and is_bsn(text):
        return text
    digits = bsn_digits(text)
    return digits if len(digits) == 9 and is_bsn(digits) else None


def bsn_digits(text: str) -> str:
    """Return what is written as a BSN without separators and with its leading zeros; it may be none all the same."""
    return (text if text.isdigit() else text.translate(_SEPARATORS)).zfill(9)


_SEPARATORS = {ord(separator): None for separator in " -."}


def normal_key(text: str) -> str | None:
    """Return a person key in lower case; None where it is none."""
    key = text.lower()
    return key if _PERSON_KEY.fullmatch(key) else None


def normal_postcode(text: str) -> str | None:
    """Return a Dutch postcode in its one spelling, `1234AB`; None where it is none."""
    found = _POSTCODE.fullmatch(text)
    return found[1] + found[2].upper() if found else None


def normal_house_number(text: str) -> str | None:
    """Return a Dutch house number without leading zeros; None where it is none."""
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
    """Return the channels that there is data for.

    A letter needs an addressee, or whoever opens it reads another's news, and an address that a postman
    can use: in the Netherlands street, number, postcode and city; elsewhere at least street and city.
    """
    mask = 0
    if record.portal_id:
        mask = _PORTAL
    if record.email:
        mask |= _EMAIL
    abroad = record.country != DEFAULT_COUNTRY
    if record.family_name and record.street and record.city and (abroad or (record.postcode and record.house_number)):
        mask |= _LETTER
    return mask


def _flags(given: Sequence[bool | str | None], faults: list[Fault]) -> int:
    mask = 0
    for (field, flag), said in zip(_FLAG_FIELDS, given, strict=True):
        known = _BOOLEANS.get(said.strip().lower() if isinstance(said, str) else said)
        if known is None:
            faults.append(Fault(field, "invalid-boolean"))
        elif known:
            mask |= flag
    return mask


_FLAG_FIELDS = (
    ("deceased", FLAG_DECEASED),
    ("secretAddress", FLAG_SECRET_ADDRESS),
    ("notAtAddress", FLAG_NOT_AT_ADDRESS),
)
