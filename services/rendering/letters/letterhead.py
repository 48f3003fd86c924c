"""The sender's own lines on a letter: measured against their boxes, made smaller, broken, or refused. Pure.

The boxes are the print profile's. Lengths are in points.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from services.core.incident import Incident
from services.rendering.letters.faces import BOLD, REGULAR, Face, face
from services.rendering.letters.fitting import MM, wrapped
from services.rendering.letters.profile import Box, Profile
from services.rendering.letters.profile_file import USUAL_PROFILE
from services.rendering.letters.words import sender_of
from services.rendering.told import UnfitError

__all__ = ["Letterhead", "LetterheadError", "letterhead"]

# Sizes, each with the lines that it may have. The name above the rule is one line, else two smaller ones.
_TITLE = ((16.0, 1), (14.0, 1), (12.0, 2), (10.0, 2))
_RETURN = ((7.0, 1), (6.5, 1), (6.0, 1), (6.5, 2), (6.0, 2))
_BLOCK_SIZES = (8.5, 8.0, 7.5, 7.0)
_PITCH, _BREAK = 1.16, 0.6  # of the text's size: from line to line, and what a new paragraph adds


class LetterheadError(UnfitError):
    """What a letter would say of its sender does not fit; `field` is its place in the incident document."""


class Letterhead(NamedTuple):
    """The lines about the sender, each box with the size of its text."""

    name: str
    title: tuple[list[str], float]
    return_to: tuple[list[str], float] | None
    where: list[str]
    reach: list[str]
    size: float  # of `where` and `reach`

    def as_json(self) -> dict[str, Any]:
        """Return it as `form.typ` takes it."""
        title, title_size = self.title
        back = self.return_to
        return {
            "name": self.name,
            "title": {"lines": title, "size": title_size},
            "return-to": back and {"lines": back[0], "size": back[1]},
            "where": self.where,
            "reach": self.reach,
            "size": self.size,
        }


def letterhead(incident: Incident, phrases: Mapping[str, Any], profile: Profile = USUAL_PROFILE) -> Letterhead:
    """Return the lines about an incident's controller, with the labels of a language. Raises LetterheadError."""
    sender = sender_of(incident)
    name, lines = sender["name"], sender["address"]
    width = profile.letterhead.width
    title = _in_lines(name, width * MM, _TITLE, face(BOLD))
    if title is None:
        raise LetterheadError("controller.name", f"is too long for a letterhead of two lines of {width:g} mm")
    back = _return_to(f"{phrases['return_to']}: {', '.join(lines)}", profile.return_to)
    reach = [f"{phrases['label_phone']} {sender['phone']}", sender["email"], sender["website"]]
    block = _block([name, *lines], [line for line in reach if line], profile.sender)
    if block is None:
        raise LetterheadError("controller", "has more lines than the sender's block of a letter has room for")
    return Letterhead(name, title, back, *block)


def _return_to(text: str, box: Box | None) -> tuple[list[str], float] | None:
    if box is None:
        return None
    back = _in_lines(text, box.width * MM, _RETURN, face(REGULAR))
    if back is None:
        raise LetterheadError(
            "controller.address", f"is too long for a return address of two lines of {box.width:g} mm"
        )
    return back


def _in_lines(
    text: str, width: float, ways: Sequence[tuple[float, int]], with_face: Face
) -> tuple[list[str], float] | None:
    """Return a text in the first size in which it fits as many lines as that size may have."""
    for size, most in ways:
        found = wrapped(text, width, size, with_face)
        if len(found) <= most:
            return found, size
    return None


def _block(where: Sequence[str], reach: Sequence[str], box: Box) -> tuple[list[str], list[str], float] | None:
    regular = face(REGULAR)
    for size in _BLOCK_SIZES:
        above, below = (
            [part for line in lines for part in wrapped(line, box.width * MM, size, regular)]
            for lines in (where, reach)
        )
        if ((len(above) + len(below)) * _PITCH + _BREAK) * size <= box.height * MM:
            return above, below, size
    return None
