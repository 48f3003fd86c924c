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
from dataclasses import dataclass
from itertools import starmap
from pathlib import Path

import msgspec

from services.core.channel import Channel
from services.dispatch.domain import (
    LETTERS_AS_DATA,
    LETTERS_AS_PDF,
    Ending,
    HandOver,
    Outage,
    Result,
    Round,
    Unprinted,
    Work,
)
from services.dispatch.letters.data import as_lines
from services.dispatch.letters.envelope import Envelope, envelope
from services.dispatch.letters.pdf import Typesetter
from services.dispatch.letters.print_job import PrintJob, print_job
from services.dispatch.wording.wording import Wordings

__all__ = ["PrintFolder", "manifest"]

logger = logging.getLogger(__name__)

_ACCEPTED = Result(Ending.ACCEPTED)
_NO_ADDRESS = Result(Ending.REFUSED, "no-address")
_AGAIN = Result(Ending.REPEAT)
_NOT_BEGUN = Result(Ending.NOT_SENT)


@dataclass(frozen=True, slots=True, repr=False)
class Content:
    """The main file of a print job, and by column where its letters lie in it: the first page and how many."""

    suffix: str
    body: bytes
    first_pages: Sequence[int]
    pages: Sequence[int]


class Letter(Unprinted, frozen=True):
    """What a manifest says of a letter."""

    notice_id: str
    attempt: int
    reference: str
    revision: int
    first_page: int
    pages: int
    kix: str


class Manifest(Unprinted, frozen=True):
    """What lies beside a batch's main file, which has this `sha256`."""

    batch_id: str
    incident_id: str
    created_at: str
    sha256: str
    letters: Sequence[Letter]


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
        found = [envelope(contact) for contact in work.contacts]
        envelopes = [one for one in found if one]
        sent, letters = HandOver([_ACCEPTED] * len(found)), work
        if len(envelopes) < len(found):
            sent = HandOver([_ACCEPTED if one else _NO_ADDRESS for one in found])
            letters = work.pick([row for row, one in enumerate(found) if one])
        try:
            if envelopes and not self._is_done(letters.round) and not self._write(letters, envelopes, go):
                return HandOver([_AGAIN] * len(work.contacts))
        except OSError as error:
            logger.warning("the print folder cannot be written to", extra={"error_class": type(error).__name__})
            return HandOver([_AGAIN] * len(work.contacts), Outage())
        return sent

    def _is_done(self, letters: Round) -> bool:
        return letters.batch is not None and (self._folder / f"{letters.batch.hex()}.done").exists()

    def _write(self, letters: Work, envelopes: Sequence[Envelope], go: Callable[[], bool]) -> bool:
        """Make the files and put them in place; returns False where the hand-over may not begin any more."""
        job = print_job(letters, envelopes, self._wordings)
        content = self._content(job)
        about = msgspec.json.encode(manifest(job, content, hashlib.sha256(content.body).hexdigest()))
        files = (
            (f"{job.name}{content.suffix}", content.body),
            (f"{job.name}.manifest.json", about),
            (f"{job.name}.done", hashlib.sha256(about).hexdigest().encode() + b"\n"),
        )
        if letters.round.repeated:
            self._remove_leftovers(job.name)
        return self._place(files, go)

    def _content(self, job: PrintJob) -> Content:
        if self._typesetter:
            pdf, extents = self._typesetter.set(job)
            first_pages, pages = zip(*extents, strict=True)
            return Content(".pdf", pdf, first_pages, pages)
        body, first = as_lines(job)
        count = len(job.notices)
        return Content(".ndjson", body, range(first, first + count), [1] * count)

    def _place(self, files: Sequence[tuple[str, bytes]], go: Callable[[], bool]) -> bool:
        hidden: list[Path] = []
        try:
            for name, body in files:
                path = self._folder / f".{name}.{os.getpid()}"
                hidden.append(path)
                write_synced(path, body)
            if not go():
                return False
            *contents, done = zip(hidden, files, strict=True)
            for named in (contents, [done]):
                for path, (name, body) in named:
                    _link(path, self._folder / name, body)
                sync_folder(self._folder)
            return True
        finally:
            for path in hidden:
                path.unlink(missing_ok=True)

    def _remove_leftovers(self, name: str) -> None:
        """Remove what a process that died left half written of this batch."""
        for path in self._folder.glob(f".{name}.*"):
            path.unlink(missing_ok=True)


def write_synced(path: Path, body: bytes) -> None:
    """Write a file, and return when it is on the disk. Raises OSError."""
    with path.open("wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())


def _link(written: Path, final: Path, body: bytes) -> None:
    """Return a written file its name. One that is there stands, if it is the same.

    Another one there can only be a batch that an older template began and never finished (no `.done`, so
    nobody may have used it): it is replaced, as the manifest must name what lies there.
    """
    try:
        os.link(written, final)
    except FileExistsError:
        if final.read_bytes() != body:
            written.replace(final)


def sync_folder(folder: Path) -> None:
    """Return when the names of a folder's files are on the disk. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def manifest(job: PrintJob, content: Content, sha256: str) -> Manifest:
    """Return the manifest of a print job; `sha256` is that of its main file.

    Where the main file is letters as data, `firstPage` is the letter's line, counted from 1.
    """
    letters = job.work.round
    notices = letters.notices
    rows = zip(
        job.notices,
        notices.attempts,
        job.references,
        notices.revisions,
        content.first_pages,
        content.pages,
        job.kix,
        strict=True,
    )
    return Manifest(
        batch_id=job.name,
        incident_id=notices.incident_id,
        created_at=letters.created_at.isoformat(timespec="milliseconds"),
        sha256=sha256,
        letters=list(starmap(Letter, rows)),
    )
