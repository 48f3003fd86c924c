"""Each field of a member record, through every way of reading one."""

import csv
import io
import json
from collections.abc import Mapping
from typing import Any

import pytest

from services.intake.domain import Chunk
from services.intake.reading.csv import CsvReader
from services.intake.reading.ndjson import NdjsonReader
from services.intake.records.fields import FIELD_NAMES, FIELDS, SEALED, TEXTS, Field
from tests.unit.intake.builders import a_builder

# Who it is and what was hit, so that the record can be taken; nothing of it is sealed.
LEAST = {"memberRef": "m-1", "personKey": "ab" * 32, "dataCategories": ["name"]}
TOGETHER = 20  # rows: enough to be read as columns


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "|".join(value) if isinstance(value, list) else value


def as_ndjson(record: Mapping[str, Any]) -> Chunk:
    """Return the chunk of one line of JSON."""
    builder = a_builder()
    builder.add([(1, json.dumps(record).encode())], NdjsonReader())
    return builder.give()


def as_rows(record: Mapping[str, Any], count: int = 1) -> Chunk:
    """Return the chunk of so many rows of CSV that say the same of members of their own."""
    builder, lines = a_builder(), []
    for at in range(count):
        written = io.StringIO()
        cells = {**record, "memberRef": f"{at % 10}{record['memberRef'][1:]}"} if count > 1 else record
        csv.writer(written, lineterminator="").writerow(_cell(cells.get(name, "")) for name in FIELD_NAMES)
        lines.append((at + 2, written.getvalue().encode()))
    builder.add(lines, CsvReader(",".join(FIELD_NAMES).encode()))
    return builder.give()


def as_columns(record: Mapping[str, Any]) -> Chunk:
    """Return the chunk of rows of CSV that are read together."""
    return as_rows(record, TOGETHER)


WAYS = [as_ndjson, as_rows, as_columns]


def _sealed(chunk: Chunk) -> set[tuple[str, Any]]:
    """Return what is sealed of each member, where it is the same of all of them."""
    assert [] == [problem for problem in chunk.problems if problem.problem != "unreachable"]
    (contact,) = set(chunk.contacts)
    return set(json.loads(contact).items())


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("field", FIELDS, ids=FIELD_NAMES)
def test_field_seals_itself_and_no_other(field: Field, way: Any) -> None:
    """A record with one field more seals that field, if a notice needs it, and nothing else."""
    more = _sealed(way({**LEAST, field.name: field.about.example})) - _sealed(way(LEAST))

    assert ({(field.name, field.about.example)} if field in SEALED else set()) == more


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("field", TEXTS, ids=[field.name for field in TEXTS])
def test_text_is_taken_up_to_its_limit(field: Field, way: Any) -> None:
    """A text as long as its limit is not too long, one that is a character longer is."""
    found = [
        {(problem.field, problem.problem) for problem in way({**LEAST, field.name: "x" * length}).problems}
        for length in (field.about.limit, field.about.limit + 1)
    ]

    assert (field.name, "too-long") not in found[0]
    assert (field.name, "too-long") in found[1]


def test_fields_are_those_of_the_interface() -> None:
    """The names are what sources send; content hashes rely on the order of the sealed.

    A new field may stand anywhere; those that are there keep their order.
    """
    sealed = (
        "initials givenName prefix familyName birthName partnerName birthDate street houseNumber houseLetter "
        "houseNumberAddition postcode city country careOf email portalId language addressee salutation addressLines "
        "role"
    )
    others = "memberRef bsn personKey dataCategories certainty deceased secretAddress notAtAddress"

    assert sealed.split() == [field.name for field in SEALED]
    assert {*sealed.split(), *others.split()} == set(FIELD_NAMES)
