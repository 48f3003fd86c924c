"""Letters as PDF: one batch is one document, set by typst from `form.typ` and `letters.typ`, the same bytes every time.

What the bytes depend on: the batch's membership and creation time, the incident version, the sealed
data, the template, the phrases, the bundled fonts and typst's version. No clock, no system font, no network.
"""

import json
import re
from collections.abc import Sequence
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import typst

from services.core.ids import format_reference
from services.core.incident import Incident
from services.core.notices import Notices
from services.dispatch.domain import Contact, Work
from services.dispatch.letters.address import address_lines
from services.dispatch.letters.kix import bars, payload
from services.dispatch.wording.wording import Said, Section, Wording, Wordings, date_in, greeting, plain_website

__all__ = ["Batch", "Extent", "Set", "Typesetter", "batch_of", "letter_date", "said_of", "sender_of", "words_of"]

_FOLDER = Path(__file__).parent
# Dutch winter time: never a day ahead of the calendar, and no time zone tables whose editions could differ.
_HERE = timezone(timedelta(hours=1))
_PAGE_COUNT = re.compile(rb"/Count ([0-9]+)")  # of the page tree's root, which typst leaves uncompressed
_KEPT_LETTERS = 1000  # layouts kept in memory at most, about 80 KB each
_KEPT_FORMS = 1000  # about 100 KB each; an incident has some dozens
_NOTHING = b'{"title": "", "forms": [], "letters": []}'


class Extent(NamedTuple):
    """Where a letter lies in its batch; `pages` counts the blank one that fills its last sheet."""

    first_page: int
    pages: int


class Set(NamedTuple):
    """A batch as set: the file, and the extent of each letter in the batch's order."""

    pdf: bytes
    extents: list[Extent]


class Form(NamedTuple):
    """The sheets that everybody with the same facts and language shares, as `letters.typ` takes them."""

    pages: int
    json: orjson.Fragment


class Typesetter:
    """Two typst compilers, used by one thread at a time; reuse saves reading fonts and templates again.

    What many share is set once, as a form; a letter is then a few lines on it, which is ten times faster and a
    third of the size.
    """

    def __init__(self) -> None:
        fonts = typst.Fonts(
            include_system_fonts=False, include_embedded_fonts=True, font_paths=[str(_FOLDER / "fonts")]
        )
        self._forms = typst.Compiler(str(_FOLDER / "form.typ"), root=str(_FOLDER), font_paths=fonts)
        self._letters = typst.Compiler(str(_FOLDER / "letters.typ"), root=str(_FOLDER), font_paths=fonts)
        self._wordings = Wordings(on_paper=True)
        self._made: dict[tuple[str, int, Said], Form] = {}
        self._since_swept = 0

    def set(self, work: Work) -> Set:
        """Set a batch. Blocks for about half a millisecond a letter and lets other threads run meanwhile."""
        batch = batch_of(work, self._wordings)
        forms = [self._form(work.incident, said, wording) for said, wording in batch.wordings.items()]
        data = {
            "title": work.round.batch.hex() if work.round.batch else "",
            "forms": [form.json for form in forms],
            "letters": batch.letters,
        }
        self._sweep(len(batch.letters))
        pdf = _compile(self._letters, orjson.dumps(data), int(work.round.created_at.timestamp()))
        extents = _extents([forms[letter["form"]].pages for letter in batch.letters])
        _check_pages(pdf, extents)
        return Set(pdf, extents)

    def _form(self, incident: Incident, said: Said, wording: Wording) -> Form:
        key = (incident.incident_id, incident.version, said)
        found = self._made.get(key)
        if found is None:
            if len(self._made) >= _KEPT_FORMS:
                self._made.clear()
            found = self._made[key] = self._set_form(incident, said, wording)
        return found

    def _set_form(self, incident: Incident, said: Said, wording: Wording) -> Form:
        data = {"sender": sender_of(incident), "wording": words_of(wording), "supplement": said.supplement}
        pdf = _compile(self._forms, orjson.dumps(data), 0)
        (extent,) = json.loads(self._forms.query("<extent>", field="value"))
        form = {
            "pdf": list(pdf),
            "pages": extent["pages"],
            "greeting": extent["greeting"],
            "label": wording.phrases["label_reference"],
        }
        return Form(extent["pages"], orjson.Fragment(orjson.dumps(form)))

    def _sweep(self, coming: int) -> None:
        """Make typst forget the layouts of earlier letters: it would keep those of its last ten documents.

        Each compilation ages what it keeps by one, so eleven empty ones empty it.
        """
        self._since_swept += coming
        if self._since_swept > _KEPT_LETTERS:
            self._since_swept = coming
            for _ in range(11):
                _compile(self._letters, _NOTHING, 0)


