"""Checking records."""

import random
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.nl import bsn

from services.core.channel import Channel
from services.core.notices import FLAG_DECEASED, FLAG_NOT_AT_ADDRESS, FLAG_SECRET_ADDRESS
from services.intake.domain import Fault
from services.intake.reading.ndjson import read_object
from services.intake.records.record import Record
from services.intake.records.validation import Checked, Validator, is_bsn
from tests.unit.intake.builders import TODAY, a_record, an_incident


def check(**changed: Any) -> tuple[Record, Checked, list[Fault]]:
    """Check a record that is valid but for what is changed."""
    record = read_object(a_record(**changed))
    assert isinstance(record, Record)
    faults: list[Fault] = []
    checked = Validator(an_incident(), TODAY).check(record, faults)
    return record, checked, faults


@given(st.integers(0, 999_999_999))
def test_bsn_is_the_librarys(number: int) -> None:
    """Nine digits are a BSN exactly where python-stdnum says so."""
    assert bsn.is_valid(f"{number:09}") == is_bsn(f"{number:09}")


@given(st.text(max_size=12))
def test_texts_are_no_bsn(text: str) -> None:
    """Anything may be asked; only nine digits can be one."""
    assert not is_bsn(text) or (len(text) == 9 and text.isascii() and text.isdigit())


@pytest.mark.parametrize("given", ["123456782", "1234.56.782", "123 456 782"])
def test_bsn_is_brought_to_nine_digits(given: str) -> None:
    """Separators are dropped."""
    record, _, faults = check(bsn=given)

    assert ("123456782", []) == (record.bsn, faults)


@pytest.mark.parametrize("given", ["152", 152, "00000152"])
def test_lost_leading_zeros_are_put_back(given: str | int) -> None:
    """A spreadsheet's number is the BSN that it was."""
    record, _, faults = check(bsn=given)

    assert ("000000152", []) == (record.bsn, faults)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"memberRef": None}, ("memberRef", "required")),
        ({"memberRef": "  "}, ("memberRef", "required")),
        ({"memberRef": "x" * 65}, ("memberRef", "too-long")),
        ({"bsn": "123456789"}, ("bsn", "invalid-bsn")),
        ({"bsn": "000000000"}, ("bsn", "invalid-bsn")),
        ({"bsn": "1234567829"}, ("bsn", "invalid-bsn")),
        ({"bsn": "１２３456782"}, ("bsn", "invalid-bsn")),  # noqa: RUF001 - wide digits are the point
        ({"bsn": None, "birthDate": None}, ("identity", "required")),
        ({"personKey": "ab" * 31}, ("personKey", "invalid-person-key")),
        ({"birthDate": "1970-02-30"}, ("birthDate", "invalid-date")),
        ({"birthDate": "1950-00-00"}, ("birthDate", "invalid-date")),
        ({"birthDate": "05-03-1970"}, ("birthDate", "invalid-date")),
        ({"birthDate": "19700305"}, ("birthDate", "invalid-date")),
        ({"birthDate": "1970-W10-4"}, ("birthDate", "invalid-date")),
        ({"birthDate": (TODAY + timedelta(days=1)).isoformat()}, ("birthDate", "date-in-future")),
        ({"postcode": "0123AB"}, ("postcode", "invalid-postcode")),
        ({"postcode": "12345"}, ("postcode", "invalid-postcode")),
        ({"houseNumber": "twelve"}, ("houseNumber", "invalid-house-number")),
        ({"houseNumber": "0"}, ("houseNumber", "invalid-house-number")),
        ({"country": "XX"}, ("country", "unknown-country")),
        ({"email": "nobody"}, ("email", "invalid-email")),
        ({"language": "dutch language"}, ("language", "invalid-language")),
        ({"dataCategories": []}, ("dataCategories", "required")),
        ({"dataCategories": ["name", "shoe-size"]}, ("dataCategories", "unknown-category")),
        ({"certainty": "maybe"}, ("certainty", "invalid-certainty")),
        ({"deceased": "ja"}, ("deceased", "invalid-boolean")),
        ({"familyName": "x" * 201}, ("familyName", "too-long")),
        ({"familyName": "Vries\u0000"}, ("familyName", "control-characters")),
        ({"street": "Kerk\u202estraat"}, ("street", "control-characters")),
        ({"city": "Ut\nrecht"}, ("city", "control-characters")),
    ],
)
def test_fault_is_named_by_field_and_code(changed: dict[str, Any], expected: tuple[str, str]) -> None:
    """Each fault is told by the name of its field and a code."""
    assert [expected] == check(**changed)[2]


