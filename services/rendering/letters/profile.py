"""The print profile: what a print house and its envelopes ask of letters and of print files. Pure.

Lengths are in millimetres, from the top left of an A4 sheet.
"""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

__all__ = ["FILE_FORMATS", "SHEET", "Box", "FileRules", "Margins", "Profile"]

FILE_FORMATS = ("pdf", "ndjson")


class Box(NamedTuple):
    """A place on a sheet."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """Its right edge."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """Its lower edge."""
        return self.y + self.height

    def holds(self, other: "Box") -> bool:
        """Tell whether another box lies in this one."""
        across = self.x <= other.x and other.right <= self.right
        return across and self.y <= other.y and other.bottom <= self.bottom

    def overlaps(self, other: "Box") -> bool:
        """Tell whether two boxes share a place; edges may touch."""
        across = self.x < other.right and other.x < self.right
        return across and self.y < other.bottom and other.y < self.bottom


SHEET = Box(0.0, 0.0, 210.0, 297.0)


class Margins(NamedTuple):
    """What is left free around the text of every page."""

    left: float
    right: float
    top: float
    bottom: float


class FileRules(NamedTuple):
    """What a print file is to be like."""

    format: str
    letters: int | None  # in one file, at most; None = as many as are handled well at once
    most_bytes: int | None
    order: str  # of the letters in a file: "given", or by "postcode", abroad last
    manifest: tuple[str, ...]  # "json" is always there; "csv" has the same letters as a table


@dataclass(frozen=True, slots=True)
class Profile:
    """What one print house asks. The window shows the `address`, which is set at the top left of its box."""

    name: str
    window: Box
    address: Box
    address_code: str  # "kix" below the address, or "none"
    return_to: Box | None  # the return address in one line or two; None = it is not printed
    letterhead: Box  # the sender's name; a rule is its lower edge
    sender: Box
    particulars: float  # where the labels of date and reference begin; the text begins `PARTICULARS_HEIGHT` lower
    margins: Margins
    edge: float  # of the sheet, that no printer prints on
    kept_free: tuple[Box, ...]  # of the first page: for franking, and marks of the print house's own
    folds: tuple[float, ...]
    fold_marks: bool
    sheet_mark: Box | None  # on the front of each sheet, a DataMatrix of its letter and number; None = none
    colour: str  # "rgb", "cmyk", or "black"
    plex: str  # "duplex": a letter's last sheet is filled, so that no two people share one; or "simplex"
    most_sheets: int  # of a letter
    file: FileRules
    postage_domestic: str
    postage_abroad: str

    @property
    def text_width(self) -> float:
        """How wide running text is."""
        return SHEET.width - self.margins.left - self.margins.right

    @property
    def most_pages(self) -> int:
        """How many pages a letter may have."""
        return self.most_sheets * (2 if self.plex == "duplex" else 1)

    @property
    def fills_sheets(self) -> bool:
        """Whether a letter of an odd number of pages gets a blank one. A letter alone in its file needs none."""
        return self.plex == "duplex" and self.file.letters != 1

    @property
    def marked(self) -> int:
        """The first of each so many pages of a letter has a mark of its sheet; 0 = none has."""
        if self.sheet_mark is None:
            return 0
        return 2 if self.plex == "duplex" else 1

    def sheets(self, pages: int) -> int:
        """Return on how many sheets so many pages are printed."""
        return (pages + 1) // 2 if self.plex == "duplex" else pages

    def postage(self, country: str) -> str:
        """Return the class by which a letter to a country (ISO 3166) goes."""
        return self.postage_domestic if country == "NL" else self.postage_abroad

    def on_screen(self) -> "Profile":
        """Return the profile of copies that nobody prints on a press: a screen has its own colours."""
        return replace(self, colour="rgb") if self.colour == "cmyk" else self

    def layout(self) -> dict[str, Any]:
        """Return what typst lays letters out by."""
        return {
            "margins": self.margins._asdict(),
            "address": self.address._asdict(),
            "return-to": self.return_to and self.return_to._asdict(),
            "letterhead": self.letterhead._asdict(),
            "sender": self.sender._asdict(),
            "particulars": self.particulars,
            "folds": self.folds if self.fold_marks else (),
            "edge": self.edge,
            "colour": self.colour,
        }
