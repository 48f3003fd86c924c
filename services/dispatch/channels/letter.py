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
from services.dispatch.domain import Ending, HandOver, Outage, Result, Round, Work
from services.dispatch.kix import payload
from services.dispatch.typeset import Extent, Typesetter, batch_of, sender_of, words_of
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


class PrintFolder:
    """Hands batches over as files. Its work is done in one thread, so the event loop goes on meanwhile."""

    channel = Channel.LETTER
    name = "print"
    rounds_at_once = 2  # one being set, one on its way from or to the database

    def __init__(self, folder: Path, letter_format: str = "pdf") -> None:
        self._folder = folder
        self._typesetter = Typesetter() if letter_format == "pdf" else None
        self._wordings = Wordings(on_paper=True)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="letters")

    async def hand_over(self, work: Work, go: Callable[[], bool]) -> HandOver:
        """Write one batch. A folder that cannot be written to is an outage; the batch stays open."""
        if not go():
            return HandOver([_NOT_BEGUN] * len(work.contacts))
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._hand_over, work, go)

    async def close(self) -> None:
        """End the thread after the batch in hand."""
        self._thread.shutdown(wait=False)

    def _hand_over(self, work: Work, go: Callable[[], bool]) -> HandOver:
        can_be_sent = [postal(contact) for contact in work.contacts]
        sent = HandOver([_ACCEPTED if can else _NO_ADDRESS for can in can_be_sent])
        letters = work.pick([row for row, can in enumerate(can_be_sent) if can])
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
        about = orjson.dumps(manifest(letters, content.extents, hashlib.sha256(content.body).hexdigest()))
        files = (
            (f"{name}{content.suffix}", content.body),
            (f"{name}.manifest.json", about),
            (f"{name}.done", hashlib.sha256(about).hexdigest().encode() + b"\n"),
        )
        if letters.round.repeated:
            self._remove_leftovers(name)
        return self._place(files, go)

    def _content(self, letters: Work) -> Content:
        if self._typesetter:
            pdf, extents = self._typesetter.set(letters)
            return Content(".pdf", pdf, extents)
        lines = as_lines(letters, self._wordings)
        return Content(".ndjson", lines, [Extent(at, 1) for at in range(1, len(letters.contacts) + 1)])

    def _place(self, files: Sequence[tuple[str, bytes]], go: Callable[[], bool]) -> bool:
        hidden: list[Path] = []
        try:
            for name, body in files:
                path = self._folder / f".{name}.{os.getpid()}"
                hidden.append(path)
                _write_synced(path, body)
            if not go():
                return False
            for path, (name, body) in zip(hidden, files, strict=True):
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


def manifest(letters: Work, extents: Sequence[Extent], sha256: str) -> dict[str, Any]:
    """Give the manifest of a batch; `sha256` is that of its main file.

    In a batch of letters as data, `firstPage` is the letter's line, counted from 1.
    """
    notices = letters.round.notices
    return {
        "batchId": _batch_id(letters.round),
        "incidentId": notices.incident_id,
        "createdAt": letters.round.created_at.isoformat(timespec="milliseconds"),
        "sha256": sha256,
        "letters": [
            {
                "noticeId": notices.ids[row].hex(),
                "attempt": notices.attempts[row],
                "reference": format_reference(notices.ids[row]),
                "revision": notices.revisions[row],
                "firstPage": extents[row].first_page,
                "pages": extents[row].pages,
                "kix": payload(contact),
            }
            for row, contact in enumerate(letters.contacts)
        ],
    }


def as_lines(letters: Work, wordings: Wordings) -> bytes:
    """Give the letters as data, one JSON object a line, for print houses that compose themselves."""
    batch = batch_of(letters, wordings)
    notices = letters.round.notices
    sender = orjson.Fragment(orjson.dumps(sender_of(letters.incident)))
    # The words that many letters share are turned into JSON once.
    shared = [orjson.Fragment(orjson.dumps(words_of(wording))) for wording in batch.wordings.values()]
    lines = []
    for row, letter in enumerate(batch.letters):
        own = {
            "noticeId": notices.ids[row].hex(),
            "attempt": notices.attempts[row],
            "reference": letter["reference"],
            "supplementTo": letter["earlier"],
            "revision": notices.revisions[row],
            "date": letter["date"],
            "address": letter["address"],
            "kix": payload(letters.contacts[row]),
            "greeting": letter["greeting"],
            "sender": sender,
            "wording": shared[letter["form"]],
        }
        lines.append(orjson.dumps(own, option=orjson.OPT_APPEND_NEWLINE))
    return b"".join(lines)