def _compile(compiler: typst.Compiler, data: bytes, timestamp: int) -> bytes:
    """Compile to PDF. Untagged: a print house has no use for tags, and they cost time and size."""
    pdf = compiler.compile(format="pdf", sys_inputs={"data": data.decode()}, timestamp=timestamp, pdf_tags=False)
    if not isinstance(pdf, bytes):
        raise TypeError("typst gave several files for one document")
    return pdf


def _check_pages(pdf: bytes, extents: Sequence[Extent]) -> None:
    """Make sure that the file has the pages that the manifest will say: one off, and people get others' letters."""
    counted = _PAGE_COUNT.search(pdf)
    expected = sum(extent.pages for extent in extents)
    if counted is None or int(counted[1]) != expected:
        raise RuntimeError(f"a batch of {expected} pages was set as {counted and int(counted[1])}")


def _extents(pages: Sequence[int]) -> list[Extent]:
    """Return each letter's extent from its number of pages; the one that fills the sheet belongs to it."""
    extents = []
    first = 1
    for count in pages:
        extents.append(Extent(first, count + count % 2))
        first += count + count % 2
    return extents


def letter_date(created_at: datetime) -> date:
    """Return the day that a letter is dated: that of its batch, in the Netherlands."""
    return created_at.astimezone(_HERE).date()


def said_of(notices: Notices, row: int) -> Said:
    """Return what decides the words of this notice."""
    return Said(
        language=notices.languages[row],
        exposed=notices.exposed[row],
        confirmed=notices.confirmed[row],
        told_exposed=notices.told_exposed[row],
        told_confirmed=notices.told_confirmed[row],
        supplement=bool(notices.supersedes[row]),
    )


class Batch(NamedTuple):
    """A batch as plain values: each letter's own words, and by `form` the position of the words that it shares."""

    wordings: dict[Said, Wording]
    letters: list[dict[str, Any]]


def batch_of(work: Work, wordings: Wordings) -> Batch:
    """Return everything that a batch says, as plain values."""
    notices = work.round.notices
    used: dict[Said, Wording] = {}
    positions: dict[Said, int] = {}
    letters = []
    day = letter_date(work.round.created_at)
    for row, contact in enumerate(work.contacts):
        said = said_of(notices, row)
        if said not in used:
            positions[said] = len(used)
            used[said] = wordings.of(work.incident, said)
        letters.append(_letter(notices, row, contact, used[said], day) | {"form": positions[said]})
    return Batch(used, letters)


def _letter(notices: Notices, row: int, contact: Contact, wording: Wording, day: date) -> dict[str, Any]:
    before = notices.supersedes[row]
    return {
        "address": address_lines(contact),
        "kix": bars(payload(contact)),
        "greeting": greeting(wording.phrases, contact),
        "reference": format_reference(notices.ids[row]),
        "earlier": format_reference(before) if before else "",
        "date": date_in(wording.phrases, day),
    }


def sender_of(incident: Incident) -> dict[str, Any]:
    """Return who writes."""
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


def words_of(wording: Wording) -> dict[str, Any]:
    """Return the words that are shared, as plain values."""
    return {
        "lang": wording.language.split("-", 1)[0].lower(),
        "subject": wording.subject,
        "opening": wording.opening,
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
