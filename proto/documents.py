"""Make the pages and JSON Schemas of what people write, and the page of settings.

`python proto/documents.py`, or `--check` for freshness. Pages and schemas come from the definitions that intake
checks with: `wire.incident_schema`, and `intake.records.fields`.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from services.cli import settings_list
from services.intake.records.schema import MEMBER_SCHEMA
from services.wire.incident_schema import INCIDENT_SCHEMAS

FOLDER = Path(__file__).resolve().parent / "documents"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_REF = "#/components/schemas/"
_MADE = "<!-- Made by proto/documents.py; do not edit. -->\n"
_FORMS = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}

Schema = Mapping[str, Any]


class Page(NamedTuple):
    """One document that people write: its schema by the name of its root, and what stands above its fields."""

    name: str
    root: str
    schemas: Mapping[str, Schema]
    about: str


PAGES = (
    Page(
        "incident",
        "IncidentDocument",
        INCIDENT_SCHEMAS,
        "# The incident document\n\n"
        "What `heraut incident put FILE` and `PUT /v1/incidents/{incidentId}` take. `heraut incident template` prints\n"
        "a whole one, `heraut incident check FILE` tells what is wrong with yours. A field that is not listed is an\n"
        "error; a field that may be null may as well be left out. *Text by language* is an object with a text for\n"
        'each language of the incident: `{"nl": "...", "en": "..."}`.\n',
    ),
    Page(
        "member",
        "Member",
        {"Member": MEMBER_SCHEMA},
        "# The member record\n\n"
        "A line of NDJSON, a row of CSV with the same names as columns, or the data of an event. `heraut cohort\n"
        "template` prints a CSV with a line of each kind, `heraut cohort check FILE` tells what is wrong with yours.\n"
        "A record says whom it is about by `bsn`, by `personKey`, or by `familyName`, `birthDate`, `postcode` and\n"
        "`houseNumber` together, where `birthName`, else `partnerName`, stands for a `familyName` that is not given.\n"
        "\n"
        "`familyName`, with `prefix` before it, is the name that the person uses. It is printed as it is given,\n"
        "whatever else the record has: `birthName` and `partnerName` say what somebody may be called, and not what\n"
        "they chose to be called (the *naamgebruik* of the BRP, which is no field of a record). A letter under a\n"
        "name that somebody does not use is worse than one under a plain name: with `familyName` Vries, `birthName`\n"
        "de Vries and `partnerName` Jansen it goes to Vries. Leave `familyName` out where you do not know which\n"
        "name is used: it is then made of the other two (`Jansen-de Vries`), or of the one that is given, and the\n"
        "record is as whole as any other. Both have their prefixes in them; a `prefix` beside them goes before the\n"
        "`birthName`, or before the `partnerName` where that stands alone.\n"
        "\n"
        "In CSV all is text, a list has `|` between, and an empty cell is a field that is not given. What is taken\n"
        "as well, and the codes of what is not: [intake](../../services/intake/README.md).\n",
    ),
)


def files() -> dict[str, bytes]:
    """Return what is made, by the name of its file."""
    made = {}
    for page in PAGES:
        made[f"{page.name}.md"] = _page(page).encode()
        made[f"{page.name}.schema.json"] = _schema_file(page)
    made["settings.md"] = (_MADE + settings_list.page()).encode()
    return made


def _schema_file(page: Page) -> bytes:
    """Return the schema of one document alone, its parts as `$defs`."""
    text = orjson.dumps(page.schemas).decode().replace(f'"{_REF}', '"#/$defs/')
    parts = orjson.loads(text)
    root = parts.pop(page.root)
    whole = {"$schema": _DIALECT, "$id": f"urn:heraut:schema:{page.name}", "title": page.root, **root}
    return orjson.dumps(whole | ({"$defs": parts} if parts else {}), option=orjson.OPT_INDENT_2) + b"\n"


def _page(page: Page) -> str:
    rows = "".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |\n"
        for row in _fields(page.schemas, page.schemas[page.root], "")
    )
    head = "| field | required | form | meaning | example |\n|---|---|---|---|---|\n"
    return f"{_MADE}{page.about}\n{head}{rows}"


def _fields(schemas: Mapping[str, Schema], schema: Schema, path: str) -> Iterator[tuple[str, ...]]:
    """Return a row for each field, and below it those of the objects that it holds."""
    required = set(schema.get("required", ()))
    for name, field in schema["properties"].items():
        whole = _resolved(schemas, field)
        example = field.get("examples") or whole.get("examples")
        yield (
            f"`{path}{name}`",
            "yes" if name in required else "",
            _form(schemas, field),
            str(field.get("description") or whole.get("description", "")),
            f"`{orjson.dumps(example[0]).decode()}`" if example else "",
        )
        below, inside = (_resolved(schemas, whole["items"]), "[].") if "items" in whole else (whole, ".")
        if "properties" in below:
            yield from _fields(schemas, below, f"{path}{name}{inside}")


def _resolved(schemas: Mapping[str, Schema], field: Schema) -> Schema:
    """Return what a field refers to; of several forms the object among them."""
    for one in (field, *field.get("anyOf", ())):
        if "$ref" in one:
            return schemas[one["$ref"].removeprefix(_REF)]
    return field


def _form(schemas: Mapping[str, Schema], field: Schema) -> str:
    if "anyOf" in field:
        return " or ".join(dict.fromkeys(_form(schemas, one) for one in field["anyOf"]))
    if field.get("$ref") == f"{_REF}TextByLanguage":
        return "text by language"
    field = _resolved(schemas, field)
    if "enum" in field:
        return " or ".join("null" if word is None else f"`{word}`" for word in field["enum"])
    types = field["type"] if isinstance(field["type"], list) else [field["type"]]
    return _with_limits(" or ".join(_named(schemas, field, one) for one in types), field)


def _named(schemas: Mapping[str, Schema], field: Schema, one: str) -> str:
    if one == "array":
        return f"list of {_form(schemas, field['items'])}"
    if one == "string" and field.get("format") == "date-time":
        return "time"
    return _FORMS.get(one, one)


def _with_limits(form: str, field: Schema) -> str:
    limits = [
        words.format(field[key])
        for key, words in (
            ("minItems", "at least {}"),
            ("maxItems", "at most {}"),
            ("maxLength", "at most {} characters"),
            ("minimum", "from {}"),
            ("exclusiveMinimum", "over {}"),
            ("maximum", "to {}"),
            ("default", "left out: `{}`"),
        )
        if key in field
    ]
    return f"{form}; {', '.join(limits)}" if limits else form


def main() -> int:
    """Write the files, or with `--check` return 1 where one of them is not what would be written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, and tell what is not fresh")
    checked = parser.parse_args().check
    stale = [name for name, body in files().items() if not _is(FOLDER / name, body)]
    if not checked:
        FOLDER.mkdir(exist_ok=True)
        for name in stale:
            (FOLDER / name).write_bytes(files()[name])
    for name in stale:
        print(f"{'not fresh' if checked else 'written'}: proto/documents/{name}")
    return 1 if checked and stale else 0


def _is(path: Path, body: bytes) -> bool:
    return path.exists() and path.read_bytes() == body


if __name__ == "__main__":
    sys.exit(main())
