"""Searches bytes for people: for words that cannot occur by chance, and for numbers, in each form of writing."""

import base64
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

__all__ = ["Searcher", "files_below"]

_DIGITS = rb"[0-9]{9,11}"
# Digits as text, in UTF-16 (either byte order), and in hex, as PostgreSQL shows bytea. A run of more than eleven digits
# is a time or a size, and would now and then hold one of thousands of numbers by chance.
_NUMBER_FORMS = (
    (re.compile(rb"(?<![0-9])" + _DIGITS + rb"(?![0-9])"), bytes),
    (re.compile(rb"(?:[0-9]\x00){8,}[0-9]"), lambda found: found[::2]),
    (re.compile(rb"(?:3[0-9]){9,}"), lambda found: found[1::2]),
    (re.compile(rb"(?:3[0-9]00){8,}3[0-9]"), lambda found: found[1::4]),
    # As people group them: 1234.56.789 and 123 456 789. Other groups are those of times, of which there are too many.
    (
        re.compile(rb"(?<![0-9])(?<![0-9][ .-])[0-9]{3}(?:[0-9]([ .-])[0-9]{2}\1|([ .-])[0-9]{3}\2)[0-9]{3}(?![0-9])"),
        lambda found: re.sub(rb"[ .-]", b"", found),
    ),
)


class Searcher:
    """Finds `words` (of ASCII, in small letters) in either case, and `numbers` of nine digits.

    Each form of a word costs a search through the data, and a number costs one look into a set. Take words that
    many records have in common, so that a few words find all records.
    """

    def __init__(self, words: Iterable[str], numbers: Iterable[str]) -> None:
        self._words = {word: (list(_forms(word)), list(_base64_forms(word))) for word in words}
        self._numbers = {number.encode() for number in numbers}

    def found_in(self, data: bytes) -> set[str]:
        """Return the words and numbers that are in the data."""
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
        """Return the words and numbers of each file that has any."""
        found = ((str(path), self.found_in(path.read_bytes())) for path in files)
        return {path: what for path, what in found if what}


def files_below(folder: Path, *, without: Iterable[Path] = ()) -> Iterator[Path]:
    """Return all files in a folder and its subfolders, except those in the folders `without`."""
    spared = set(without)
    for entry in sorted(folder.iterdir()):
        if entry in spared or entry.is_symlink():
            continue
        if entry.is_dir():
            yield from files_below(entry, without=spared)
        elif entry.is_file():
            yield entry


def _forms(word: str) -> Iterator[bytes]:
    """Return the forms of a word, in small letters: ASCII, UTF-16, and the hex of each."""
    for cased in (word.encode(), word.upper().encode()):
        spread = b"\0".join(bytes([letter]) for letter in cased)
        yield from (cased.lower(), spread.lower(), cased.hex().encode(), spread.hex().encode())


def _base64_forms(word: str) -> Iterator[bytes]:
    """Return the part of a word in base64 that does not depend on its neighbours, for each of its three positions."""
    for cased in (word.encode(), word.upper().encode()):
        for before in range(3):
            encoded = base64.b64encode(bytes(before) + cased)
            yield encoded[-(-before * 8 // 6) : (before + len(cased)) * 8 // 6]
