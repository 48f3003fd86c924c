"""Letters: a print job is files in the print folder, for a print house to fetch. The folder knows our id of the job.

A job is `<batchId>.pdf` (or `.ndjson`), `<batchId>.manifest.json` and last `<batchId>.done`. All are written and
synced under hidden names first, so a full disk leaves nothing to be seen. Then each file gets its name by a link, which
never replaces a file that is there.
"""

import asyncio
import hashlib
import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import msgspec
import typst

from services.core.channel import Channel
from services.core.clock import Clock
from services.core.notices import BLOCK_ENTRIES
from services.core.status import unprintable
from services.dispatch.blame import Blame
from services.dispatch.config import LetterConfig
from services.dispatch.domain import Round, Work
from services.dispatch.outcomes import Ending, HandOver, Outage, Result
from services.dispatch.provider import Provider, ProviderClass, Traits
from services.kit.folders import Folder, make_folder, open_folder
from services.rendering.contact import Contact
from services.rendering.letters.address import in_delivery_order
from services.rendering.letters.data import as_lines
from services.rendering.letters.envelope import Envelope, envelope
from services.rendering.letters.fitting import Fitted, address_box, at_full_size, fit_envelope
from services.rendering.letters.manifest import Content, as_table, manifest
from services.rendering.letters.pdf import Typesetter
from services.rendering.letters.print_job import PrintJob, print_job
from services.rendering.letters.profile import Profile, UnfitError
from services.rendering.letters.profile_file import USUAL_PROFILE
from services.rendering.letters.unprintable import unprintable_in
from services.rendering.wording.wording import Wordings

__all__ = ["AS_DATA", "AS_PDF", "PrintFolder", "open_provider"]

logger = logging.getLogger(__name__)

# A print house handles some hundreds of letters as one job; more makes a repeat after a crash long. The typesetter is
# used by one thread. One round more comes from the database, or goes to it, meanwhile.
AS_PDF = Traits(
    channel=Channel.LETTER,
    name="print",
    provider_class=ProviderClass.IDEMPOTENT,
    rounds_at_once=2,
    batch_size=256,
    makes_files=True,
    linger=timedelta(seconds=1),
)
# Four of the largest blocks that come in: files to sync and transactions cost as much for one letter as for thousands.
# One round is put together while another one waits for the disk, and two are at the database.
AS_DATA = replace(AS_PDF, rounds_at_once=4, batch_size=4 * BLOCK_ENTRIES)

_ACCEPTED = Result(Ending.ACCEPTED)
_NO_ADDRESS = Result(Ending.REFUSED, "no-address")
_UNMADE = Result(Ending.HELD, "unmade", Blame.CONTENT)  # of a document that was taken before it was proved
_AGAIN = Result(Ending.REPEAT)
_NOT_BEGUN = Result(Ending.NOT_SENT)


def open_provider(config: LetterConfig, _: Clock) -> Provider:
    """Return the print folder that the settings name, made where it is not there yet."""
    folder = config.print_dir or config.data_dir / "print"
    make_folder(folder, group=config.print_group)
    return PrintFolder(folder, config.letter_format, config.print_group, config.print_profile)


