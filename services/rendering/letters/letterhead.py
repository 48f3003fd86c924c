"""The sender's own lines on a letter: measured against their boxes, made smaller, broken, or refused. Pure.

The boxes are those of `form.typ`. Lengths are in points.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from services.core.incident import Incident
from services.rendering.letters.faces import BOLD, REGULAR, Face, face
from services.rendering.letters.fitting import MM, wrapped
from services.rendering.letters.words import sender_of

__all__ = ["Letterhead", "LetterheadError", "letterhead"]

# The name above the rule is one line of 160 mm, else two smaller ones; the rule is at 23 mm.
_TITLE_WIDTH, _TITLE = 160 * MM, ((16.0, 1), (14.0, 1), (12.0, 2), (10.0, 2))
# The return address stands above the addressee, and ends 4 mm before the sender's block.
_RETURN_WIDTH, _RETURN = 104 * MM, ((7.0, 1), (6.5, 1), (6.0, 1), (6.5, 2), (6.0, 2))
# The sender's block is 52 mm wide, and ends above the line of the particulars.
_BLOCK_WIDTH, _BLOCK_HEIGHT, _BLOCK_SIZES = 52 * MM, 43 * MM, (8.5, 8.0, 7.5, 7.0)
_PITCH, _BREAK = 1.16, 0.6  # of the text's size: from line to line, and what a new paragraph adds


class LetterheadError(ValueError):
    """What a letter would say of its sender does not fit; `field` is its place in the incident document."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class Letterhead(NamedTuple):
    """The lines about the sender, each box with the size of its text."""

    name: str
    title: tuple[list[str], float]
    return_to: tuple[list[str], float]
    where: list[str]
    reach: list[str]
    size: float  # of `where` and `reach`

    def as_json(self) -> dict[str, Any]:
        """Return it as `form.typ` takes it."""
        (title, title_size), (back, back_size) = self.title, self.return_to
        return {
            "name": self.name,
            "title": {"lines": title, "size": title_size},
            "return-to": {"lines": back, "size": back_size},
            "where": self.where,
            "reach": self.reach,
            "size": self.size,
        }


def letterhead(incident: Incident, phrases: Mapping[str, Any]) -> Letterhead:
    """Return the lines about an incident's controller, with the labels of a language. Raises LetterheadError."""
    sender = sender_of(incident)
    name, lines = sender["name"], sender["address"]
    title = _in_lines(name, _TITLE_WIDTH, _TITLE, face(BOLD))
    if title is None:
        raise LetterheadError("controller.name", "is too long for a letterhead of two lines of 160 mm")
    back = _in_lines(f"{phrases['return_to']}: {', '.join(lines)}", _RETURN_WIDTH, _RETURN, face(REGULAR))
    if back is None:
        raise LetterheadError("controller.address", "is too long for a return address of two lines of 104 mm")
    reach = [f"{phrases['label_phone']} {sender['phone']}", sender["email"], sender["website"]]
    block = _block([name, *lines], [line for line in reach if line])
    if block is None:
        raise LetterheadError("controller", "has more lines than the sender's block of a letter has room for")
    return Letterhead(name, title, back, *block)


def _in_lines(
    text: str, width: float, ways: Sequence[tuple[float, int]], with_face: Face
) -> tuple[list[str], float] | None:
    """Return a text in the first size in which it fits as many lines as that size may have."""
    for size, most in ways:
        found = wrapped(text, width, size, with_face)
        if len(found) <= most:
            return found, size
    return None


def _block(where: Sequence[str], reach: Sequence[str]) -> tuple[list[str], list[str], float] | None:
    regular = face(REGULAR)
    for size in _BLOCK_SIZES:
        above, below = (
            [part for line in lines for part in wrapped(line, _BLOCK_WIDTH, size, regular)] for lines in (where, reach)
        )
        if ((len(above) + len(below)) * _PITCH + _BREAK) * size <= _BLOCK_HEIGHT:
            return above, below, size
    return None
