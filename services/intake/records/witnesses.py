"""What a record says of who somebody is, as short keyed hashes: see `core.witnesses` for how they are packed. Pure.

They are the same in all of an incident's cohorts, and other ones in every other incident. Birth date and family name
show shared and mistyped numbers; initials, given name, house letter and addition tell twins and neighbours apart. Who
has a number has the latter too: they tell which records without a number may be tied to it.

What stands for "not known" is not known: `onbekend`, `n.v.t.`, `-`, a single letter for a name. The name from birth
is a form of the name too (`names` says which names count), and of a double name its parts are. Of a given name the
first word counts; initials are compared one by one. A letter that stands in the field of the addition is a house
letter.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from itertools import repeat
from typing import Final, TypeVar

from services.core.witnesses import HASH_BYTES, IDENTIFIED, INITIALS, MAX_FORMS, PARTS
from services.intake.records.identity import normal_name
from services.intake.records.names import BETWEEN, compared_name, compared_names
from services.intake.records.record import Record, RecordColumns

__all__ = ["Remembered", "Witnesses", "known_name"]

# Letters that a name is left with where it says that there is none. No name of the registers is among them.
_ABSENT: Final = frozenset({"onbekend", "nietbekend", "onbekende", "unknown", "nvt", "xx", "xxx", "nn", "null", "none"})
_BETWEEN_NAMES = re.compile(r"[-\u2010-\u2015/]")
_BETWEEN_INITIALS = re.compile(r"[\s.,\-]+")
# So many different names, dates and so on are remembered: few people have another one. Ten megabytes an incident.
_REMEMBERED: Final = 65_536

_INITIALS_BIT, _GIVEN_NAME_BIT, _LETTER_BIT, _ADDITION_BIT = PARTS

Said = TypeVar("Said")
Made = TypeVar("Made")


class Witnesses:
    """Makes the witnesses of one incident's members."""

    def __init__(self, pepper: bytes, incident_id: str) -> None:
        key = blake2b(incident_id.encode(), key=pepper, person=b"heraut-witness").digest()
        forms, extras = _Forms(key), _Extras(key)
        self._births = Remembered(_Birth(key).packed)
        self._names = Remembered(forms.packed)
        self._initials = Remembered(extras.initials)
        self._given_names = Remembered(extras.given_name)
        self._suffixes = Remembered(extras.suffix)

    def of(self, record: Record) -> bytes:
        """Return the witnesses of a checked record."""
        identified = IDENTIFIED if record.bsn or record.person_key else 0
        one, initials = self._initials[record.initials or ""]
        two, given_name = self._given_names[record.given_name or ""]
        three, suffix = self._suffixes[record.house_letter or "", record.house_number_addition or ""]
        named = self._names[compared_name(record), one | two | three | identified]
        return named + self._births[record.birth_date or ""] + initials + given_name + suffix

    def of_all(self, columns: RecordColumns) -> list[bytes]:
        """Return the witnesses of each row of checked columns; those of odd rows mean nothing."""
        names = self._names
        letters, additions = columns.house_letter, columns.house_number_addition
        suffixes = zip(letters, additions, strict=True) if any(letters) or any(additions) else repeat(("", ""))
        identified: Iterable[int] = repeat(IDENTIFIED)
        if "" in columns.bsn:
            numbers = zip(columns.bsn, columns.person_key, strict=True)
            identified = [IDENTIFIED if bsn or key else 0 for bsn, key in numbers]
        rows = zip(
            compared_names(columns),
            map(self._births.__getitem__, columns.birth_date),
            _made(self._initials, columns.initials),
            _made(self._given_names, columns.given_name),
            map(self._suffixes.__getitem__, suffixes),
            identified,
            strict=False,
        )
        return [
            names[name, one | two | three | known] + birth + initials + given_name + suffix
            for name, birth, (one, initials), (two, given_name), (three, suffix), known in rows
        ]


def _made(remembered: "Remembered[str, Made]", said: Sequence[str]) -> Iterable[Made]:
    """Return what each text comes to; most sources leave whole columns empty."""
    return map(remembered.__getitem__, said) if any(said) else repeat(remembered[""])


class Remembered(dict[Said, Made]):
    """What texts come to, made once for each of the first so many; beyond them, each time."""

    def __init__(self, make: Callable[[Said], Made], most: int = _REMEMBERED) -> None:
        super().__init__()
        self._make, self._most = make, most

    def __missing__(self, said: Said) -> Made:
        made = self._make(said)
        if len(self) < self._most:
            self[said] = made
        return made


