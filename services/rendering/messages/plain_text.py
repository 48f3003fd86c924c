"""A notice as plain text. Pure.

No links and no attachments: the authority tells people not to click, and a notice must not teach it.
"""

from services.rendering.told import Told
from services.rendering.wording.addressees import greeting
from services.rendering.wording.wording import (
    KEPT_WORDINGS,
    ItemList,
    Section,
    Wording,
    WordingKey,
    Wordings,
)

__all__ = ["PlainTexts", "one_line"]


class PlainTexts:
    """Notices as plain text; the part that thousands share is put together once."""

    def __init__(self) -> None:
        self._wordings = Wordings(on_paper=False)
        self._tails: dict[int, tuple[Wording, str]] = {}

    def wording(self, work: Told, row: int) -> Wording:
        """Return the words of this notice."""
        return self._wordings.of(work.incident, WordingKey.of(work, row))

    def top(self, wording: Wording, work: Told, row: int) -> str:
        """Return the top of a notice, which is one person's own: references, salutation, opening."""
        words = wording.phrases
        lines = [f"{words['label_reference']}: {work.references[row]}"]
        if work.earlier[row]:
            lines.append(f"{wording.earlier}: {work.earlier[row]}")
        opening = "\n\n".join(wording.opening)
        return "\n".join([*lines, "", greeting(words, work.contacts[row], wording.role), "", opening, "", ""])

    def tail(self, wording: Wording) -> str:
        """Return the rest of a notice, which everybody with these facts shares."""
        kept = self._tails.get(id(wording))
        if kept is None or kept[0] is not wording:
            if len(self._tails) >= KEPT_WORDINGS:
                self._tails.clear()
            kept = self._tails[id(wording)] = (wording, _tail(wording))
        return kept[1]


def _tail(wording: Wording) -> str:
    parts = [_section(section) for section in wording.sections]
    signed = "\n".join([wording.closing, *wording.signatory, wording.sender])
    return "\n\n".join([*parts, signed]) + "\n"


def _section(section: Section) -> str:
    paragraphs = [*section.paragraphs, *(_list(part) for part in section.lists)]
    return section.heading.upper() + "\n" + "\n\n".join(paragraphs)


def _list(part: ItemList) -> str:
    lines = [part.lead]
    for item in part.items:
        lines.append(f"- {item.label}" + (f" ({item.mark})" if item.mark else ""))
        lines += [f"  {line}" for line in item.advice.splitlines()]
    return "\n".join(lines)


def one_line(text: str) -> str:
    """Return a text without line breaks or other controls, as a subject or a header needs it."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
