"""An incident document in a file, read and looked at without a server."""

from collections.abc import Iterable
from typing import Any

import orjson

from services.cli.console import Fault
from services.core.incident import Incident
from services.wire.incident_document import InvalidDocument, parse_incident

__all__ = ["as_lines", "read_document", "read_incident"]


def read_document(body: bytes) -> Any:
    """Return a JSON document. Raises Fault, with the line of the error."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Fault(f"the document is not JSON: {error.msg} in line {error.lineno}", 2) from None


def read_incident(document: Any) -> Incident:
    """Return what a document says. Raises Fault with a line for each of its faults."""
    if isinstance(document, dict):
        document = {key: value for key, value in document.items() if key != "incidentId"}  # as `incident put` takes it
    try:
        return parse_incident("document", 1, document)
    except InvalidDocument as error:
        raise Fault("\n".join(as_lines(error.problems)), 1) from None


def as_lines(problems: Iterable[dict[str, str]]) -> list[str]:
    """Return problems as lines, each with its place."""
    return [f"{problem['field'] or 'document'}: {problem['problem']}" for problem in problems]