def test_all_faults_are_told_at_once() -> None:
    """A record's source hears everything that is wrong with it."""
    faults = check(bsn="1", birthDate="x", email="x", dataCategories=["x"])[2]

    assert ["bsn", "birthDate", "email", "dataCategories"] == [fault.field for fault in faults]


def test_texts_are_brought_to_one_spelling() -> None:
    """Spaces around texts go, postcodes are written one way, accents are composed."""
    record, _, faults = check(
        familyName=" Vries ", postcode="1234 ab", houseNumber="012", city="Zoe\u0308", country="nl"
    )

    assert [] == faults
    assert ("Vries", "1234AB", "12", "Zo\u00eb", "NL") == (
        record.family_name,
        record.postcode,
        record.house_number,
        record.city,
        record.country,
    )


def test_numbers_and_nulls_of_json_are_texts() -> None:
    """House numbers without quotes and nulls are what they would be in CSV."""
    record, _, faults = check(houseNumber=12, givenName=None)

    assert ("12", "", []) == (record.house_number, record.given_name, faults)


def test_facts_follow_categories_and_certainty() -> None:
    """Bits are the incident's categories; only what is certain is confirmed."""
    assert (0b011, 0b011) == check()[1][:2]
    assert (0b100, 0) == check(dataCategories=["medical"], certainty="possible")[1][:2]


def test_categories_may_come_as_one_text() -> None:
    """CSV has them in one cell, with bars between."""
    assert (0b110, 0b110) == check(dataCategories="bsn | medical|")[1][:2]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, Channel.PORTAL | Channel.EMAIL | Channel.LETTER),
        ({"portalId": None}, Channel.EMAIL | Channel.LETTER),
        ({"email": None, "portalId": None}, Channel.LETTER),
        ({"email": None, "city": None}, Channel.PORTAL),
        ({"email": None, "familyName": None}, Channel.PORTAL),
        ({"email": None, "postcode": None}, Channel.PORTAL),
        ({"postcode": "SW1A 1AA", "houseNumber": None, "country": "GB"}, Channel(7)),
        ({"email": None, "portalId": None, "street": None}, Channel(0)),
    ],
)
def test_channels_are_those_with_data(changed: dict[str, Any], expected: Channel) -> None:
    """A channel counts where there is all that it takes to use it."""
    assert int(expected) == check(**changed)[1][2]


def test_flags_are_read_from_json_and_csv() -> None:
    """True is true in either format, whatever the case."""
    both = check(deceased=True, secretAddress="TRUE", notAtAddress="false")[1][3]

    assert FLAG_DECEASED | FLAG_SECRET_ADDRESS == both
    assert FLAG_NOT_AT_ADDRESS == check(notAtAddress=True, deceased=None)[1][3]


def test_problems_never_repeat_a_value() -> None:
    """Whatever was wrong, the answer holds names and codes alone."""
    faults = check(bsn="999999999", familyName="x" * 300, birthDate="secret", email="secret@")[2]

    assert not {"999999999", "secret", "secret@"} & {word for fault in faults for word in fault}


TEXTS = {name: st.text(max_size=20) for name in Record.__struct_encode_fields__ if name != "dataCategories"}


@given(st.fixed_dictionaries({}, optional=TEXTS), st.lists(st.text(max_size=5), max_size=3))
def test_any_texts_are_judged(texts: dict[str, str], categories: list[str]) -> None:
    """No text crashes a check, and what passes a check passes it again unchanged."""
    record = msgspec.convert({**texts, "dataCategories": categories}, Record)
    validator, faults = Validator(an_incident(), TODAY), list[Fault]()
    checked = validator.check(record, faults)
    if not faults:
        once = msgspec.structs.astuple(record)

        assert checked == validator.check(record, faults)
        assert once == msgspec.structs.astuple(record)


def test_bsn_by_the_million_is_quick_enough_to_test_wide() -> None:
    """Every check digit of a thousand random stems is judged as the library does."""
    stems = random.Random(5).sample(range(100_000_000), 1000)  # noqa: S311 - made-up numbers
    wrong = [n for stem in stems for n in (f"{stem:08}{d}" for d in range(10)) if bsn.is_valid(n) != is_bsn(n)]

    assert [] == wrong
