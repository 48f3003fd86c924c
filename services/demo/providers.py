"""The providers' own records: what they were handed, by whom it is for. Nothing here looks into Heraut."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from email import message_from_string
from email.message import Message
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pypdfium2

from services.demo.people import Person
from services.demo.reading import Told, address_block, read_notice
from services.demo.records import EMAIL_FILE, PORTAL_FILE, read_records

__all__ = ["AddressBook", "HandOver", "emails", "letters", "portal_messages"]


@dataclass(frozen=True, slots=True)
class HandOver:
    """One notice that a provider took. `person` is None where nobody made up is found for it.

    `notice` is what makes one notice differ from another: its id or reference. `fault` says what the
    provider's record itself has wrong.
    """

    channel: str
    at: int  # ms since 1970, by the provider's clock
    person: int | None
    notice: str
    told: Told
    fault: str | None = None


class AddressBook:
    """Finds made-up people by what a provider knows of them."""

    def __init__(self, people: Iterable[Person]) -> None:
        self.by_email: dict[str, int] = {}
        self.by_portal: dict[str, int] = {}
        self.by_address: dict[tuple[str, str, str], int] = {}
        for person in people:
            if person.email:
                self.by_email[person.email.lower()] = person.number
            if person.portal_id:
                self.by_portal[person.portal_id] = person.number
            self.by_address[address_block(person)] = person.number

    def at_address(self, lines: Sequence[str]) -> int | None:
        """Find the one person whose name and address stand one under the other in these lines."""
        found = {self.by_address.get(block) for block in zip(lines, lines[1:], lines[2:], strict=False)} - {None}
        return found.pop() if len(found) == 1 else None


def portal_messages(records: Path, book: AddressBook) -> Iterator[HandOver]:
    """Return what the portal took."""
    for record in read_records(records / PORTAL_FILE):
        told = read_notice(f"{record['body']}\n")
        fault = None if record["reference"] in told.references else "reference"
        number = book.by_portal.get(record["recipient"])
        yield HandOver("portal", record["at"], number, record["reference"], told, fault)


def emails(records: Path, book: AddressBook) -> Iterator[HandOver]:
    """Return what the mail server took."""
    for record in read_records(records / EMAIL_FILE):
        # The older policy of the library: it leaves headers alone, and so takes a quarter of the time.
        message = message_from_string(record["message"])
        addressed = str(message["To"] or "").rpartition("<")[2].rstrip("> ")
        recipient = record["recipient"].lower()
        fault = None if addressed.lower() == recipient else "addressee"
        told, notice = read_notice(f"{_text_part(message)}\n"), str(message["X-Heraut-Notice"])
        yield HandOver("email", record["at"], book.by_email.get(recipient), notice, told, fault)


def _text_part(message: Message) -> str:
    """Return the plain text of a message, empty where it has none."""
    for part in message.walk():
        if part.get_content_type() == "text/plain":
            content = part.get_payload(decode=True)
            if isinstance(content, bytes):
                return content.decode(part.get_content_charset("utf-8"), "replace")
    return ""


class _Letter(NamedTuple):
    """A letter as it lies in a print file, not yet matched to a person."""

    lines: list[str]
    notice: str
    told: Told
    fault: str | None


def letters(print_dir: Path, incident_id: str, book: AddressBook, workers: Executor) -> Iterator[HandOver]:
    """Return the letters of all finished batches of an incident; a file without its `.done` does not count.

    Reading PDF takes a millisecond a letter, so `workers` (processes) share the batches out.
    """
    done = sorted(print_dir.glob("*.done"))
    for marker, batch in zip(done, workers.map(_read_batch, done, [incident_id] * len(done)), strict=True):
        at = int(marker.stat().st_mtime * 1000)
        for letter in batch:
            yield HandOver("letter", at, book.at_address(letter.lines), letter.notice, letter.told, letter.fault)


def _read_batch(marker: Path, incident_id: str) -> list[_Letter]:
    manifest = orjson.loads(marker.with_suffix(".manifest.json").read_bytes())
    if manifest["incidentId"] != incident_id:
        return []
    pdf = marker.with_suffix(".pdf")
    if not pdf.exists():
        return _read_data(marker.with_suffix(".ndjson"), manifest)
    content = pdf.read_bytes()
    torn = hashlib.sha256(content).hexdigest() != manifest["sha256"]
    return [_read_letter(text, entry, torn=torn) for text, entry in _pages(content, manifest)]


def _pages(content: bytes, manifest: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Return the text of each letter's first page; address, greeting and data all stand there or on the next."""
    document = pypdfium2.PdfDocument(content)
    try:
        for entry in manifest["letters"]:
            first = entry["firstPage"] - 1
            text = _text_of(document, first)
            if entry["pages"] > 1 and not read_notice(text).facts.exposed:
                text += "\n" + _text_of(document, first + 1)
            yield text, entry
    finally:
        document.close()


def _text_of(document: pypdfium2.PdfDocument, number: int) -> str:
    page = document[number]
    part = page.get_textpage()
    try:
        return str(part.get_text_bounded())
    finally:
        part.close()
        page.close()


def _read_letter(text: str, entry: dict[str, Any], *, torn: bool) -> _Letter:
    told = read_notice(text)
    lines = [" ".join(line.split()) for line in text.splitlines()]
    fault = "hash" if torn else None if entry["reference"] in told.references else "reference"
    return _Letter(lines, entry["noticeId"], told, fault)


def _read_data(path: Path, manifest: dict[str, Any]) -> list[_Letter]:
    """Read letters as data (HERAUT_LETTER_FORMAT=ndjson): a letter's own line, then the one of the words it shares."""
    content = path.read_bytes()
    torn = hashlib.sha256(content).hexdigest() != manifest["sha256"]
    values = [orjson.loads(line) for line in content.splitlines()]
    shared = {value["wordingId"]: "\n".join(_strings(value)) for value in values if "wording" in value}
    return [
        _read_letter(_composed(values[entry["firstPage"] - 1], shared), entry, torn=torn)
        for entry in manifest["letters"]
    ]


def _composed(letter: dict[str, Any], shared: dict[int, str]) -> str:
    return "\n".join(_strings(letter)) + "\n" + shared[letter["wordingId"]] + "\n"


def _strings(value: Any) -> Iterator[str]:
    """Return every text in a JSON value, in its order."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)
