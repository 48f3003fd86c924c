"""Letters as PDF: typst sets a print job as one document, from `form.typ` and `letters.typ`, the same bytes every time.

The bytes depend on the job's membership and creation time, the incident version, the sealed data, the templates, the
phrases, the bundled fonts and the version of typst. No clock, no system font and no network has a part in them.
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import typst

from services.core.incident import Incident
from services.rendering.letters.datamatrix import sheet_mark
from services.rendering.letters.fitting import fit_greeting
from services.rendering.letters.kix import bars
from services.rendering.letters.letterhead import letterhead
from services.rendering.letters.print_job import PrintJob, SharedWords
from services.rendering.letters.profile import Profile, UnfitError
from services.rendering.letters.profile_file import USUAL_PROFILE
from services.rendering.letters.words import words_of
from services.rendering.wording.wording import WordingKey

__all__ = ["Extent", "Typeset", "Typesetter"]

_FOLDER = Path(__file__).parent
_PAGE_COUNT = re.compile(rb"/Count ([0-9]+)")  # of the page tree's root, which typst leaves uncompressed
_KEPT_LETTERS = 1000  # layouts kept in memory at most, about 80 KB each
_KEPT_FORMS = 1000  # about 100 KB each; an incident has some dozens
_NOTHING = b'{"title": "", "forms": [], "letters": []}'


class Extent(NamedTuple):
    """Where a letter lies in its file; `pages` counts the blank one that fills its last sheet."""

    first_page: int
    pages: int


class Typeset(NamedTuple):
    """A print job as it was set: the file, and the extent of each letter in the job's order."""

    pdf: bytes
    extents: list[Extent]


class Form(NamedTuple):
    """The sheets that everybody with the same facts and language shares, as `letters.typ` takes them."""

    pages: int
    json: orjson.Fragment


class Typesetter:
    """Two typst compilers, used by one thread at a time; they are kept, as they read fonts and templates only once.

    The words that many letters share are set once, as a form. A letter is then a few lines on its form: that is ten
    times faster, and a third of the size.
    """

    def __init__(self, profile: Profile = USUAL_PROFILE) -> None:
        self._profile, self._layout = profile, json.dumps(profile.layout())
        fonts = typst.Fonts(
            include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(_FOLDER / "fonts")]
        )
        self._forms = typst.Compiler(str(_FOLDER / "form.typ"), root=str(_FOLDER), font_paths=fonts)
        self._letters = typst.Compiler(str(_FOLDER / "letters.typ"), root=str(_FOLDER), font_paths=fonts)
        self._made: dict[tuple[str, int, WordingKey], Form] = {}
        self._since_swept = 0

    def set(self, job: PrintJob) -> Typeset:
        """Set the letters of a print job. Blocks for about half a millisecond a letter; other threads run meanwhile.

        Raises UnfitError where a letter is longer than the print house takes.
        """
        forms, data = self._ready(job)
        self._sweep(len(job.words))
        pdf = self._compile(self._letters, data, int(job.created_at.timestamp()))
        extents = _extents([forms[own.number - 1].pages for own in job.words], fill=self._profile.fills_sheets)
        _check_pages(pdf, extents)
        return Typeset(pdf, extents)

    def _ready(self, job: PrintJob) -> tuple[list[Form], bytes]:
        """Return the forms of a print job, and its data as `letters.typ` takes it."""
        forms = [self._form(job.told.incident, shared) for shared in job.shared]
        data = {"title": job.name, "forms": [form.json for form in forms], "letters": self._own(job, forms)}
        return forms, orjson.dumps(data)

    def _own(self, job: PrintJob, forms: Sequence[Form]) -> list[dict[str, Any]]:
        """Return each letter's own words, and the marks of its sheets."""
        letters = _letters(job, self._profile)
        if self._profile.sheet_mark:
            for letter, reference, own in zip(letters, job.references, job.words, strict=True):
                sheets = self._profile.sheets(forms[own.number - 1].pages)
                letter["marks"] = [list(sheet_mark(reference, sheet, sheets)) for sheet in range(1, sheets + 1)]
        return letters

    def _form(self, incident: Incident, shared: SharedWords) -> Form:
        of_version = (incident.incident_id, incident.version, shared.key)
        found = self._made.get(of_version)
        if found is None:
            if len(self._made) >= _KEPT_FORMS:
                self._made.clear()
            found = self._made[of_version] = self._set_form(incident, shared)
        return found

    def _set_form(self, incident: Incident, shared: SharedWords) -> Form:
        wording = shared.wording
        data = {
            "sender": letterhead(incident, wording.phrases, self._profile).as_json(),
            "wording": words_of(wording),
            "supplement": shared.key.supplement,
        }
        pdf = self._compile(self._forms, orjson.dumps(data), 0)
        (extent,) = json.loads(self._forms.query("<extent>", field="value"))
        most = self._profile.most_pages
        if extent["pages"] > most:
            raise UnfitError("content", f"makes a letter of {extent['pages']} pages; the print house takes {most}")
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
                self._compile(self._letters, _NOTHING, 0)

    def _compile(self, compiler: typst.Compiler, data: bytes, timestamp: int) -> bytes:
        """Compile to PDF. Untagged: a print house has no use for tags, and they cost time and size."""
        inputs = {"data": data.decode(), "layout": self._layout}
        pdf, warnings = compiler.compile_with_warnings(
            format="pdf", sys_inputs=inputs, timestamp=timestamp, pdf_tags=False
        )
        if warnings:
            raise RuntimeError(f"typst warns: {'; '.join(sorted({warning.message for warning in warnings}))}")
        if not isinstance(pdf, bytes):
            raise TypeError("typst gave several files for one document")
        return pdf


def _letters(job: PrintJob, profile: Profile) -> list[dict[str, Any]]:
    """Return each letter's own words, as `letters.typ` takes them; `form` is the position of its form."""
    greetings = [
        fit_greeting(greeting, own.wording.phrases["dear_unnamed"], profile.text_width)
        for greeting, own in zip(job.greetings, job.words, strict=True)
    ]
    rows = zip(job.addresses, job.kix, job.sizes, greetings, job.references, job.earlier, job.words, strict=True)
    return [
        {
            "address": address,
            "kix": bars(kix),
            "size": size,
            "greeting": greeting,
            "greeting-size": greeting_size,
            "reference": reference,
            "earlier": earlier,
            "date": own.date,
            "form": own.number - 1,
        }
        for address, kix, size, (greeting, greeting_size), reference, earlier, own in rows
    ]


def _check_pages(pdf: bytes, extents: Sequence[Extent]) -> None:
    """Make sure that the file has the pages that the manifest will name. One off, and people would get others' letters.

    Raises RuntimeError.
    """
    counted = _PAGE_COUNT.search(pdf)
    expected = sum(extent.pages for extent in extents)
    if counted is None or int(counted[1]) != expected:
        raise RuntimeError(f"a print job of {expected} pages was set as {counted and int(counted[1])}")


def _extents(pages: Sequence[int], *, fill: bool) -> list[Extent]:
    """Return each letter's extent from its number of pages; a blank page that fills its last sheet belongs to it."""
    extents = []
    first = 1
    for count in pages:
        extents.append(Extent(first, count + count % 2 if fill else count))
        first += extents[-1].pages
    return extents
