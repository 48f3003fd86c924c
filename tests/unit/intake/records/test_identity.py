"""Pseudonyms, member ids and content hashes."""

import hmac
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.ids import member_id
from services.intake.domain import CONTACT_BYTES
from services.intake.records.identity import Fingerprints, MemberIds, Pseudonyms, canonical, normal_name
from services.intake.records.record import Record, contact_json
from services.intake.records.validation import Validator
from tests.unit.intake.builders import TODAY, an_incident


def person(**fields: Any) -> bytes | None:
    """Return the canonical identity of a record."""
    record = Record(**({"member_ref": "m-1", "data_categories": ("name",)} | fields))
    Validator(an_incident(), TODAY).check(record, [])
    return canonical(record)


@given(st.binary(min_size=1, max_size=100), st.text(max_size=40), st.text(max_size=40))
def test_pseudonym_is_the_hmac(pepper: bytes, incident: str, identity: str) -> None:
    """The quick way gives what the standard library gives, cut to sixteen bytes."""
    key = hmac.digest(pepper, incident.encode(), "sha256")
    expected = hmac.digest(key, identity.encode(), "sha256")[:16]

    assert expected == Pseudonyms(pepper, incident).of(identity.encode())
    assert [expected] == Pseudonyms(pepper, incident).of_all([identity.encode()])


def test_nobody_is_recognised_in_two_incidents() -> None:
    """Who reads topics does not link a person over incidents, by pseudonym or by content."""
    keys, contact, checked = b"m" * 32, contact_json(Record(city="Utrecht")), (3, 3, 7, 0)
    lab, bank = (Fingerprints(keys, incident) for incident in ("lab", "bank"))

    assert Pseudonyms(keys, "lab").of(b"bsn:1") != Pseudonyms(keys, "bank").of(b"bsn:1")
    assert lab.content(contact, checked) != bank.content(contact, checked)


@given(st.text(max_size=64))
def test_member_id_is_the_shared_one(ref: str) -> None:
    """The quick way gives the id that every room would make."""
    assert member_id(b"k" * 32, "lab", "wave-1", ref) == MemberIds(b"k" * 32, "lab", "wave-1").of(ref)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Vries", "vries"),
        ("de Vries", "vries"),
        ("DE  VRIES", "vries"),
        ("van 't Hoff", "hoff"),
        ("van der Berg-Jansen", "bergjansen"),
        ("Jansen-de Boer", "jansendeboer"),
        ("D'Ancona", "ancona"),
        ("Zoë", "zoe"),
        ("Strauß", "strauss"),
        ("Sørensen", "sorensen"),
        ("Łukasz", "lukasz"),
        ("IJsbrand", "ijsbrand"),
        ("ĳsbrand", "ijsbrand"),
        ("İnönü", "inonu"),
        ("De", "de"),
        ("O'Brien 3rd", "obrienrd"),
        ("---", ""),
        ("王", "王"),
    ],
)
def test_names_are_brought_to_letters(name: str, expected: str) -> None:
    """Ways of writing the same family name come to the same letters."""
    assert expected == normal_name(name)


@given(st.text(max_size=30))
def test_normal_name_stays_as_it_is(name: str) -> None:
    """Letters brought to letters change no more, unless a prefix shows up only then."""
    once = normal_name(name)

    assert once == normal_name(f"x{once}")[1:]


def test_strongest_identity_is_used() -> None:
    """A BSN goes before a key, a key before a name; each kind is marked."""
    name = {"family_name": "de Vries", "birth_date": "1970-03-05", "postcode": "1234 ab", "house_number": "012"}

    assert b"bsn:011535842" == person(bsn="11535842", person_key="ab" * 32, **name)
    assert f"key:{'ab' * 32}".encode() == person(person_key="AB" * 32, **name)
    assert b"name:vries|1970-03-05|1234AB|12" == person(**name)


@pytest.mark.parametrize(
    ("names", "matched"),
    [
        ({"family_name": "Vries", "birth_name": "Smit", "partner_name": "Jansen"}, "vries"),
        ({"birth_name": "de Vries", "partner_name": "Jansen"}, "vries"),
        ({"partner_name": "Jansen"}, "jansen"),
    ],
)
def test_the_match_key_has_one_name(names: dict[str, str], matched: str) -> None:
    """The one in use, whatever else is known; else the name from birth, which stays; else the partner's."""
    known = {"birth_date": "1970-03-05", "postcode": "1234AB", "house_number": "12"}

    assert f"name:{matched}|1970-03-05|1234AB|12".encode() == person(**names, **known)


def test_name_without_letters_is_nobody() -> None:
    """A family name of signs alone names no person."""
    assert person(family_name="-", birth_date="1970-03-05", postcode="1234AB", house_number="1") is None


def test_content_changes_with_anything_that_is_said() -> None:
    """Other facts, another address: other content, whose beginning says whether the address is another one."""
    prints = Fingerprints(b"l" * 32, "lab")
    contact = contact_json(Record(city="Utrecht"))
    checked = (3, 3, 7, 0)
    contents = [
        prints.content(contact, checked),
        prints.content(contact_json(Record(city="Breda")), checked),
        prints.content(contact, (3, 1, 7, 0)),
        prints.content(contact, (3, 3, 7, 1)),
    ]

    assert 4 == len(set(contents))
    assert [True, False, True, True] == [one[:CONTACT_BYTES] == contents[0][:CONTACT_BYTES] for one in contents]
    assert contents[0] == Fingerprints(b"l" * 32, "lab").content(contact, checked)
    assert contents[0] != Fingerprints(b"k" * 32, "lab").content(contact, checked)


def test_line_hash_knows_its_cohort() -> None:
    """The same bad line in two cohorts is two records."""
    prints = Fingerprints(b"l" * 32, "lab")

    assert prints.line("lab/a", b"x") != prints.line("lab/b", b"x")


def test_contact_holds_what_was_given_alone() -> None:
    """Fields that were not given are left out, and so is what a notice does not need."""
    record = Record(member_ref="m-1", bsn="999990019", family_name="Vries", data_categories=("name",))

    assert b'{"familyName":"Vries"}' == contact_json(record)
