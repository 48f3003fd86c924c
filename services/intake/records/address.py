"""Addresses as people write them: postcode, house number and country in their one spelling. Pure."""

import re

from services.core.addressee import MAX_ADDRESS_LINES, lines_of
from services.intake.domain import Fault
from services.intake.records.countries import normal_country
from services.intake.records.record import Record

__all__ = ["ADDRESS", "DEFAULT_COUNTRY", "check_address", "normal_house_number", "normal_lines", "normal_postcode"]

DEFAULT_COUNTRY = "NL"
# The fields that lead to a door: where one of them is flawed, a letter would come to another door.
ADDRESS = frozenset(
    {"careOf", "street", "houseNumber", "houseLetter", "houseNumberAddition", "postcode", "city", "country"}
    | {"addressLines"}
)

_POSTCODE = re.compile(r"([1-9][0-9]{3}) *([A-Za-z]{2})", re.ASCII)
_PLAIN_POSTCODE = re.compile(r"[1-9][0-9]{3}[A-Z]{2}", re.ASCII).fullmatch
_PLAIN_NUMBER = re.compile(r"[1-9][0-9]{0,4}", re.ASCII).fullmatch
_HOUSE_NUMBER = re.compile(r"0*([1-9][0-9]{0,4})", re.ASCII)
# A number with what belongs after it: one letter that stands alone, and an addition. Longer words are something else.
_WITH_SUFFIX = re.compile(
    r"0*([1-9][0-9]{0,4})[ /.-]*(?:([A-Za-z])(?![A-Za-z]))?[ /.-]*([A-Za-z0-9]{1,4}(?:[ /.-]+[A-Za-z0-9]{1,4})?)?",
    re.ASCII,
)


def check_address(record: Record, faults: list[Fault]) -> None:
    """Bring an address to its one spelling; a field that has none is emptied, and a fault says so."""
    if record.address_lines:
        record.address_lines = normal_lines(record.address_lines) or ""
        if not record.address_lines:
            faults.append(Fault("addressLines", "too-many-lines"))
    if record.country != DEFAULT_COUNTRY:
        country = normal_country(record.country) if record.country else DEFAULT_COUNTRY
        record.country = country or ""
        if not country:
            faults.append(Fault("country", "unknown-country"))
        if country != DEFAULT_COUNTRY:  # elsewhere postcodes and house numbers are free text
            return
    if record.postcode and not _PLAIN_POSTCODE(record.postcode):
        record.postcode = normal_postcode(record.postcode) or ""
        if not record.postcode:
            faults.append(Fault("postcode", "invalid-postcode"))
    if record.house_number and not _PLAIN_NUMBER(record.house_number):  # type: ignore[arg-type]  # a text by now
        _split_house_number(record, faults)


def normal_lines(text: str) -> str | None:
    """Return lines with bars between, without those that say nothing; None where they are too many, or none."""
    lines = lines_of(text)
    return "|".join(lines) if 0 < len(lines) <= MAX_ADDRESS_LINES else None


def normal_postcode(text: str) -> str | None:
    """Return a Dutch postcode in its one spelling, `1234AB`; None where the text is no Dutch postcode."""
    found = _POSTCODE.fullmatch(text)
    return found[1] + found[2].upper() if found else None


def normal_house_number(text: str) -> str | None:
    """Return a Dutch house number without leading zeros; None where the text is not a number alone."""
    found = _HOUSE_NUMBER.fullmatch(text)
    return found[1] if found else None


def _split_house_number(record: Record, faults: list[Fault]) -> None:
    """Move letter and addition out of the house number to their own fields, where nothing else stands there."""
    found = _WITH_SUFFIX.fullmatch(str(record.house_number))
    number, letter, addition = (part or "" for part in found.groups()) if found else ("", "", "")
    if not number or not _agree(letter, record.house_letter) or not _agree(addition, record.house_number_addition):
        record.house_number = ""
        faults.append(Fault("houseNumber", "invalid-house-number"))
        return
    record.house_number = number
    record.house_letter = record.house_letter or letter
    record.house_number_addition = record.house_number_addition or addition


def _agree(found: str, given: str | None) -> bool:
    """Tell whether a part that was found contradicts none that was given."""
    return not found or not given or found.casefold() == given.casefold()
