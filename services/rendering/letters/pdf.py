"""Letters as PDF: forms that typst set once, and each person's own lines stamped on them, the same bytes every time.

The bytes depend on the job's membership and creation time, the incident version, the sealed data, the templates, the
phrases, the fonts, and the versions of typst and HarfBuzz. No clock, no system font and no network has a part in them.
"""

from collections.abc import Sequence
from itertools import count
from typing import NamedTuple

import orjson

from services.rendering.letters.forms import Form, Forms, print_standards
from services.rendering.letters.glyphs import glyphs
from services.rendering.letters.imported import imported
from services.rendering.letters.own_lines import OwnLines, as_json, own_lines
from services.rendering.letters.pdf_file import PdfFile
from services.rendering.letters.print_job import PrintJob
from services.rendering.letters.profile import Profile
from services.rendering.letters.profile_file import USUAL_PROFILE
from services.rendering.letters.stamps import BARS_HIGH, SIGN_WIDE, Stamp, Stamps, bars_of
from services.rendering.letters.typeset import Template

__all__ = ["Extent", "Typeset", "Typesetter"]

_NOTHING = b'{"title": "", "letters": []}'
_MANY = 64  # letters of a file, that share its fonts
_KEPT_LETTERS = 1000  # layouts that typst keeps in memory at most, about 80 KB each


class Extent(NamedTuple):
    """Where a letter lies in its file; `pages` counts the blank one that fills its last sheet."""

    first_page: int
    pages: int


class Typeset(NamedTuple):
    """A print job as it was set: the file, and the extent of each letter in the job's order."""

    pdf: bytes
    extents: list[Extent]


class Typesetter:
    """Sets print jobs for one print profile. Used by one thread at a time; what it made once is kept."""

    def __init__(self, profile: Profile = USUAL_PROFILE, *, stamped: bool = True) -> None:
        """Where nothing is `stamped`, typst sets everybody's own lines: that looks the same, and is slower."""
        self._profile, self._stamped = profile, stamped
        self._forms, self._stamps = Forms(profile), Stamps(profile)
        self._own = Template("own.typ", profile, print_standards(profile))
        self._since_swept = 0

    def set(self, job: PrintJob) -> Typeset:
        """Set the letters of a print job. Takes a tenth of a millisecond a letter, three for who is not stamped.

        Raises UnfitError where a letter is longer than the print house takes.
        """
        forms = [self._forms.form(job.told.incident, shared) for shared in job.shared]
        lines = own_lines(job, [form.greeting for form in forms], self._profile)
        stamps = self._stamps.stamps(lines)
        if not self._stamped:
            stamps = [stamp._replace(own="") for stamp in stamps]
        apart = self._set_apart(job, lines, stamps)
        return _Layout(self._profile, self._stamps, forms).set(job, lines, stamps, apart)

    def _set_apart(self, job: PrintJob, lines: Sequence[OwnLines], stamps: Sequence[Stamp]) -> bytes | None:
        """Return the own lines of all who cannot be stamped, a page each; None where there is nobody."""
        apart = [as_json(own) for own, stamp in zip(lines, stamps, strict=True) if not stamp.own]
        if not apart:
            return None
        self._since_swept += len(apart)
        if self._since_swept > _KEPT_LETTERS:
            self._since_swept = len(apart)
            self._own.forget(_NOTHING)
        data = orjson.dumps({"title": job.name, "letters": apart})
        return self._own.pdf(data, int(job.created_at.timestamp()))


class _Layout:
    """Puts together one file."""

    def __init__(self, profile: Profile, stamps: Stamps, forms: Sequence[Form]) -> None:
        self._profile, self._stamps, self._forms = profile, stamps, forms
        self._feet = [stamps.foot(form.foot) for form in forms]
        self._sides = 2 if profile.plex == "duplex" else 1
        self._file = PdfFile()
        self._resources = 0
        self._overlays = (f"/O{at} Do\n" for at in count())

    def set(self, job: PrintJob, lines: Sequence[OwnLines], stamps: Sequence[Stamp], apart: bytes | None) -> Typeset:
        """Return the file; `apart` has a page for each letter whose own lines are not stamped."""
        drawn, intents = self._put_forms()
        own = imported(apart) if apart else None
        numbers = self._file.put_parts(own.parts) if own else []
        drawn |= {f"O{at}": numbers[sheet] for at, sheet in enumerate(own.sheets)} if own else {}
        self._resources = self._put_resources(lines, stamps, drawn)
        extents, first = [], 1
        for number, (letter, stamp, shared) in enumerate(zip(lines, stamps, job.words, strict=True), 1):
            pages = self._put_letter(number, letter, stamp, shared.number - 1)
            extents.append(Extent(first, pages))
            first += pages
        languages = {form.language for form in self._forms}
        language = languages.pop() if len(languages) == 1 else ""
        return Typeset(self._file.finished(job.name, language, job.created_at, intents), extents)

    def _put_forms(self) -> tuple[dict[str, int], int | None]:
        """Return the sheets of all forms by their names, and the output intents."""
        drawn: dict[str, int] = {}
        intents = None
        for at, form in enumerate(self._forms):
            numbers = self._file.put_parts(form.sheets.parts)
            drawn |= {f"F{at}P{page}": numbers[sheet] for page, sheet in enumerate(form.sheets.sheets)}
            intents = None if form.sheets.intents is None else numbers[form.sheets.intents]
        return drawn, intents

    def _put_resources(self, lines: Sequence[OwnLines], stamps: Sequence[Stamp], drawn: dict[str, int]) -> int:
        plain, spread = glyphs()
        plain_lines = [own for own, stamp in zip(lines, stamps, strict=True) if stamp.own]
        texts = [text for own in plain_lines for text in (*own.address, own.earlier, own.greeting)]
        references, small = [own.reference for own in lines], len(lines) < _MANY
        texts += [*references, *{own.date for own in plain_lines}]
        regular = self._file.put_font(plain.subset(texts, small=small))
        bold = self._file.put_font(spread.subset(references, small=small))
        coded = sorted(set("".join([own.kix for own in lines])))
        drawn |= {f"K{sign}": self._file.put_drawing(bars_of(sign), SIGN_WIDE, BARS_HIGH) for sign in coded}
        sheets = "".join(f"/{name} {number} 0 R" for name, number in drawn.items())
        return self._file.put(f"<</Font<</R {regular} 0 R/B {bold} 0 R>>/XObject<<{sheets}>>>>".encode())

    def _put_letter(self, number: int, letter: OwnLines, stamp: Stamp, form_number: int) -> int:
        """Add the pages of a letter; returns how many.

        Own words come first: a program that reads text finds the address there.
        """
        form, foot = self._forms[form_number], f"{self._feet[form_number]}{stamp.reference}]TJ ET\n"
        sheets = self._profile.sheets(form.pages)
        begin = f"{stamp.own or next(self._overlays)}{self._stamps.code(letter)}"
        for page in range(form.pages):
            sheet, side = divmod(page, self._sides)
            mark = "" if side else self._stamps.mark(letter.reference, sheet + 1, sheets, number)
            self._file.put_page(self._resources, f"{begin}{foot}{mark}/F{form_number}P{page} Do")
            begin = ""
        if not (self._profile.fills_sheets and form.pages % 2):
            return form.pages
        self._file.put_page(self._resources, "")
        return form.pages + 1
