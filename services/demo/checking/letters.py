"""Letters, read from the print folder as a print house would: PDF, or letters as data."""

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pypdfium2

from services.demo.checking.hand_over import AddressBook, HandOver
from services.demo.checking.reading import Told, lists_end, read_notice

__all__ = ["letter_readers", "letters"]

# A batch of some hundreds of letters is read in half a second; a process starts in two.
_BATCHES_WORTH_PROCESSES = 20


def letter_readers(print_dir: Path) -> Executor:
    """Return workers for `letters`: processes where reading takes longer than starting them, else a thread."""
    if sum(1 for _ in print_dir.glob("*.done")) < _BATCHES_WORTH_PROCESSES:
        return ThreadPoolExecutor(1)  # not more: only one thread at a time may use the PDF library
    # Spawned, not forked: this process has threads.
    return ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn"))


class _Letter(NamedTuple):
    """A letter of a print file, before those at its address are found."""

    lines: list[str]
    notice: str
    told: Told
    fault: str | None


def letters(print_dir: Path, incident_id: str, book: AddressBook, workers: Executor) -> Iterator[HandOver]:
    """Return the letters of an incident in all finished batches, which are those with a `.done` file.

    Reading a letter from PDF takes a millisecond, so the `workers` read batches side by side.
    """
    done = sorted(print_dir.glob("*.done"))
    for marker, batch in zip(done, workers.map(_read_batch, done, [incident_id] * len(done)), strict=True):
        at = int(marker.stat().st_mtime * 1000)
        for letter in batch:
            yield HandOver("letter", at, book.at_address(letter.lines), letter.notice, letter.told, letter.fault)


def _read_batch(marker: Path, incident_id: str) -> list[_Letter]:
    """Return the letters of one batch, none where it is another incident's. `marker` is its `.done` file."""
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
    """Return the text and the manifest's entry of each letter.

    The text is that of its first page, and of its second one where the lists of data do not end before it.
    """
    document = pypdfium2.PdfDocument(content)
    try:
        for entry in manifest["letters"]:
            first = entry["firstPage"] - 1
            text = _text_of(document, first)
            if entry["pages"] > 1 and not lists_end(text):
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
    """Return the letters of an NDJSON file (HERAUT_LETTER_FORMAT=ndjson), where letters share lines of wording."""
    content = path.read_bytes()
    torn = hashlib.sha256(content).hexdigest() != manifest["sha256"]
    values = [orjson.loads(line) for line in content.splitlines()]
    shared = {value["wordingId"]: "\n".join(_strings(value)) for value in values if "wording" in value}
    return [
        _read_letter(_composed(values[entry["firstPage"] - 1], shared), entry, torn=torn)
        for entry in manifest["letters"]
    ]


def _composed(letter: dict[str, Any], shared: dict[int, str]) -> str:
    """Return the text of a letter: its own line, then the wording that it shares with others."""
    return "\n".join(_strings(letter)) + "\n" + shared[letter["wordingId"]] + "\n"


def _strings(value: Any) -> Iterator[str]:
    """Return the texts of a JSON value in order."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)
