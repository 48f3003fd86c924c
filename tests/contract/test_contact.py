"""What intake seals of a person is what dispatch opens."""

import json

import msgspec
import pytest

from services.dispatch.codec import read_contact
from services.intake.records.fields import SEALED, Field
from services.intake.records.record import Record, contact_json
from services.rendering.contact import Contact

# Dispatch knows the language from its blocks, and no notice shows a birth date.
NOT_OPENED = {"birthDate", "language"}
OPENED = {field.encode_name: field.name for field in msgspec.structs.fields(Contact)}


def test_dispatch_reads_the_fields_that_intake_seals() -> None:
    """Each field that dispatch looks for is sealed under that name, and each sealed one is opened or excused here."""
    assert {field.name for field in SEALED} == OPENED.keys() | NOT_OPENED


@pytest.mark.parametrize("field", [f for f in SEALED if f.name in OPENED], ids=lambda field: field.name)
def test_sealed_field_is_opened_as_itself(field: Field) -> None:
    """What is sealed in a field comes out in the field of the same name, and changes no other."""
    opened = read_contact(contact_json(Record(**{field.attribute: field.about.example})))

    assert Contact(**{OPENED[field.name]: field.about.example}) == opened
    assert {field.name: field.about.example} == json.loads(
        contact_json(Record(**{field.attribute: field.about.example}))
    )
