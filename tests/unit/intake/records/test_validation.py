"""Checking records."""

import json
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.channel import Channel
from services.core.notices import (
    FLAG_DECEASED,
    FLAG_NEXT_OF_KIN,
    FLAG_NOT_AT_ADDRESS,
    FLAG_NOT_DECEASED,
    FLAG_SECRET_ADDRESS,
)
from services.intake.domain import Fault
from services.intake.reading.ndjson import NdjsonReader
from services.intake.records.record import Record
from services.intake.records.validation import LETTER, Checked, Validator, is_accepted
from tests.unit.intake.builders import TODAY, a_record, an_incident

KEY = "abcdef0123456789" * 4


def check(**changed: Any) -> tuple[Record, Checked, list[Fault]]:
    """Check a record that is valid but for what is changed."""
    (record,) = NdjsonReader().read([json.dumps(a_record(**changed)).encode()])
    assert isinstance(record, Record)
    faults: list[Fault] = []
    checked = Validator(an_incident(), TODAY).check(record, faults)
    return record, checked, faults


def weighed(faults: list[Fault]) -> list[tuple[str | None, str, str]]:
    """Return faults as an answer has them."""
    return [(fault.field, fault.problem, str(fault.severity)) for fault in faults]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"memberRef": None}, ("memberRef", "required", "error")),
        ({"memberRef": " \u200b"}, ("memberRef", "required", "error")),
        ({"memberRef": "x" * 65}, ("memberRef", "too-long", "error")),
        ({"bsn": "123456789"}, ("bsn", "invalid-bsn", "error")),
        ({"bsn": "9" * 201}, ("bsn", "too-long", "error")),
        ({"bsn": "1", "personKey": KEY}, ("bsn", "invalid-bsn", "error")),
        ({"bsn": None, "birthDate": None}, ("identity", "required", "error")),
        ({"bsn": None, "birthDate": None, "portalId": "x" * 201}, ("portalId", "too-long", "warning")),
        ({"bsn": None, "birthDate": "1950-00-00"}, ("birthDate", "incomplete-date", "error")),
        ({"bsn": None, "birthDate": "0000-00-00"}, ("identity", "required", "error")),
        ({"personKey": "ab" * 31}, ("personKey", "invalid-person-key", "warning")),
        ({"bsn": None, "personKey": "ab" * 31}, ("personKey", "invalid-person-key", "error")),
        ({"birthDate": "1970-02-30"}, ("birthDate", "invalid-date", "warning")),
        ({"birthDate": "12/31/1980"}, ("birthDate", "invalid-date", "warning")),
        ({"birthDate": "31-12-80"}, ("birthDate", "invalid-date", "warning")),
        ({"birthDate": "1970-W10-4"}, ("birthDate", "invalid-date", "warning")),
        ({"birthDate": "0001-01-01"}, ("birthDate", "invalid-date", "warning")),
        ({"birthDate": (TODAY + timedelta(days=1)).isoformat()}, ("birthDate", "date-in-future", "warning")),
        ({"birthDate": "2026-04-00"}, ("birthDate", "date-in-future", "warning")),
        ({"postcode": "0123AB"}, ("postcode", "invalid-postcode", "warning")),
        ({"postcode": "12345"}, ("postcode", "invalid-postcode", "warning")),
        ({"houseNumber": "twelve"}, ("houseNumber", "invalid-house-number", "warning")),
        ({"houseNumber": "0"}, ("houseNumber", "invalid-house-number", "warning")),
        ({"houseNumber": "12A", "houseLetter": "B"}, ("houseNumber", "invalid-house-number", "warning")),
        ({"country": "XX"}, ("country", "unknown-country", "warning")),
        ({"email": "nobody"}, ("email", "invalid-email", "warning")),
        ({"email": "x" * 255}, ("email", "too-long", "warning")),
        ({"language": "dutch language"}, ("language", "invalid-language", "warning")),
        ({"dataCategories": []}, ("dataCategories", "required", "error")),
        ({"dataCategories": ["name", "shoe-size"]}, ("dataCategories", "unknown-category", "error")),
        ({"certainty": "maybe"}, ("certainty", "invalid-certainty", "error")),
        ({"role": "moeder"}, ("role", "invalid-role", "error")),
        ({"addressLines": "a|b|c|d|e|f|g"}, ("addressLines", "too-many-lines", "warning")),
        ({"addressLines": " | "}, ("addressLines", "too-many-lines", "warning")),
        ({"deceased": "onbekend"}, ("deceased", "invalid-boolean", "error")),
        ({"secretAddress": "?"}, ("secretAddress", "invalid-boolean", "error")),
        ({"notAtAddress": "?"}, ("notAtAddress", "invalid-boolean", "warning")),
        ({"familyName": "x" * 300}, ("familyName", "too-long", "warning")),
        ({"familyName": "Vries\u0000"}, ("familyName", "control-characters", "warning")),
        ({"street": "Kerk\u202estraat"}, ("street", "control-characters", "warning")),
        ({"city": "Ut\nrecht"}, ("city", "control-characters", "warning")),
    ],
)
def test_fault_is_named_by_field_code_and_severity(changed: dict[str, Any], expected: tuple[str, str, str]) -> None:
    """Each fault is told by the name of its field, a code, and whether the record is taken without the field."""
    assert expected == weighed(check(**changed)[2])[0]


