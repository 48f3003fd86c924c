"""What intake's codes mean in words, and which field a column's name is likely to mean."""

from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Final

from services.intake.records.fields import FIELD_NAMES

__all__ = ["WORDS", "in_words", "meant_column"]

WORDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "required": "is missing",
        "too-long": "is longer than its limit (200 characters; memberRef 64, email 254)",
        "control-characters": "has control characters in it, such as a line end or a change of writing direction",
        "wrong-type": "holds another kind of value: a text, a number or true and false, as the page on records says",
        "repeated-member-ref": "is in this file already, with other content: a memberRef names one record",
        "cohort-sealed": "is new, and the cohort is sealed: it takes corrections only",
        "cohort-cancelled": "cannot be taken: the cohort was cancelled",
        "invalid-bsn": "is no citizen service number: eight or nine digits that pass the 11-proof, without a "
        "spreadsheet's `.0`, and no placeholder such as 999999990",
        "invalid-person-key": "is no person key: 64 hex digits",
        "invalid-date": "is no date: write YYYY-MM-DD",
        "date-in-future": "lies in the future",
        "incomplete-date": "is incomplete: without a BSN the whole date is needed to know who it is about",
        "mistyped-reference": "was mistyped, or is no reference: its last letter is a check",
        "invalid-postcode": "is no Dutch postcode (1234AB); for an address abroad give the country",
        "invalid-house-number": "is no house number: 1 to 99999; letter and addition have fields of their own",
        "unknown-country": "is not known as a country: two letters of ISO 3166, or its name in Dutch or English",
        "invalid-email": "is no e-mail address",
        "invalid-language": "is no language tag (BCP 47, such as nl or en): the notice would be in Dutch",
        "unknown-category": "names a category that the incident does not have",
        "invalid-role": "is none of self, guardian, next-of-kin and representative",
        "too-many-lines": "has more than six lines, or none",
        "invalid-certainty": "is neither confirmed nor possible",
        "invalid-boolean": "is neither true nor false (nor ja or nee)",
        "not-at-address": "says that the person does not live there: it is held until another way to them is known",
        "identity-conflict": "has an identity that is somebody else's too: `heraut identity list` has both",
        "deceased-conflict": "says otherwise than another record of the same person: whether they died is not settled",
        "unprintable": "cannot be printed as it is written: correct it, or give another way to the person",
        "bounced": "had its mail come back, and no other way to the person is left",
        "bounced:hard": "is no mailbox any more: its mail came back, and no other way to the person is left",
        "bounced:soft": "had its mail come back (a full mailbox, for instance), and no other way to the person is left",
        "refused": "was not taken by the provider after all, and no other way to the person is left",
        "returned": "had its letter come back, and no other way to the person is left",
        "returned:moved": "is not the address any more: the letter came back, as the person has moved",
        "returned:not-at-address": "is not the person's address: the letter came back",
        "returned:bad-address": "is no whole address: the letter came back",
        "returned:deceased": "may need to say so: the letter came back, as the person has died",
        "returned:not-accepted": "had its letter come back: whoever lives there did not take it",
        "returned:not-collected": "had its letter come back: nobody collected it",
        "told-in-error": "had somebody told what is not theirs, and nobody could be told so yet",
        "unreachable": "can be written to on no channel: it is accepted and held until a correction comes",
        "line-too-long": "is longer than 64 KB",
        "csv-syntax": "is no row of CSV: a quote is in the wrong place",
        "column-count": "has more or fewer cells than the first line has columns",
        "invalid-json": "is no JSON: each line is one whole object",
        "not-an-object": "is JSON, but no object",
        "unknown-field": "is no field of a member record",
        "unknown-column": "is no field of a member record",
        "repeated-column": "stands twice in the first line",
        "missing-column": "is missing in the first line",
    }
)
_IDENTITY = (
    "needs a bsn, a personKey, or familyName (else birthName, else partnerName), birthDate, postcode and "
    "houseNumber together"
)

# Columns as Dutch registers and spreadsheets call them, without blanks, underscores and case.
_DUTCH: Final = {
    "referentie": "memberRef", "kenmerk": "memberRef", "burgerservicenummer": "bsn", "sofinummer": "bsn",
    "voorletters": "initials", "voornaam": "givenName", "voornamen": "givenName", "roepnaam": "givenName",
    "tussenvoegsel": "prefix", "voorvoegsel": "prefix", "achternaam": "familyName", "geslachtsnaam": "familyName",
    "geboortenaam": "birthName", "geboorteachternaam": "birthName", "meisjesnaam": "birthName",
    "maidenname": "birthName", "partnernaam": "partnerName", "naampartner": "partnerName",
    "achternaampartner": "partnerName", "geslachtsnaampartner": "partnerName",
    "geboortedatum": "birthDate", "straat": "street", "straatnaam": "street", "huisnummer": "houseNumber",
    "huisletter": "houseLetter", "toevoeging": "houseNumberAddition", "huisnummertoevoeging": "houseNumberAddition",
    "postalcode": "postcode", "zipcode": "postcode", "woonplaats": "city", "plaats": "city", "land": "country",
    "mail": "email", "emailadres": "email", "taal": "language", "gegevens": "dataCategories",
    "categorieen": "dataCategories", "categories": "dataCategories", "zekerheid": "certainty",
    "overleden": "deceased", "geheim": "secretAddress", "firstname": "givenName", "lastname": "familyName",
    "surname": "familyName", "dateofbirth": "birthDate", "id": "memberRef", "reference": "memberRef",
}  # fmt: skip
_PLAIN = {name.lower(): name for name in FIELD_NAMES}


def in_words(field: str | None, problem: str) -> str:
    """Return a problem as a sentence without its line: `bsn is no citizen service number: ...`."""
    if (field, problem) == ("identity", "required"):
        return f"the record {_IDENTITY}"
    words = WORDS.get(problem)
    if words is None:
        return f"{field}: {problem}" if field else problem
    hint = (
        f"; did you mean {meant}?"
        if field and problem.startswith("unknown-") and (meant := meant_column(field))
        else ""
    )
    return f"{field or 'the record'} {words}{hint}"


def meant_column(name: str) -> str | None:
    """Return the field that a column's name is likely to mean; None where there is none, or it is that field."""
    plain = "".join(letter for letter in name.lower() if letter.isalnum())
    meant = _DUTCH.get(plain) or _PLAIN.get(plain)
    if meant is None:
        close = get_close_matches(plain, [*_PLAIN, *_DUTCH], n=1, cutoff=0.75)
        meant = (_PLAIN.get(close[0]) or _DUTCH[close[0]]) if close else None
    return meant if meant != name else None
