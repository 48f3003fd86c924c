"""Letters: a print job is files in the print folder, for a print house to fetch. The folder knows our id of the job."""

import asyncio
import hashlib
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from threading import Lock

import msgspec
import typst

from services.core.channel import Channel
from services.core.clock import Clock
from services.core.notices import BLOCK_ENTRIES
from services.core.status import unprintable
from services.dispatch.blame import Blame
from services.dispatch.channels.answer_folder import FolderAnswers
from services.dispatch.channels.finished_files import FolderFiles
from services.dispatch.channels.print_files import Mark, PrintFiles
from services.dispatch.config import LetterConfig
from services.dispatch.domain import PrintedFile, Work
from services.dispatch.outcomes import Ending, HandOver, Outage, Result
from services.dispatch.print_runs import PrintRun
from services.dispatch.provider import Provider, ProviderClass, Traits
from services.kit.folders import make_folder, open_folder
from services.rendering.contact import Contact
from services.rendering.letters.address import in_delivery_order
from services.rendering.letters.data import as_lines
from services.rendering.letters.envelope import Envelope, envelope
from services.rendering.letters.fitting import AddressBox, Fitted, address_box, at_full_size, fit_envelope
from services.rendering.letters.manifest import Content, as_table, manifest
from services.rendering.letters.pdf import Typesetter
from services.rendering.letters.print_job import PrintJob, print_job
from services.rendering.letters.profile import Profile
from services.rendering.letters.profile_file import USUAL_PROFILE
from services.rendering.letters.read_back import ReadBackError, agree
from services.rendering.letters.unprintable import is_salutation_printable, unprintable_in
from services.rendering.told import UnfitError
from services.rendering.wording.addressees import addressees_of
from services.rendering.wording.wording import Wordings, phrases

__all__ = ["AS_DATA", "AS_PDF", "PrintFolder", "open_provider"]

logger = logging.getLogger(__name__)

# A file, its syncs and its transactions cost as much for one letter as for all; beyond a thousand that is little, and a
# repeat after a crash takes longer. One round is set while another one waits for the disk, and two are at the database.
AS_PDF = Traits(
    channel=Channel.LETTER,
    name="print",
    provider_class=ProviderClass.IDEMPOTENT,
    rounds_at_once=4,
    batch_size=BLOCK_ENTRIES // 2,
    makes_files=True,
    linger=timedelta(seconds=1),
)
AS_DATA = replace(AS_PDF, batch_size=4 * BLOCK_ENTRIES)  # four of the largest blocks that come in
_ROUNDS_IN_HAND = 2

_ACCEPTED = Result(Ending.ACCEPTED)
_NO_ADDRESS = Result(Ending.REFUSED, "no-address")
_UNMADE = Result(Ending.HELD, "unmade", Blame.CONTENT)  # of a document that was taken before it was proved
_MISREAD = Result(Ending.HELD, "read-back", Blame.PROVIDER)
_AGAIN = Result(Ending.REPEAT)
_NOT_BEGUN = Result(Ending.NOT_SENT)


def open_provider(config: LetterConfig, clock: Clock) -> Provider:
    """Return the print folder that the settings name, made where it is not there yet, and who is sent its files."""
    if config.letter_provider == "notify":
        from services.dispatch.channels.notify import open_notify_letters  # noqa: PLC0415 - most have a print house

        return open_notify_letters(config, clock)
    folder = config.print_dir or config.data_dir / "print"
    make_folder(folder, group=config.print_group)
    here = PrintFolder(folder, config.letter_format, config.print_group, config.print_profile, config.print_close_after)
    if not (config.print_sftp_url and config.print_sftp_key and config.print_sftp_host_key):
        return here
    from services.dispatch.channels.sftp import PrintHouse  # noqa: PLC0415 - most print houses fetch their files

    key, host_key = config.print_sftp_key, config.print_sftp_host_key
    address, answers = config.print_sftp_url, config.print_sftp_answers
    return PrintHouse(here, folder, address, key, host_key, recipient=config.print_age_recipient, answers=answers)


