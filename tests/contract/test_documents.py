"""What is published about documents and routes is whole, valid and fresh."""

import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import orjson
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from services.intake.openapi import OPENAPI as INTAKE
from services.intake.records.fields import FIELDS
from services.intake.records.schema import MEMBER_SCHEMA
from services.kit.process import described
from services.tracking.openapi import OPENAPI as TRACKING
from services.wire.incident_schema import INCIDENT_SCHEMAS

PROTO = Path(__file__).parents[2] / "proto"
DOCUMENTS = {"intake": INTAKE, "tracking": TRACKING, "routing": described("Heraut routing", "Figures.", {}, {})}


@pytest.fixture(scope="module")
def documents() -> Iterator[ModuleType]:
    """Return the script that makes the pages."""
    spec = importlib.util.spec_from_file_location("proto_documents", PROTO / "documents.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_openapi_is_valid(name: str) -> None:
    """Tools of others read it, with examples that its own schemas take."""
    OpenAPIV31SpecValidator(DOCUMENTS[name]).validate()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_schema_is_empty(name: str) -> None:
    """A schema that says nothing of its fields helps nobody."""
    schemas = DOCUMENTS[name]["components"]["schemas"]

    bare = [
        key for key, one in schemas.items() if not {"properties", "allOf", "anyOf", "additionalProperties"} & {*one}
    ]
    assert [] == bare


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_operation_has_a_name_and_says_who_may_not(name: str) -> None:
    """Generated clients name their functions by it, and expect the problems that may come."""
    operations = [
        one for path in DOCUMENTS[name]["paths"].values() for key, one in path.items() if key in {"get", "put", "post"}
    ]
    names = [one.get("operationId") for one in operations]
    guarded = [one for one in operations if one.get("security") != []]

    assert len(set(names)) == len(names)
    assert None not in names
    assert [] == [one["operationId"] for one in guarded if not {"401", "403", "503"} <= {*one["responses"]}]


def test_pages_are_fresh(documents: ModuleType) -> None:
    """What a reader sees is what intake checks with."""
    made = documents.files()

    assert made == {path.name: path.read_bytes() for path in documents.FOLDER.iterdir()}


@pytest.mark.parametrize("name", ["incident", "member"])
def test_schema_files_are_json_schemas(documents: ModuleType, name: str) -> None:
    """An editor that is given the file completes and checks documents with it."""
    schema = orjson.loads(documents.files()[f"{name}.schema.json"])

    Draft202012Validator.check_schema(schema)
    refs = re.findall(r'"\$ref":"#/\$defs/(\w+)"', orjson.dumps(schema).decode())
    assert set(refs) == set(schema.get("$defs", {}))


@pytest.mark.parametrize("name", ["IncidentDocument", "Controller", "DataCategory", "Content", "When", "Exception"])
def test_every_field_has_a_meaning_and_an_example(name: str) -> None:
    """A newcomer guesses no field."""
    silent = [
        key
        for key, field in INCIDENT_SCHEMAS[name]["properties"].items()
        if "description" not in field or not ("examples" in field or "$ref" in field or "items" in field)
    ]

    assert [] == silent


def test_examples_of_a_record_are_taken_as_they_stand() -> None:
    """What the page shows is valid by the schema, and to intake's own reader."""
    example: dict[str, Any] = {field.name: field.about.example for field in FIELDS}

    Draft202012Validator(MEMBER_SCHEMA).validate(example)
    assert {*example} == {*MEMBER_SCHEMA["properties"]}
