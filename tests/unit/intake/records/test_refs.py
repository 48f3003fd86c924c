"""Which memberRefs may be repeated."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake.domain import Fault
from services.intake.records.record import Record
from services.intake.records.refs import shown_of_contact, shown_of_record
from tests.unit.intake.records.test_bsn import VALID


def shown(ref: str, bsn: str = "", given: str = "Zoë", family: str = "van der Meer-Çelik") -> str | None:
    """Return a memberRef as far as it may be repeated, asked both ways."""
    names = {"given_name": given, "family_name": family, "birth_name": "Okafor", "partner_name": "de Bruijn"}
    by_record = shown_of_record(Record(member_ref=ref, bsn=bsn, **names), ())
    sealed = {"givenName": given, "familyName": family, "birthName": "Okafor", "partnerName": "de Bruijn"}
    contact = json.dumps(sealed | {"city": "Utrecht"}, ensure_ascii=False)
    by_contact = shown_of_contact(ref, bsn, contact.encode())
    assert by_record == by_contact
    return by_record


@pytest.mark.parametrize(
    "ref", ["m-1", "A/2024:7", "x_1.2", "7", "123456789", "2024-000123", "code-12", "Z1", "z" * 64]
)
def test_plain_tokens_are_repeated(ref: str) -> None:
    """A source finds its record again by the reference that it gave."""
    assert ref == shown(ref)


@pytest.mark.parametrize(
    "ref",
    [
        "", "m 1", "m@x", "jörg", "m;1", "x" * 65, "abcdef0123456789" * 4,
        "meer-1", "P.MEER", "celik7", "zoe-1961", "vandermeercelik", "okafor-7", "P-BRUIJN",
        "100427145", "PAT-100427145", "1004.27.145", "2024100427145x", "11535842",
    ],
)  # fmt: skip
def test_what_may_name_somebody_is_not(ref: str) -> None:
    """No signs that hide something, no BSN of anybody, no person key, no name of the record."""
    assert shown(ref) is None


@pytest.mark.parametrize(
    ("ref", "bsn"),
    [("123456789", "123456789"), ("1234-56-789", "123456789"), ("x-123456789-y", "1234.56.789"), ("12", "12")],
)
def test_own_number_is_not_repeated_even_where_it_is_wrong(ref: str, bsn: str) -> None:
    """A mistyped BSN is still somebody's number."""
    assert shown(ref, bsn) is None


@pytest.mark.parametrize("field", ["givenName", "familyName", "birthName", "partnerName"])
def test_name_that_was_emptied_hides_the_ref(field: str) -> None:
    """Where a name was flawed, nobody knows any more whether it stands in the reference."""
    assert shown_of_record(Record(member_ref="m-1"), [Fault(field, "too-long")]) is None


@given(VALID, st.text(alphabet="ab-_.:/", max_size=8), st.text(alphabet="ab-_.:/", max_size=8))
def test_no_bsn_is_ever_repeated(number: str, before: str, after: str) -> None:
    """Wherever it stands in a reference."""
    assert shown(f"{before}{number}{after}") is None
