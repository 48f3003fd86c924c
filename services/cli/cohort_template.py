"""A CSV that intake takes as it stands: every column, and a line of each kind of record. Its people do not exist."""

import csv
import io
from typing import Final

from services.demo.made_up.incident import CATEGORIES
from services.intake.records.fields import FIELDS

__all__ = ["cohort_template"]

# The categories are those of `heraut incident template`, so that both fit together.
_EXAMPLES: Final = {field.name: str(field.about.example) for field in FIELDS} | {
    "dataCategories": "|".join(category[0] for category in CATEGORIES[:2])
}
_ADDRESS: Final = ("street", "houseNumber", "postcode", "city")
_NAME: Final = ("initials", "prefix", "familyName", "birthDate")
# How a record says who it is about, and what such a one often has beside it.
_KINDS: Final[tuple[tuple[str, tuple[str, ...], dict[str, str]], ...]] = (
    ("by-bsn", ("bsn", *_NAME, *_ADDRESS, "houseLetter", "email", "portalId"), {}),
    (
        "by-name",
        (*_NAME, *_ADDRESS, "givenName", "email", "language"),
        {"initials": "A.", "givenName": "Anna", "prefix": "de", "familyName": "Vries", "birthDate": "1984-11-23",
         "houseNumber": "7", "email": "anna@example.nl", "certainty": "possible"},
    ),
    (
        "by-person-key",
        ("personKey", "initials", "birthName", "partnerName", "birthDate", *_ADDRESS),
        {"initials": "K.", "birthName": "de Boer", "partnerName": "Bakker", "birthDate": "1991-06-30",
         "houseNumber": "20", "secretAddress": "true"},
    ),
    (
        "abroad",
        ("bsn", *_NAME),
        {"initials": "M.", "prefix": "", "familyName": "Jansen", "birthDate": "1958-01-17", "street": "Rue Haute 12",
         "postcode": "1000", "city": "Brussel", "country": "BE"},
    ),
    (
        "deceased",
        ("bsn", *_NAME, *_ADDRESS),
        {"initials": "C.", "prefix": "", "familyName": "Smit", "birthDate": "1939-09-02", "houseNumber": "31",
         "deceased": "true"},
    ),
)  # fmt: skip
# Valid numbers from the range that is never given out: another one on each line.
_BSNS: Final = {"by-bsn": "999990019", "abroad": "999990342", "deceased": "999990020"}


def cohort_template() -> str:
    """Return the CSV."""
    text = io.StringIO()
    rows = csv.DictWriter(text, [field.name for field in FIELDS], restval="", lineterminator="\n")
    rows.writeheader()
    for ref, names, said in _KINDS:
        given = {name: _EXAMPLES[name] for name in (*names, "dataCategories")} | said
        if "bsn" in given:
            given["bsn"] = _BSNS[ref]
        rows.writerow(given | {"memberRef": ref})
    return text.getvalue()