class PrintFolder:
    """Hands print jobs over as files. Threads do its work, so that the event loop goes on meanwhile."""

    def __init__(
        self,
        folder: Path,
        letter_format: str | None = None,
        group: int | None = None,
        profile: Profile = USUAL_PROFILE,
        close_after: timedelta | None = None,
    ) -> None:
        """`letter_format` is another one than the profile's. `group` may read what is written; None = nobody else.

        A print run is closed before its day is over where nothing was added for `close_after`.
        """
        as_data = (letter_format or profile.file.format) == "ndjson"
        traits = AS_DATA if as_data else AS_PDF
        size = min(profile.file.letters or traits.batch_size, traits.batch_size)
        self.traits = replace(traits, batch_size=size, close_after=close_after)
        self._folder, self._group, self._profile = folder, group, profile
        self.answers, self.finished = FolderAnswers(folder, group), FolderFiles(folder)
        self._typesetter = None if as_data else Typesetter(profile)
        self._setting = Lock()  # held by whoever uses the typesetter
        self._fit = _as_it_is if as_data else partial(_fitted, box=address_box(profile))
        self._wordings = Wordings(on_paper=True)
        self._threads = ThreadPoolExecutor(_ROUNDS_IN_HAND, thread_name_prefix="letters")

    async def hand_over(self, work: Work, go: Callable[[], bool]) -> HandOver:
        """Write one print job. A folder that cannot be written to is an outage, and the job stays open."""
        if not (go() or work.round.repeated):  # a job that was finished before stands, whatever may begin now
            return HandOver([_NOT_BEGUN] * len(work.contacts))
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._hand_over, work, go)

    async def close_run(self, run: PrintRun) -> bool:
        """Write the total of a print run, which the print house calls a job; tells whether it is there."""
        try:
            there = await asyncio.get_running_loop().run_in_executor(self._threads, self._put_total, run)
        except OSError as error:
            logger.warning("the print folder cannot be written to", extra={"error_class": type(error).__name__})
            return False
        if not there:
            logger.error("another total has the name of a print run, and stays", extra={"run": run.name})
        return there

    def _put_total(self, run: PrintRun) -> bool:
        with open_folder(self._folder) as folder:
            return PrintFiles(folder, self._group).put_total(run)

    async def close(self) -> None:
        """End the threads after the jobs in hand."""
        self._threads.shutdown(wait=False)

    def _hand_over(self, work: Work, go: Callable[[], bool]) -> HandOver:
        addressed = list(map(envelope, work.contacts, addressees_of(work, phrases)))
        found = [one and self._fit(contact, one) for contact, one in zip(work.contacts, addressed, strict=True)]
        sent, letters, envelopes = HandOver([_ACCEPTED] * len(found)), work, [one for one in found if one]
        if len(envelopes) < len(found):
            rows = zip(work.contacts, addressed, found, strict=True)
            sent = HandOver([_ACCEPTED if one else _refused(contact, lines) for contact, lines, one in rows])
            letters = work.pick([row for row, one in enumerate(found) if one])
        if self._profile.file.order == "postcode":
            order = in_delivery_order(letters.contacts)
            letters, envelopes = letters.pick(order), [envelopes[row] for row in order]
        if not envelopes:
            return sent
        try:
            printed = self._put(letters, envelopes, go)
            return replace(sent, printed=printed) if printed else HandOver([_AGAIN] * len(work.contacts))
        except (UnfitError, typst.TypstError):
            logger.exception("letters cannot be set", extra={"incident_id": work.incident.incident_id})
            return HandOver([_UNMADE] * len(work.contacts))
        except ReadBackError:
            logger.exception("a print file does not hold its letters", extra={"incident_id": work.incident.incident_id})
            return HandOver([_MISREAD] * len(work.contacts))
        except OSError as error:
            logger.warning("the print folder cannot be written to", extra={"error_class": type(error).__name__})
            return HandOver([_AGAIN] * len(work.contacts), Outage())

    def _put(self, letters: Work, envelopes: Sequence[Fitted], go: Callable[[], bool]) -> PrintedFile | None:
        """Make the files and put them in place, all in the folder as it was opened, unless they are there.

        Returns None where the hand-over may not begin any more.
        """
        with open_folder(self._folder) as folder:
            files = PrintFiles(folder, self._group)
            mark = files.mark(letters.name)
            if mark:
                return mark.printed
            return self._write(files, letters, envelopes, go) if go() else None

    def _write(
        self, folder: PrintFiles, letters: Work, envelopes: Sequence[Fitted], go: Callable[[], bool]
    ) -> PrintedFile | None:
        job = print_job(letters.name, letters, envelopes, self._wordings, letters.round.created_at)
        content = self._content(job)
        files, mark = self._made(job, content, letters.round.print_run or "")
        if letters.round.repeated:
            folder.remove_leftovers(job.name)
        placed = folder.place(files, go, partial(agree, job=job, content=content, sha256=mark.sha256))
        return mark.printed if placed else None

    def _made(self, job: PrintJob, content: Content, run: str) -> tuple[list[tuple[str, bytes]], Mark]:
        """Return the files of a print job, the mark last, and what that says."""
        said = manifest(job, content, hashlib.sha256(content.body).hexdigest(), self._profile, run)
        about = msgspec.json.encode(said)
        about_sha256 = hashlib.sha256(about).hexdigest()
        mark = Mark(run, about_sha256, said.sha256, len(said.letters), said.pages, said.sheets)
        table = [(f"{job.name}.manifest.csv", as_table(said))] if "csv" in self._profile.file.manifest else []
        files = [
            (f"{job.name}{content.suffix}", content.body),
            *table,
            (f"{job.name}.manifest.json", about),
            (f"{job.name}.done", msgspec.json.encode(mark) + b"\n"),
        ]
        return files, mark

    def _content(self, job: PrintJob) -> Content:
        if self._typesetter:
            with self._setting:
                pdf, extents = self._typesetter.set(job)
            most = self._profile.file.most_bytes
            if most is not None and len(pdf) > most:
                raise UnfitError("content", f"makes a file of {len(pdf)} bytes; the print house takes {most}")
            first_pages, pages = zip(*extents, strict=True)
            return Content(".pdf", pdf, first_pages, pages, self._profile.marked)
        body, first = as_lines(job)
        count = len(job.notices)
        return Content(".ndjson", body, range(first, first + count), [1] * count)


def _as_it_is(_: Contact, lines: Envelope) -> Fitted:
    return at_full_size(lines)


def _fitted(contact: Contact, lines: Envelope, box: AddressBox) -> Fitted | None:
    """Return an address as it is printed; None where it, or the salutation, cannot be."""
    return fit_envelope(lines, box) if is_salutation_printable(contact) else None


def _refused(contact: Contact, lines: Envelope | None) -> Result:
    """Return how the hand-over of a letter ends that is not printed."""
    return Result(Ending.REFUSED, unprintable(unprintable_in(contact))) if lines else _NO_ADDRESS