class _Hash:
    """A keyed hash of one kind of witness."""

    def __init__(self, key: bytes, kind: bytes, size: int = HASH_BYTES) -> None:
        self._begun = blake2b(digest_size=size, key=key, person=kind)

    def of(self, text: str) -> bytes:
        state = self._begun.copy()
        state.update(text.encode())
        return state.digest()


def _places(key: bytes, kind: bytes, count: int) -> list[int]:
    """Return a byte above 0 for each of so many values, by the key; no two have the same one."""
    hashed = _Hash(key, kind, size=16)
    return sorted(range(1, 256), key=lambda place: hashed.of(str(place)))[:count]


class _Birth:
    """Packs birth dates in their normal form, YYYY-MM-DD with zeros for what is not known."""

    def __init__(self, key: bytes) -> None:
        self._years = _places(key, b"birth-year", 255)  # two that share a byte lie 255 years apart
        self._months = [0, *_places(key, b"birth-month", 12)]
        self._days = [0, *_places(key, b"birth-day", 31)]

    def packed(self, born: str) -> bytes:
        year, month, day = _number(born[:4]), _number(born[5:7]), _number(born[8:10])
        known = year and self._years[year % 255]
        return bytes((known, self._months[month] if month <= 12 else 0, self._days[day] if day <= 31 else 0))


def _number(digits: str) -> int:
    return int(digits) if digits.isascii() and digits.isdigit() else 0


class _Forms:
    """Packs the forms of family names, behind a head that counts them."""

    def __init__(self, key: bytes) -> None:
        self._hash = _Hash(key, b"family-name")

    def packed(self, said: tuple[str, int]) -> bytes:
        """Pack the forms of compared names behind their head, with more bits in it."""
        names, bits = said
        written = [form for name in names.split(BETWEEN) for form in (name, *_BETWEEN_NAMES.split(name))]
        letters = dict.fromkeys(filter(None, map(known_name, written)))
        forms = [self._hash.of(name) for name in letters][:MAX_FORMS]
        return bytes((len(forms) | bits,)) + b"".join(forms)


def known_name(text: str) -> str:
    """Return the letters of a name; none where it only says that there is none, or is a single letter."""
    letters = normal_name(text)
    return letters if len(letters) > 1 and _signs(text) else ""


class _Extras:
    """Packs what tells people with one match key apart."""

    def __init__(self, key: bytes) -> None:
        places = _places(key, b"initial", 26)
        self._initials = {letter: places[at] for at, letter in enumerate("abcdefghijklmnopqrstuvwxyz")}
        self._given_name, self._letter, self._addition = (
            _Hash(key, kind) for kind in (b"given-name", b"house-letter", b"house-addition")
        )

    def initials(self, text: str) -> tuple[int, bytes]:
        """Pack initials, with the bit of the head that names them."""
        places = []
        for letter in _initials(text)[:INITIALS]:
            if letter not in self._initials:  # another alphabet: what follows is not compared
                break
            places.append(self._initials[letter])
        return (_INITIALS_BIT, bytes(places).ljust(INITIALS, b"\0")) if places else (0, b"")

    def given_name(self, text: str) -> tuple[int, bytes]:
        """Pack a given name, with the bit of the head that names it."""
        first = known_name((text.split() or [""])[0])
        return (_GIVEN_NAME_BIT, self._given_name.of(first)) if first else (0, b"")

    def suffix(self, given: tuple[str, str]) -> tuple[int, bytes]:
        """Pack house letter and addition, with the bits of the head that name them."""
        letter, addition = map(_signs, given)
        if not letter and len(addition) == 1 and addition.isalpha():
            letter, addition = addition, ""
        bits = (_LETTER_BIT if letter else 0) | (_ADDITION_BIT if addition else 0)
        one = self._letter.of(letter) if letter else b""
        return bits, one + (self._addition.of(addition) if addition else b"")


def _initials(text: str) -> Sequence[str]:
    """Return the letters of initials: `J.P.`, `J P` and `JP` have two; `Th.` and `Chr.` have one each."""
    words = [word for word in _BETWEEN_INITIALS.split(text) if word]
    if len(words) == 1 and words[0].isupper():
        words = list(words[0])
    return [letters[0] for letters in map(normal_name, words) if letters]


def _signs(text: str) -> str:
    """Return the letters and digits of a text; none where it only says that there is nothing."""
    signs = "".join(filter(str.isalnum, text.casefold()))
    return "" if signs in _ABSENT else signs
