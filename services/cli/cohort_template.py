"""A CSV that intake takes as it stands: every column, and a line of each kind of record. Nobody in it exists."""

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
    ("by-name", (*_NAME, *_ADDRESS, "givenName", "email", "language"), {"certainty": "possible"}),
    ("by-person-key", ("personKey", *_NAME, *_ADDRESS), {"secretAddress": "true"}),
    ("abroad", ("bsn", *_NAME), {"street": "Rue Haute 12", "postcode": "1000", "city": "Brussel", "country": "BE"}),
    ("deceased", ("bsn", *_NAME, *_ADDRESS), {"deceased": "true"}),
)
# Valid numbers from the range that is never given out: another person on each line.
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
