"""Reads print profiles: those in `profiles/` by their name, others from a file. Checked whole, all faults at once."""

import json
from collections.abc import Callable, Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

from services.rendering.letters.profile import FILE_FORMATS, SHEET, Box, FileRules, Margins, Profile

__all__ = ["SUPPLIED", "USUAL_PROFILE", "InvalidProfile", "named_profile", "parse_profile"]

_FOLDER = Path(__file__).with_name("profiles")
SUPPLIED = tuple(sorted(path.stem for path in _FOLDER.glob("*.json")))
_LONGEST_FILE = 1 << 16  # bytes; a profile has about one thousand
_KEYS = (
    "about", "window", "address", "addressCode", "returnAddress", "letterhead", "sender", "particulars", "margins",
    "edge", "keptFree", "folds", "foldMarks", "sheetMark", "colour", "plex", "mostSheets", "file", "postage",
)  # fmt: skip
_FILE_KEYS = ("format", "letters", "mostBytes", "order", "manifest")
_PARTICULARS_HEIGHT = 14.5  # labels and values of date and reference
_MOST_LETTERS = 1024  # in a PDF: more makes a repeat after a crash long, and is not faster
# What the lines need that stand in a box, whatever they say: the rest is measured for each sender and person.
_LEAST: Mapping[str, tuple[float, float]] = {
    "address": (60.0, 20.0),
    "returnAddress": (60.0, 5.2),
    "letterhead": (100.0, 11.5),
    "sender": (40.0, 20.0),
    "sheetMark": (8.0, 8.0),
}
_WIDEST_KIX = 84.0  # eighteen signs
_MOST_MARKED = 99  # two digits


class InvalidProfile(ValueError):  # noqa: N818 - says what it is
    """The profile cannot be taken; `problems` has {field, problem} for every fault."""

    def __init__(self, problems: list[dict[str, str]]) -> None:
        super().__init__("; ".join(f"{p['field']}: {p['problem']}" for p in problems))
        self.problems = problems


def named_profile(name: str) -> Profile:
    """Return a profile by its name, or from a file. Raises ValueError saying what is wrong."""
    path = _FOLDER / f"{name}.json" if name in SUPPLIED else Path(name)
    try:
        with path.open("rb") as file:
            text = file.read(_LONGEST_FILE)
        value = json.loads(text)
    except OSError as error:
        raise ValueError(f"must be one of {', '.join(SUPPLIED)}, or a file that can be read") from error
    except (ValueError, RecursionError) as error:
        raise ValueError("is not JSON") from error
    return parse_profile(path.stem, value)


def parse_profile(name: str, value: Any) -> Profile:
    """Read a profile. Raises InvalidProfile with every fault in it."""
    check = _Check()
    source = check.fields(value, "", _KEYS)
    file = check.fields(source.get("file"), "file", _FILE_KEYS)
    postage = check.fields(source.get("postage"), "postage", ("domestic", "abroad"))
    margins = check.lengths(source, "margins", Margins._fields)
    profile = Profile(
        name=name,
        window=check.box(source, "window"),
        address=check.box(source, "address"),
        address_code=check.word(source, "addressCode", ("kix", "none")),
        return_to=check.box(source, "returnAddress") if "returnAddress" in source else None,
        letterhead=check.box(source, "letterhead"),
        sender=check.box(source, "sender"),
        particulars=check.length(source.get("particulars"), "particulars"),
        margins=Margins(*margins),
        edge=check.length(source.get("edge"), "edge"),
        kept_free=tuple(check.each(source, "keptFree", check.box_of)),
        folds=tuple(check.each(source, "folds", check.length)),
        fold_marks=check.yes_no(source, "foldMarks"),
        sheet_mark=check.box(source, "sheetMark") if "sheetMark" in source else None,
        colour=check.word(source, "colour", ("rgb", "cmyk", "black")),
        plex=check.word(source, "plex", ("duplex", "simplex")),
        most_sheets=check.count(source.get("mostSheets"), "mostSheets"),
        file=_file_rules(check, file),
        postage_domestic=check.text(postage, "domestic", "postage."),
        postage_abroad=check.text(postage, "abroad", "postage."),
    )
    if not check.problems:  # else what a box is worth is not known
        for field, problem in _misplaced(profile):
            check.fail(field, problem)
    if check.problems:
        raise InvalidProfile(check.problems)
    return profile


def _file_rules(check: "_Check", file: Mapping[str, Any]) -> FileRules:
    kind = check.word(file, "format", FILE_FORMATS, "file.")
    letters, most_bytes = (
        check.count(file[key], f"file.{key}") if key in file else None for key in ("letters", "mostBytes")
    )
    if kind == "pdf" and letters and letters > _MOST_LETTERS:
        check.fail("file.letters", f"must be at most {_MOST_LETTERS} in a PDF")
    manifest = tuple(check.each(file, "manifest", check.manifest, "file."))
    if "json" not in manifest:
        check.fail("file.manifest", "must have json among them")
    return FileRules(kind, letters, most_bytes, check.word(file, "order", ("given", "postcode"), "file."), manifest)


