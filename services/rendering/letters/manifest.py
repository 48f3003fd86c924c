"""What lies beside a print file and says what is in it: as JSON, and as a table for who wants one. Pure."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from itertools import accumulate, starmap

import msgspec

from services.core.notices import FLAG_SECRET_ADDRESS
from services.rendering.contact import Textless
from services.rendering.letters.print_job import PrintJob
from services.rendering.letters.profile import Profile

__all__ = ["Content", "Letter", "Manifest", "as_table", "manifest"]


@dataclass(frozen=True, slots=True, repr=False)
class Content:
    """A print file, and by column where its letters lie in it: the first page and how many."""

    suffix: str
    body: bytes
    first_pages: Sequence[int]
    pages: Sequence[int]
    marked: int = 0  # the first of each so many pages of a letter has a mark of its sheet; 0 = none has


class Letter(Textless, frozen=True):
    """What a manifest says of a letter."""

    notice_id: str
    attempt: int
    reference: str
    revision: int
    first_page: int
    pages: int
    first_sheet: int  # counted from 1 in the file, as `first_page` is
    sheets: int
    kix: str
    country: str  # ISO 3166
    postage: str  # the class, in the print house's word


class Manifest(Textless, frozen=True):
    """What lies beside a print file, which has this `sha256`."""

    batch_id: str
    incident_id: str
    created_at: str
    job: str  # the print run, which the print house calls a job; its total comes when it is closed
    profile: str
    plex: str
    colour: str
    handling: str  # "normal", or "secret": the addresses are, and few people are to handle the file
    pages: int
    sheets: int
    sha256: str
    letters: Sequence[Letter]


def manifest(job: PrintJob, content: Content, sha256: str, profile: Profile, run: str) -> Manifest:
    """Return the manifest of a print file of a print run; `sha256` is that of the file.

    Where the file is letters as data, `firstPage` is the letter's line, counted from 1.
    """
    notices = job.told.notices
    countries = [(contact.country or "NL").upper() for contact in job.told.contacts]
    sheets = [profile.sheets(pages) for pages in content.pages]
    rows = zip(
        job.notices,
        notices.attempts,
        job.references,
        notices.revisions,
        content.first_pages,
        content.pages,
        accumulate(sheets[:-1], initial=1),
        sheets,
        job.kix,
        countries,
        [profile.postage(country) for country in countries],
        strict=True,
    )
    return Manifest(
        batch_id=job.name,
        incident_id=notices.incident_id,
        created_at=job.created_at.isoformat(timespec="milliseconds"),
        job=run,
        profile=profile.name,
        plex=profile.plex,
        colour=profile.colour,
        handling="secret" if any(flags & FLAG_SECRET_ADDRESS for flags in notices.flags) else "normal",
        pages=sum(content.pages),
        sheets=sum(sheets),
        sha256=sha256,
        letters=list(starmap(Letter, rows)),
    )


def as_table(of_file: Manifest) -> bytes:
    """Return the letters of a manifest as CSV (RFC 4180), with the same names."""
    rows = [msgspec.to_builtins(letter) for letter in of_file.letters]
    text = StringIO(newline="")
    table = csv.DictWriter(text, list(rows[0]) if rows else [])
    table.writeheader()
    table.writerows(rows)
    return text.getvalue().encode()