@pytest.mark.parametrize(
    ("field", "flawed"),
    [
        ("familyName", "x" * 300),
        ("birthDate", "1970-02-30"),
        ("postcode", "0123AB"),
        ("houseNumber", "twelve"),
        ("country", "XX"),
        ("initials", "\0"),
        ("givenName", "\0"),
        ("houseLetter", "\0"),
        ("houseNumberAddition", "\0"),
    ],
)
def test_flaw_in_what_names_somebody_rejects_who_is_named_by_it(field: str, flawed: str) -> None:
    """Without BSN and key, no part of the match key is guessed, nor of what tells two people with one key apart."""
    assert [(True, True, False)] == [
        (
            is_accepted(check(**{field: flawed})[2]),
            is_accepted(check(bsn=None, personKey=KEY, **{field: flawed})[2]),
            is_accepted(check(bsn=None, **{field: flawed})[2]),
        )
    ]


@pytest.mark.parametrize(
    ("names", "accepted"),
    [
        ({"familyName": None, "birthName": "de Vries"}, True),
        ({"familyName": None, "partnerName": "Jansen"}, True),
        ({"familyName": None}, False),
        ({"birthName": "\0"}, True),
        ({"familyName": None, "birthName": "\0", "partnerName": "Jansen"}, False),
        ({"familyName": None, "birthName": "de Vries", "partnerName": "\0"}, True),
        ({"familyName": None, "partnerName": "\0"}, False),
    ],
)
def test_any_name_says_who_it_is_about(names: dict[str, Any], *, accepted: bool) -> None:
    """A record is whole without a family name; the name that it is matched by must be sound, and no other one."""
    assert accepted == is_accepted(check(bsn=None, **names)[2])


def test_flawed_part_of_the_address_is_no_address() -> None:
    """A letter would come to another door: to 10 in place of 10-B."""
    for field in ("street", "city", "houseLetter", "houseNumberAddition", "careOf"):
        assert Channel.PORTAL | Channel.EMAIL == check(**{field: "\0"})[1][2], field
    for changed in ({"country": "XX"}, {"country": "BE", "postcode": "x" * 201}, {"houseNumber": "achter"}):
        assert Channel.PORTAL | Channel.EMAIL == check(**changed)[1][2], changed


def test_nobody_gets_a_letter_where_they_may_not_live() -> None:
    """A `notAtAddress` that cannot be read counts as true, and the source is warned."""
    assert FLAG_NOT_AT_ADDRESS == check(notAtAddress="?")[1][3]


def test_all_faults_are_told_at_once() -> None:
    """A record's source hears everything that is wrong with it, each field once."""
    faults = check(bsn="1", birthDate="x", email="x", dataCategories=["x"], memberRef="x" * 65)[2]

    assert ["bsn", "birthDate", "memberRef", "email", "dataCategories"] == [fault.field for fault in faults]


