"""Rule 1: every room has the same files, and what differs says why."""

from pathlib import Path

import pytest

from services.core.rooms import ROOMS

ROOT = Path(__file__).parents[2]

FILES = frozenset(
    {"README.md", "__init__.py", "__main__.py", "app.py", "handlers.py", "codec.py", "metrics.py", "config.py"}
    | {"domain.py", "errors.py", "store.py", "queries.sql", "schema.sql", "migrations"}
)
# Files beyond the common ones, each with its reason, and common ones that a room does without.
EXTRA = {
    "intake": {
        "api.py": "uploads come over HTTP",
        "openapi.py": "what its routes promise",
        "changes.py": "what may change of incidents and cohorts: decisions apart from those over records",
        "control.py": "the use case of operators: incidents, cohorts, seals, releases",
        "upload.py": "the use case of sources: a body read as it comes",
        "taking.py": "the transaction that both uploads and events end in",
        "cloudevents.py": "the other way in: events from upstream systems",
        "inflate.py": "bytes to bytes: gzip, bounded",
        "lines.py": "bytes to lines",
        "records.py": "lines to named fields",
        "validation.py": "fields to a record that can be taken, or its faults",
        "sheets.py": "the same over many rows of CSV at once, column by column",
        "chunks.py": "records to columns",
        "identity.py": "whose record it is",
        "email.py": "which addresses can be written to",
        "countries.py": "data",
    },
    "routing": {},
    "deduplication": {
        "batch.py": "nearly everybody is new: decided over columns, not one by one",
    },
    "dispatch": {
        "channels": "an adapter for each channel",
        "sender.py": "intent, hand-over, outcome: the job beside the stage",
        "unsealing.py": "contact data out of the vault",
        "wording.py": "what a notice says",
        "phrases": "its fixed phrases by language",
        "message.py": "a notice as text and as e-mail",
        "typeset.py": "letters as PDF",
        "form.typ": "the part of a letter that many share",
        "letterhead.typ": "what both halves of a letter share",
        "letters.typ": "a batch of letters",
        "fonts": "the letters' type, with its licence",
        "address.py": "how an address is written",
        "countries.json": "data",
        "kix.py": "PostNL's bar code",
        "envelope.py": "both of these at once, for nearly everybody",
    },
    "tracking": {
        "api.py": "the ledger is read over HTTP",
        "openapi.json": "what its routes promise",
        "ledger.py": "the equations, apart from the states of notices",
        "page.py": "the ledger for people",
        "page.css": "how it looks",
    },
}
WITHOUT = {
    # Routing decides from the block alone: it keeps no state beyond the stage's own tables.
    "routing": {"store.py", "queries.sql", "schema.sql", "migrations"},
}


@pytest.mark.parametrize("room", ROOMS)
def test_room_has_exactly_the_files_of_every_room(room: str) -> None:
    """A reader who knows one room knows them all."""
    found = {path.name for path in (ROOT / "services" / room).iterdir() if path.name != "__pycache__"}

    assert (FILES | EXTRA[room].keys()) - WITHOUT.get(room, set()) == found