class PrintFolder:
    """Hands print jobs over as files. Threads do its work, so that the event loop goes on meanwhile."""

    def __init__(
        self, folder: Path, letter_format: str | None = None, group: int | None = None, profile: Profile = USUAL_PROFILE
    ) -> None:
        """`letter_format` is another one than the profile's. `group` may read what is written; None = nobody else."""
        as_data = (letter_format or profile.file.format) == "ndjson"
        traits = AS_DATA if as_data else AS_PDF
        self.traits = replace(traits, batch_size=min(profile.file.letters or traits.batch_size, traits.batch_size))
        self._folder, self._group, self._profile = folder, group, profile
        self._typesetter = None if as_data else Typesetter(profile)
        self._fit = at_full_size if as_data else partial(fit_envelope, box=address_box(profile))
        self._wordings = Wordings(on_paper=True)
        self._threads = ThreadPoolExecutor(2 if as_data else 1, thread_name_prefix="letters")

    async def hand_over(self, work: Work, go: Callable[[], bool]) -> HandOver:
        """Write one print job. A folder that cannot be written to is an outage, and the job stays open."""
        if not go():
            return HandOver([_NOT_BEGUN] * len(work.contacts))
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._hand_over, work, go)

    async def close(self) -> None:
        """End the threads after the jobs in hand."""
        self._threads.shutdown(wait=False)

    def _hand_over(self, work: Work, go: Callable[[], bool]) -> HandOver:
        addressed = [envelope(contact) for contact in work.contacts]
        found = [one and self._fit(one) for one in addressed]
        sent, letters, envelopes = HandOver([_ACCEPTED] * len(found)), work, [one for one in found if one]
        if len(envelopes) < len(found):
            rows = zip(work.contacts, addressed, found, strict=True)
            sent = HandOver([_ACCEPTED if one else _refused(contact, lines) for contact, lines, one in rows])
            letters = work.pick([row for row, one in enumerate(found) if one])
        if self._profile.file.order == "postcode":
            order = in_delivery_order(letters.contacts)
            letters, envelopes = letters.pick(order), [envelopes[row] for row in order]
        try:
            if envelopes and not self._print(letters, envelopes, go):
                return HandOver([_AGAIN] * len(work.contacts))
        except (UnfitError, typst.TypstError):
            logger.exception("letters cannot be set", extra={"incident_id": work.incident.incident_id})
            return HandOver([_UNMADE] * len(work.contacts))
        except OSError as error:
            logger.warning("the print folder cannot be written to", extra={"error_class": type(error).__name__})
            return HandOver([_AGAIN] * len(work.contacts), Outage())
        return sent

    def _print(self, letters: Work, envelopes: Sequence[Fitted], go: Callable[[], bool]) -> bool:
        """Put the files in place, all in the folder as it was opened, unless they are there.

        Returns False where the hand-over may not begin any more.
        """
        with open_folder(self._folder) as folder:
            return _is_done(folder, letters.round) or self._write(folder, letters, envelopes, go)

    def _write(self, folder: Folder, letters: Work, envelopes: Sequence[Fitted], go: Callable[[], bool]) -> bool:
        """Make the files and put them in place; returns False where the hand-over may not begin any more."""
        job = print_job(letters.name, letters, envelopes, self._wordings, letters.round.created_at)
        content = self._content(job)
        said = manifest(job, content, hashlib.sha256(content.body).hexdigest(), self._profile)
        about = msgspec.json.encode(said)
        table = [(f"{job.name}.manifest.csv", as_table(said))] if "csv" in self._profile.file.manifest else []
        files = (
            (f"{job.name}{content.suffix}", content.body),
            *table,
            (f"{job.name}.manifest.json", about),
            (f"{job.name}.done", hashlib.sha256(about).hexdigest().encode() + b"\n"),
        )
        if letters.round.repeated:
            _remove_leftovers(folder, job.name)
        return self._place(folder, files, go)

    def _content(self, job: PrintJob) -> Content:
        if self._typesetter:
            pdf, extents = self._typesetter.set(job)
            most = self._profile.file.most_bytes
            if most is not None and len(pdf) > most:
                raise UnfitError("content", f"makes a file of {len(pdf)} bytes; the print house takes {most}")
            first_pages, pages = zip(*extents, strict=True)
            return Content(".pdf", pdf, first_pages, pages)
        body, first = as_lines(job)
        count = len(job.notices)
        return Content(".ndjson", body, range(first, first + count), [1] * count)

    def _place(self, folder: Folder, files: Sequence[tuple[str, bytes]], go: Callable[[], bool]) -> bool:
        hidden: list[str] = []
        try:
            for name, body in files:
                hidden.append(f".{name}.{os.getpid()}")
                folder.write_synced(hidden[-1], body, group=self._group)
            if not go():
                return False
            *contents, done = zip(hidden, files, strict=True)
            for named in (contents, [done]):
                for written, (name, body) in named:
                    _link(folder, written, name, body)
                folder.sync()
            return True
        finally:
            for written in hidden:
                folder.remove(written)


def _is_done(folder: Folder, letters: Round) -> bool:
    return letters.print_job is not None and folder.read_own(f"{letters.print_job.hex()}.done") is not None


def _remove_leftovers(folder: Folder, name: str) -> None:
    """Remove the hidden files of this job that a process left when it died."""
    for left in folder.names():
        if left.startswith(f".{name}."):
            folder.remove(left)


def _refused(contact: Contact, lines: Envelope | None) -> Result:
    """Return how the hand-over of a letter ends that is not printed."""
    return Result(Ending.REFUSED, unprintable(unprintable_in(contact))) if lines else _NO_ADDRESS


def _link(folder: Folder, written: str, final: str, body: bytes) -> None:
    """Give a written file its name. A file that has the name already stays, if it is the same.

    A different file there can only be of a job that an older template began and never finished (no `.done`, so
    nobody may have used it), or somebody else's, or a link. It is replaced, as the manifest must name the hash of the
    file that lies there, and what a link leads to can be changed by others.
    """
    try:
        folder.link(written, final)
    except FileExistsError:
        if folder.read_own(final) != body:
            folder.rename(written, final)
