"""Looks for people in bytes: words that cannot occur by chance, and numbers, in whatever form a program writes them."""

import base64
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

__all__ = ["Searcher", "files_below"]

_DIGITS = rb"[0-9]{9,11}"
# As text, in UTF-16 (either byte order), and as PostgreSQL shows bytea of either. A longer run of digits is a time
# or a size: with thousands of numbers to look for, it would hold one of them by chance now and then.
_NUMBER_FORMS = (
    (re.compile(rb"(?<![0-9])" + _DIGITS + rb"(?![0-9])"), bytes),
    (re.compile(rb"(?:[0-9]\x00){8,}[0-9]"), lambda found: found[::2]),
    (re.compile(rb"(?:3[0-9]){9,}"), lambda found: found[1::2]),
    (re.compile(rb"(?:3[0-9]00){8,}3[0-9]"), lambda found: found[1::4]),
)


class Searcher:
    """Finds `words` (of ASCII, in small letters) in either case, and `numbers` of nine digits.

    A form of a word costs a search through the data, a number only a look into a set: take words that
    many records have in common, so that a few of them stand for all.
    """

    def __init__(self, words: Iterable[str], numbers: Iterable[str]) -> None:
        self._words = {word: (list(_forms(word)), list(_base64_forms(word))) for word in words}
        self._numbers = {number.encode() for number in numbers}

    def found_in(self, data: bytes) -> set[str]:
        """Return the words and numbers that are there."""
        small = data.lower()
        words = {
            word
            for word, (forms, encoded) in self._words.items()
            if any(form in small for form in forms) or any(form in data for form in encoded)
        }
        return words | {number.decode() for number in self._candidates(data) if number in self._numbers}

    @staticmethod
    def _candidates(data: bytes) -> Iterator[bytes]:
        for pattern, to_digits in _NUMBER_FORMS:
            for match in pattern.finditer(data):
                digits = to_digits(match.group())
                for at in range(len(digits) - 8):
                    yield digits[at : at + 9]

    def found_in_files(self, files: Iterable[Path]) -> dict[str, set[str]]:
        """Return what is there by file, for the files that have something."""
        found = ((str(path), self.found_in(path.read_bytes())) for path in files)
        return {path: what for path, what in found if what}


def files_below(folder: Path, *, without: Iterable[Path] = ()) -> Iterator[Path]:
    """Return all files of a folder, whatever their depth, but for those in the folders `without`."""
    spared = set(without)
    for entry in sorted(folder.iterdir()):
        if entry in spared or entry.is_symlink():
            continue
        if entry.is_dir():
            yield from files_below(entry, without=spared)
        elif entry.is_file():
            yield entry


def _forms(word: str) -> Iterator[bytes]:
    """Return a word as text (in any encoding that keeps ASCII) and UTF-16 in small letters, and the hex of either."""
    for cased in (word.encode(), word.upper().encode()):
        spread = b"\0".join(bytes([letter]) for letter in cased)
        yield from (cased.lower(), spread.lower(), cased.hex().encode(), spread.hex().encode())


def _base64_forms(word: str) -> Iterator[bytes]:
    """Return what stays of a word in base64 wherever it begins: the sextets that are all its own."""
    for cased in (word.encode(), word.upper().encode()):
        for before in range(3):
            encoded = base64.b64encode(bytes(before) + cased)
            yield encoded[-(-before * 8 // 6) : (before + len(cased)) * 8 // 6]