class _Check:
    """Reads the parts of a profile and gathers their faults; a faulty part is read as a harmless value."""

    def __init__(self) -> None:
        self.problems: list[dict[str, str]] = []

    def fail(self, field: str, problem: str) -> None:
        """Take note of a fault."""
        self.problems.append({"field": field, "problem": problem})

    def fields(self, value: Any, path: str, known: tuple[str, ...]) -> Mapping[str, Any]:
        """Read an object that has no other fields."""
        if not isinstance(value, dict):
            self.fail(path, f"must be an object with {', '.join(known)}")
            return {}
        for key in sorted(set(value) - set(known)):
            self.fail(f"{path}.{key[:64]}".lstrip("."), "is not a field of it")
        return value

    def box(self, source: Mapping[str, Any], key: str) -> Box:
        """Read a box."""
        return Box(*self.lengths(source, key, Box._fields))

    def box_of(self, value: Any, field: str) -> Box:
        """Read a box of a list."""
        return self.box({field: value}, field)

    def lengths(self, source: Mapping[str, Any], key: str, names: tuple[str, ...]) -> list[float]:
        """Read lengths by their names."""
        found = self.fields(source.get(key), key, names)
        return [self.length(found.get(name), f"{key}.{name}") if found else 0.0 for name in names]

    def length(self, value: Any, field: str) -> float:
        """Read millimetres on a sheet."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= SHEET.height:
            self.fail(field, f"must be millimetres, 0 to {SHEET.height:g}")
            return 0.0
        return float(value)

    def count(self, value: Any, field: str) -> int:
        """Read how many."""
        if type(value) is not int or not 0 < value <= 10**9:
            self.fail(field, "must be a whole number above 0")
            return 1
        return value

    def word(self, source: Mapping[str, Any], key: str, words: tuple[str, ...], path: str = "") -> str:
        """Read one of these words."""
        value = source.get(key)
        if value not in words:
            self.fail(path + key, f"must be {' or '.join(words)}")
            return words[0]
        return str(value)

    def text(self, source: Mapping[str, Any], key: str, path: str) -> str:
        """Read a word of the print house's own."""
        value = source.get(key)
        if not isinstance(value, str) or not value.strip() or not value.isprintable() or len(value) > 64:
            self.fail(path + key, "must be a text of at most 64 signs")
            return ""
        return value

    def yes_no(self, source: Mapping[str, Any], key: str) -> bool:
        """Read what is true or false."""
        value = source.get(key)
        if not isinstance(value, bool):
            self.fail(key, "must be true or false")
        return value is True

    def each(self, source: Mapping[str, Any], key: str, read: Callable[[Any, str], Any], path: str = "") -> list[Any]:
        """Read a list."""
        value = source.get(key)
        if not isinstance(value, list):
            self.fail(path + key, "must be a list")
            return []
        return [read(one, f"{path}{key}[{at}]") for at, one in enumerate(value)]

    def manifest(self, value: Any, field: str) -> str:
        """Read the format of a manifest."""
        return self.word({field: value}, field, ("json", "csv"))


def _misplaced(profile: Profile) -> Iterator[tuple[str, str]]:
    """Return what lies where it would be hidden, cut off, folded, or printed over something else."""
    boxes = _boxes(profile)
    edge = profile.edge
    printable = Box(edge, edge, SHEET.width - 2 * edge, SHEET.height - 2 * edge)
    for name, box in boxes.items():
        width, height = _LEAST.get(name, (0.0, 0.0))
        if box.width < width or box.height < height:
            yield name, f"must be at least {width:g} by {height:g} mm"
        if not printable.holds(box):
            yield name, "lies on the edge of the sheet, which is not printed on"
        for at, kept in enumerate(profile.kept_free):
            if box.overlaps(kept):
                yield name, f"lies in keptFree[{at}]"
    for (name, box), (other, of_other) in combinations(boxes.items(), 2):
        if box.overlaps(of_other):
            yield other, f"lies over {name}"
    yield from _of_window(profile, boxes)


def _of_window(profile: Profile, boxes: Mapping[str, Box]) -> Iterator[tuple[str, str]]:
    if not profile.window.holds(profile.address):
        yield "address", "must lie in the window"
    for name, box in boxes.items():
        if name not in {"address", "returnAddress"} and box.overlaps(profile.window):
            yield name, "would be seen through the window"
    if any(profile.window.y < fold < profile.window.bottom for fold in profile.folds):
        yield "folds", "must not run through the window"
    if profile.address_code == "kix" and profile.address.width < _WIDEST_KIX:
        yield "address", f"must be {_WIDEST_KIX:g} mm wide for a KIX code"
    mark, text = profile.sheet_mark, Box(profile.margins.left, 0.0, profile.text_width, SHEET.height)
    if mark and (mark.overlaps(text) or mark.width != mark.height):
        yield "sheetMark", "must be square, and beside the text"
    if mark and profile.most_sheets > _MOST_MARKED:
        yield "mostSheets", f"must be at most {_MOST_MARKED} where sheets are marked"
    if profile.text_width < 150:
        yield "margins", "must leave 150 mm for date, reference and the earlier reference beside each other"


def _boxes(profile: Profile) -> dict[str, Box]:
    """Return what is printed on a first page at a place of its own."""
    particulars = Box(profile.margins.left, profile.particulars, profile.text_width, _PARTICULARS_HEIGHT)
    found = {
        "address": profile.address,
        "letterhead": profile.letterhead,
        "sender": profile.sender,
        "particulars": particulars,
    }
    others = {"returnAddress": profile.return_to, "sheetMark": profile.sheet_mark}
    return found | {name: box for name, box in others.items() if box}


USUAL_PROFILE = named_profile("nl-dl-left")
