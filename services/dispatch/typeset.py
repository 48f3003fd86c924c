"""Letters as PDF: one batch is one document, set by typst from `letters.typ`, the same bytes every time.

What the bytes depend on: the batch's membership and creation time, the incident version, the sealed
data, the template, the phrases, the bundled fonts and typst's version. No clock, no system font, no network.
"""

import json
from collections.abc import Sequence
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import typst

from services.core.ids import format_reference
from services.core.incident import Incident
from services.core.notices import Notices
from services.dispatch.address import address_lines
from services.dispatch.domain import Contact, Work
from services.dispatch.kix import bars, payload
from services.dispatch.wording import Said, Section, Wording, Wordings, date_in, greeting, plain_website

__all__ = ["Extent", "Set", "Typesetter", "batch_data", "letter_date", "said_of"]

_FOLDER = Path(__file__).parent
# Dutch winter time: never a day ahead of the calendar, and no time zone tables whose editions could differ.
_HERE = timezone(timedelta(hours=1))
_KEPT_LETTERS = 250  # layouts kept in memory at most, about a megabyte each: one full batch
_NOTHING = '{"title": "", "sender": {"name": ""}, "letters": []}'


class Extent(NamedTuple):
    """Where a letter lies in its batch; `pages` counts the blank one that fills its last sheet."""

    first_page: int
    pages: int


class Set(NamedTuple):
    """A batch as set: the file, and the extent of each letter in the batch's order."""

    pdf: bytes
    extents: list[Extent]


class Typesetter:
    """One typst compiler, used by one thread at a time; reuse saves reading fonts and template again."""

    def __init__(self) -> None:
        fonts = typst.Fonts(
            include_system_fonts=False, include_embedded_fonts=True, font_paths=[str(_FOLDER / "fonts")]
        )
        self._compiler = typst.Compiler(str(_FOLDER / "letters.typ"), root=str(_FOLDER), font_paths=fonts)
        self._wordings = Wordings(on_paper=True)
        self._since_swept = 0

    def set(self, work: Work) -> Set:
        """Set a batch. Blocks for some milliseconds a letter and lets other threads run meanwhile."""
        data = orjson.dumps(batch_data(work, self._wordings)).decode()
        self._sweep(len(work.contacts))
        pdf = self._compiler.compile(
            format="pdf",
            sys_inputs={"data": data},
            timestamp=int(work.round.created_at.timestamp()),
            pdf_tags=False,  # a print house has no use for them; they cost a third more time and size
        )
        if not isinstance(pdf, bytes):
            raise TypeError("typst gave several files for one document")
        found: list[tuple[int, int]] = json.loads(self._compiler.query("<extent>", field="value"))
        return Set(pdf, _extents(found))

    def _sweep(self, coming: int) -> None:
        """Make typst forget the layouts of earlier letters: it would keep those of its last ten documents.

        Each compilation ages what it keeps by one, so eleven empty ones empty it.
        """
        self._since_swept += coming
        if self._since_swept > _KEPT_LETTERS:
            self._since_swept = coming
            for _ in range(11):
                self._compiler.compile(format="pdf", sys_inputs={"data": _NOTHING}, pdf_tags=False)


def _extents(found: Sequence[tuple[int, int]]) -> list[Extent]:
    """Give each letter's extent; the one that fills the sheet belongs to it."""
    return [Extent(first, pages + pages % 2) for pages, first in found]


def letter_date(created_at: datetime) -> date:
    """Give the day that a letter is dated: that of its batch, in the Netherlands."""
    return created_at.astimezone(_HERE).date()


def said_of(notices: Notices, row: int) -> Said:
    """Give what decides the words of this notice."""
    return Said(
        language=notices.languages[row],
        exposed=notices.exposed[row],
        confirmed=notices.confirmed[row],
        told_exposed=notices.told_exposed[row],
        told_confirmed=notices.told_confirmed[row],
        supplement=bool(notices.supersedes[row]),
    )


def batch_data(work: Work, wordings: Wordings) -> dict[str, Any]:
    """Give everything that the template places, as plain values."""
    positions: dict[Said, int] = {}
    made: list[Wording] = []
    letters = []
    day = letter_date(work.round.created_at)
    for row, contact in enumerate(work.contacts):
        said = said_of(work.round.notices, row)
        at = positions.get(said)
        if at is None:
            at = positions[said] = len(made)
            made.append(wordings.of(work.incident, said))
        letters.append(_letter(work.round.notices, row, contact, made[at], day) | {"wording": at})
    return {
        "title": work.round.batch.hex() if work.round.batch else "",
        "sender": _sender(work.incident),
        "wordings": [_wording(wording) for wording in made],
        "letters": letters,
    }


def _letter(notices: Notices, row: int, contact: Contact, wording: Wording, day: date) -> dict[str, Any]:
    before = notices.supersedes[row]
    earlier = format_reference(before) if before else ""
    return {
        "address": address_lines(contact),
        "kix": bars(payload(contact)),
        "greeting": greeting(wording.phrases, contact),
        "opening": wording.opening_naming(earlier),
        "reference": format_reference(notices.ids[row]),
        "earlier": earlier,
        "date": date_in(wording.phrases, day),
    }


def _sender(incident: Incident) -> dict[str, Any]:
    sender = incident.controller
    return {
        "name": sender.name,
        "address": sender.address,
        "phone": sender.phone,
        "email": sender.email,
        "website": plain_website(sender.website) if sender.website else "",
    }


_LABELS = {
    "date": "label_date",
    "reference": "label_reference",
    "earlier": "label_earlier",
    "subject": "label_subject",
    "phone": "label_phone",
    "return-to": "return_to",
    "page": "page",
}


def _wording(wording: Wording) -> dict[str, Any]:
    return {
        "lang": wording.language.split("-", 1)[0].lower(),
        "subject": wording.subject,
        "sections": [_section(section) for section in wording.sections],
        "closing": wording.closing,
        "labels": {name: wording.phrases[key] for name, key in _LABELS.items()},
    }


def _section(section: Section) -> dict[str, Any]:
    return {
        "heading": section.heading,
        "paragraphs": section.paragraphs,
        "lists": [
            {
                "lead": part.lead,
                "items": [{"label": i.label, "mark": i.mark, "advice": i.advice} for i in part.items],
            }
            for part in section.lists
        ],
    }
