"""Letters: batch files in the print folder, for a print house to fetch. A provider that knows our batch id.

Per batch `<batchId>.pdf` (or `.ndjson`), `<batchId>.manifest.json` and last `<batchId>.done`. Everything is
written and synced under hidden names first, so a full disk leaves nothing to be seen; then each file gets
its name by a link, which never replaces one that is there.
"""

import asyncio
import hashlib
import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from services.core.channel import Channel
from services.core.ids import format_reference
from services.dispatch.address import postal
from services.dispatch.channels.lines import Mark, as_lines
from services.dispatch.domain import (
    LETTERS_AS_DATA,
    LETTERS_AS_PDF,
    Ending,
    HandOver,
    Outage,
    Result,
    Round,
    Work,
)
from services.dispatch.kix import payload
from services.dispatch.typeset import Extent, Typesetter
from services.dispatch.wording import Wordings

__all__ = ["PrintFolder", "manifest"]

log = logging.getLogger(__name__)

_ACCEPTED = Result(Ending.ACCEPTED)
_NO_ADDRESS = Result(Ending.REFUSED, "no-address")
_AGAIN = Result(Ending.REPEAT)
_NOT_BEGUN = Result(Ending.NOT_SENT)


class Content(NamedTuple):
    """A batch's main file."""

    suffix: str
    body: bytes
    extents: list[Extent]
    marks: Sequence[Mark]


class PrintFolder:
    """Hands batches over as files. Its work is done in threads, so the event loop goes on meanwhile."""

    channel = Channel.LETTER
    name = "print"

    def __init__(self, folder: Path, letter_format: str = "pdf") -> None:
        as_data = letter_format == "ndjson"
        # A typesetter is used by one thread. Of letters as data one batch is put together while another one waits
        # for the disk. In either case one round more comes from the database, or goes to it.
        threads = 2 if as_data else 1
        self.rounds_at_once = threads + (2 if as_data else 1)
        self.batch_size = LETTERS_AS_DATA if as_data else LETTERS_AS_PDF
        self._folder = folder
        self._typesetter = None if as_data else Typesetter()
        self._wordings = Wordings(on_paper=True)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="letters")

    async def hand_over(self, work: Work, go: Callable[[], bool]) -> HandOver:
        """Write one batch. A folder that cannot be written to is an outage; the batch stays open."""
        if not go():
            return HandOver([_NOT_BEGUN] * len(work.contacts))
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._hand_over, work, go)

    async def close(self) -> None:
        """End the threads after the batches in hand."""
        self._threads.shutdown(wait=False)

    def _hand_over(self, work: Work, go: Callable[[], bool]) -> HandOver:
        can_be_sent = [postal(contact) for contact in work.contacts]
        sent = HandOver([_ACCEPTED if can else _NO_ADDRESS for can in can_be_sent])
        letters = work if all(can_be_sent) else work.pick([row for row, can in enumerate(can_be_sent) if can])
        try:
            if letters.contacts and not self._is_done(letters.round) and not self._write(letters, go):
                return HandOver([_AGAIN] * len(work.contacts))
        except OSError as error:
            log.warning("the print folder cannot be written to", extra={"error_class": type(error).__name__})
            return HandOver([_AGAIN] * len(work.contacts), Outage())
        return sent

    def _is_done(self, batch: Round) -> bool:
        return (self._folder / f"{_batch_id(batch)}.done").exists()

    def _write(self, letters: Work, go: Callable[[], bool]) -> bool:
        """Set the batch and put its files in place; gives False where the hand-over may not begin any more."""
        content = self._content(letters)
        name = _batch_id(letters.round)
        about = orjson.dumps(manifest(letters, content, hashlib.sha256(content.body).hexdigest()))
        files = (
            (f"{name}{content.suffix}", content.body),
            (f"{name}.manifest.json", about),
            (f"{name}.done", hashlib.sha256(about).hexdigest().encode() + b"\n"),
        )
        if letters.round.repeated:
            self._remove_leftovers(name)
        return self._place(files, go)

    def _content(self, letters: Work) -> Content:
        notices = letters.round.notices
        marks = [
            (notice.hex(), format_reference(notice), payload(contact))
            for notice, contact in zip(notices.ids, letters.contacts, strict=True)
        ]
        if self._typesetter:
            pdf, extents = self._typesetter.set(letters)
            return Content(".pdf", pdf, extents, marks)
        body, first = as_lines(letters, marks, self._wordings)
        return Content(".ndjson", body, [Extent(first + row, 1) for row in range(len(marks))], marks)

    def _place(self, files: Sequence[tuple[str, bytes]], go: Callable[[], bool]) -> bool:
        hidden: list[Path] = []
        try:
            for name, body in files:
                path = self._folder / f".{name}.{os.getpid()}"
                hidden.append(path)
                _write_synced(path, body)
            if not go():
                return False
            *contents, done = zip(hidden, files, strict=True)
            for named in (contents, [done]):
                for path, (name, body) in named:
                    _link(path, self._folder / name, body)
                _sync_folder(self._folder)
            return True
        finally:
            for path in hidden:
                path.unlink(missing_ok=True)

    def _remove_leftovers(self, name: str) -> None:
        """Remove what a process that died left half written of this batch."""
        for path in self._folder.glob(f".{name}.*"):
            path.unlink(missing_ok=True)


def _batch_id(batch: Round) -> str:
    if batch.batch is None:
        raise ValueError("a round of letters has a batch id")
    return batch.batch.hex()


def _write_synced(path: Path, body: bytes) -> None:
    with path.open("wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())


def _link(written: Path, final: Path, body: bytes) -> None:
    """Give a written file its name. One that is there stands, if it is the same.

    Another one there can only be a batch that an older template began and never finished (no `.done`, so
    nobody may have used it): it is replaced, as the manifest must name what lies there.
    """
    try:
        os.link(written, final)
    except FileExistsError:
        if final.read_bytes() != body:
            written.replace(final)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def manifest(letters: Work, content: Content, sha256: str) -> dict[str, Any]:
    """Give the manifest of a batch; `sha256` is that of its main file.

    In a batch of letters as data, `firstPage` is the letter's line, counted from 1.
    """
    notices = letters.round.notices
    rows = zip(notices.attempts, notices.revisions, content.marks, content.extents, strict=True)
    return {
        "batchId": _batch_id(letters.round),
        "incidentId": notices.incident_id,
        "createdAt": letters.round.created_at.isoformat(timespec="milliseconds"),
        "sha256": sha256,
        "letters": [
            {
                "noticeId": notice,
                "attempt": attempt,
                "reference": reference,
                "revision": revision,
                "firstPage": first_page,
                "pages": pages,
                "kix": kix,
            }
            for attempt, revision, (notice, reference, kix), (first_page, pages) in rows
        ],
    }