@pytest.mark.parametrize("given", ["9999.90.019", "999.990.019", "999 990 019", "9999 90 019", "999\u00a0990\u00a0019"])
def test_bsn_is_brought_to_nine_digits(given: str) -> None:
    """Separators are dropped."""
    record, _, faults = check(bsn=given)

    assert ("999990019", []) == (record.bsn, faults)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("ja", True), ("JA", True), ("J", True), ("1", True), ("true", True), ("Yes", True), ("WAAR", True),
        ("nee", False), ("N", False), ("0", False), ("False", False), ("no", False), ("onwaar", False), (" ", False),
        (True, True), (False, False), (1, True), (0, False),
    ],
)  # fmt: skip
def test_yes_and_no_are_read_as_people_write_them(given: str | bool | int, expected: bool) -> None:  # noqa: FBT001
    """Dutch, English, letters and numbers, in any case; with and without quotes in JSON."""
    _, checked, faults = check(deceased=given)

    said_not = FLAG_NOT_DECEASED if given != " " else 0

    assert (FLAG_DECEASED if expected else said_not, []) == (checked[3], faults)


@pytest.mark.parametrize(
    ("given", "number", "letter", "addition"),
    [
        ("12A", "12", "A", ""),
        ("12-A", "12", "A", ""),
        ("12 a", "12", "a", ""),
        ("12\u00a0A", "12", "A", ""),
        ("12 bis", "12", "", "bis"),
        ("12bis", "12", "", "bis"),
        ("12-2", "12", "", "2"),
        ("12/2", "12", "", "2"),
        ("10A-II", "10", "A", "II"),
        ("10 A bis", "10", "A", "bis"),
        ("10A2", "10", "A", "2"),
        ("007", "7", "", ""),
    ],
)
def test_house_number_is_parted_from_what_stands_behind_it(given: str, number: str, letter: str, addition: str) -> None:
    """Letter and addition that are written in the number's field go to their own."""
    record, _, faults = check(houseNumber=given)

    assert ([], number, letter, addition) == (
        faults, record.house_number, record.house_letter, record.house_number_addition,
    )  # fmt: skip


def test_address_abroad_is_free_text() -> None:
    """Elsewhere postcodes and numbers have other shapes: they are taken as they stand, and a letter may go there."""
    record, checked, faults = check(country="belgie", postcode="B-1000", houseNumber="12 bus 3")

    assert ([], "BE", "B-1000", "12 bus 3") == (faults, record.country, record.postcode, record.house_number)
    assert checked[2] & Channel.LETTER


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
        ({"email": None, "familyName": None, "birthName": "de Vries"}, Channel.PORTAL | Channel.LETTER),
        ({"email": None, "familyName": None, "partnerName": "Jansen"}, Channel.PORTAL | Channel.LETTER),
        ({"email": None, "postcode": None}, Channel.PORTAL),
        ({"postcode": "SW1A 1AA", "houseNumber": None, "country": "GB"}, Channel(7)),
        ({"email": None, "portalId": None, "street": None}, Channel(0)),
    ],
)
def test_channels_are_those_with_data(changed: dict[str, Any], expected: Channel) -> None:
    """A channel counts where there is all that it takes to use it."""
    assert int(expected) == check(**changed)[1][2]


def test_silence_about_a_death_says_nothing() -> None:
    """Only a record that says that the person lives contradicts another; the other flags have no such word."""
    assert [0, 0, 0, FLAG_NOT_DECEASED] == [
        check(**said)[1][3] for said in ({}, {"deceased": None}, {"deceased": ""}, {"deceased": "nee"})
    ]
    assert 0 == check(secretAddress="nee", notAtAddress=False)[1][3]


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


@pytest.mark.parametrize(
    ("role", "flags", "kept"),
    [
        ("guardian", 0, "guardian"),
        (" Self ", 0, ""),
        ("next-of-kin", FLAG_DECEASED | FLAG_NEXT_OF_KIN, "next-of-kin"),
    ],
)
def test_who_reads_is_kept_and_next_of_kin_means_a_death(role: str, flags: int, kept: str) -> None:
    """Also where the record does not say so: nobody writes to next of kin of the living."""
    record, checked, faults = check(role=role)

    assert (kept, flags, []) == (record.role, checked[3], faults)


def test_lines_and_an_addressee_are_an_address() -> None:
    """Who has them ready made needs no street, city or family name; without an addressee anybody may open a letter."""
    nothing = dict.fromkeys(("familyName", "street", "houseNumber", "postcode", "city", "email", "portalId"))
    given = nothing | {"addressLines": " Postbus 12 || 3500 AB UTRECHT"}

    record, with_addressee, _ = check(**given, addressee="Familie Berg")
    without = check(**given)[1]

    assert "Postbus 12|3500 AB UTRECHT" == record.address_lines
    assert (LETTER, 0) == (with_addressee[2] & LETTER, without[2] & LETTER)
