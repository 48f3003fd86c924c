"""Overlapping waves of cohorts, as several sources would send them, with what goes wrong in real ones.

All randomness comes from one seed. While it writes the files, the generator notes what must become of each
person (`Expectation`); it never looks at what Heraut makes of it.
"""

import random
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

from services.core.facts import Facts
from services.demo.expectation import Expectation
from services.demo.files import FORMS, CohortFile, Form, Record
from services.demo.incident import CATEGORIES
from services.demo.people import Person

__all__ = ["Wave", "make_waves"]

_SOURCES = ("Laboratorium De Proef B.V.", "Ziekenhuis Oost", "Huisartsenpost Midden", "GGD Noord", "Kliniek Zuid")
_OVERLAP = 0.4  # of all people are in more than one wave: 43 % in the case this is built for
_REPEATED_LINE = 0.01
_TWICE_IN_WAVE = 0.005  # the source has the person twice, under two references
_POORER_RECORD = 0.05  # a further source knows the postal address alone
_SUPPLEMENTED = 0.1
_POSSIBLE = 0.25

# What is taken together: categories by position, with how often.
_PROFILES = ((0,), (0, 1), (0, 1), (0, 2), (0, 1, 3), (0, 1, 3), (0, 1, 3, 4), (0, 1, 2, 3, 4))
_CODES = tuple(category[0] for category in CATEGORIES)


class _Fate(Enum):
    PLAIN = auto()
    DECEASED = auto()
    UNREACHABLE = auto()  # held for good
    LATE = auto()  # unreachable first, reachable later
    NEVER_VALID = auto()
    RIGHT_LATER = auto()  # rejected first, right later


# Shares of all people; the rest is plain.
_FATES = (
    (0.005, _Fate.DECEASED),
    (0.010, _Fate.UNREACHABLE),
    (0.020, _Fate.LATE),
    (0.023, _Fate.NEVER_VALID),
    (0.030, _Fate.RIGHT_LATER),
)  # upper bounds, summed up


@dataclass(slots=True)
class Wave:
    """One cohort as its source sends it: a file, and a smaller one that puts right what was wrong in it."""

    cohort_id: str
    source: str
    form: Form
    path: Path
    corrections: Path | None
    declared: int = 0  # different members; corrections repeat them
    lines: int = 0


def make_waves(
    people: list[Person], waves: int, seed: int, folder: Path, *, supplements: bool
) -> tuple[list[Wave], Expectation]:
    """Write the files of so many waves into `folder`; returns them with what is to be expected.

    With `supplements` a share of people gets new facts in the last wave: it has to be sent when the
    others are through, so that what was told before is told already.
    """
    rng = random.Random(f"cohorts {seed}")  # noqa: S311 - made-up people need no secrets
    expectation = Expectation(people)
    with ExitStack() as files:
        sheets = [_Sheet(files, _wave(number, folder), number) for number in range(waves)]
        plan = _Plan(rng, sheets, expectation, supplements=supplements)
        for person in people:
            plan.place(person)
        made = [sheet.close() for sheet in sheets]
    expectation.received = sum(wave.declared for wave in made)
    return made, expectation


def _wave(number: int, folder: Path) -> Wave:
    form = FORMS[number % len(FORMS)]
    name = f"wave-{number + 1}"
    return Wave(
        name, _SOURCES[number % len(_SOURCES)], form, folder / f"{name}{form.suffix}",
        folder / f"{name}-corrections{form.suffix}",
    )  # fmt: skip


class _Sheet:
    """A wave's two files being written, in its source's habits."""

    def __init__(self, files: ExitStack, wave: Wave, number: int) -> None:
        self.wave = wave
        self.corrected = 0
        self._prefix = f"{'PQRS'[number % 4]}{number + 1}"
        self._drops_zeros = number % 3 == 2  # a spreadsheet ate the leading zeros of its BSNs
        self._file = files.enter_context(CohortFile(wave.path, wave.form))
        assert wave.corrections  # noqa: S101 - `_wave` names it
        self._corrections = files.enter_context(CohortFile(wave.corrections, wave.form))

    def close(self) -> Wave:
        """Return the wave as it was written."""
        if not self.corrected:
            self.wave.corrections = None
        return self.wave

    def record(self, person: Person, facts: Facts, copy: str = "") -> Record:
        """Return the person's record as this source knows it."""
        bsn = person.bsn.lstrip("0") if self._drops_zeros else person.bsn
        return {
            "memberRef": f"{self._prefix}-{person.number}{copy}", "bsn": bsn, "personKey": person.person_key,
            "initials": person.initials, "givenName": person.given_name, "prefix": person.prefix,
            "familyName": person.family_name, "birthDate": person.birth_date, "street": person.street,
            "houseNumber": person.house_number, "houseLetter": person.house_letter,
            "houseNumberAddition": person.house_number_addition, "postcode": person.postcode, "city": person.city,
            "country": person.country, "email": person.email, "portalId": person.portal_id,
            "language": person.language, "dataCategories": tuple(_CODES[at] for at in facts.categories()),
            "certainty": "" if facts.confirmed else "possible", "deceased": False,
            "secretAddress": person.secret_address, "notAtAddress": person.not_at_address,
        }  # fmt: skip

    def add(self, record: Record, *, times: int = 1, broken: bool = False) -> None:
        """Write a member's record; a repeated line is no further member."""
        self.wave.declared += 1
        for _ in range(times):
            (self._file.write_broken if broken else self._file.write)(record)
            self.wave.lines += 1

    def correct(self, record: Record) -> None:
        """Write a record that takes the place of one sent before."""
        self.corrected += 1
        self.wave.lines += 1
        self._corrections.write(record)


class _Plan:
    """Decides for each person what is sent in which wave, and notes what that must come to."""

    def __init__(
        self, rng: random.Random, sheets: Sequence[_Sheet], expectation: Expectation, *, supplements: bool
    ) -> None:
        self._rng = rng
        self._sheets = sheets
        self._expectation = expectation
        self._supplements = supplements

    def place(self, person: Person) -> None:
        """Write all records of one person."""
        facts = self._facts()
        fate = self._fate(person)
        if fate is _Fate.PLAIN:
            self._place_plain(person, facts)
        elif fate is _Fate.DECEASED:
            self._place_deceased(person, facts)
        elif fate is _Fate.UNREACHABLE:
            self._place_unreachable(person, facts)
        elif fate is _Fate.NEVER_VALID:
            self._add_invalid(self._rng.choice(self._sheets), person, facts, for_good=True)
        else:
            self._place_put_right(person, facts, fate)

    def _facts(self) -> Facts:
        mask = sum(1 << at for at in self._rng.choice(_PROFILES))
        return Facts(mask, 0 if self._rng.random() < _POSSIBLE else mask)

    def _fate(self, person: Person) -> _Fate:
        draw = self._rng.random()
        fate = next((fate for bound, fate in _FATES if draw < bound), _Fate.PLAIN)
        if fate in {_Fate.LATE, _Fate.RIGHT_LATER} and not person.can_be_told:
            return _Fate.PLAIN
        if fate in {_Fate.LATE, _Fate.UNREACHABLE} and not (person.bsn or person.person_key):
            return _Fate.PLAIN  # known by the address: without one, nobody
        return fate

    def _place_plain(self, person: Person, facts: Facts) -> None:
        if not person.can_be_told:
            sheet = self._rng.choice(self._sheets)
            sheet.add(sheet.record(person, facts))
            refused = bool(person.portal_id or person.email)
            self._expectation.exhausted += refused
            self._expectation.held += not refused
            return
        self._expectation.tell(person, facts)
        more = self._supplement(facts)
        sheets = self._some_sheets(self._sheets[:-1] if more else self._sheets)
        for at, sheet in enumerate(sheets):
            self._add(sheet, person, facts, poorer=at > 0)
        if more:
            self._add(self._sheets[-1], person, more)
            self._expectation.tell(person, more)

    def _supplement(self, facts: Facts) -> Facts | None:
        """Return what a later wave says beyond `facts`, for some people: a category more, or certainty."""
        if not self._supplements or self._rng.random() >= _SUPPLEMENTED:
            return None
        missing = [1 << at for at in range(len(_CODES)) if not facts.exposed >> at & 1]
        if facts.confirmed != facts.exposed and (not missing or self._rng.random() < 0.5):
            return Facts(facts.exposed, facts.exposed)
        if not missing:
            return None
        category = self._rng.choice(missing)
        return Facts(facts.exposed | category, facts.confirmed | category if facts.confirmed else 0)

    def _some_sheets(self, sheets: Sequence[_Sheet]) -> list[_Sheet]:
        """Draw one sheet, or for the share of people that overlaps several, in any order."""
        overlaps = len(sheets) > 1 and self._rng.random() < _OVERLAP
        return self._rng.sample(sheets, self._rng.randrange(2, len(sheets) + 1) if overlaps else 1)

    def _add(self, sheet: _Sheet, person: Person, facts: Facts, *, poorer: bool = False) -> None:
        record = sheet.record(person, facts)
        if poorer and person.has_letter and self._rng.random() < _POORER_RECORD:
            record["email"] = record["portalId"] = ""
        sheet.add(record, times=2 if self._rng.random() < _REPEATED_LINE else 1)
        if self._rng.random() < _TWICE_IN_WAVE:
            sheet.add(sheet.record(person, facts, "b"))

    def _place_deceased(self, person: Person, facts: Facts) -> None:
        for sheet in self._some_sheets(self._sheets):
            sheet.add(sheet.record(person, facts) | {"deceased": True})
            self._expectation.suppressed += 1

    def _place_unreachable(self, person: Person, facts: Facts) -> None:
        sheet = self._rng.choice(self._sheets)
        sheet.add(_unreachable(sheet.record(person, facts)))
        self._expectation.held += 1

    def _place_put_right(self, person: Person, facts: Facts, fate: _Fate) -> None:
        """Send a record that is of no use, and a right one: from another source, or as its correction."""
        sheet = self._rng.choice(self._sheets)
        self._expectation.tell(person, facts)
        elsewhere = len(self._sheets) > 1 and self._rng.random() < 0.5
        if fate is _Fate.LATE:
            sheet.add(_unreachable(sheet.record(person, facts)))
        else:
            self._add_invalid(sheet, person, facts, for_good=elsewhere)
        if elsewhere:
            other = self._rng.choice([s for s in self._sheets if s is not sheet])
            other.add(other.record(person, facts))
        else:
            sheet.correct(sheet.record(person, facts))

    def _add_invalid(self, sheet: _Sheet, person: Person, facts: Facts, *, for_good: bool) -> None:
        record = sheet.record(person, facts)
        draw = self._rng.random()
        broken = for_good and draw < 0.2
        if person.bsn and draw < 0.6:
            record["bsn"] = f"{record['bsn'][:-1]}{(int(record['bsn'][-1]) + 1) % 10}"
        elif draw < 0.8:
            record["dataCategories"] = (*record["dataCategories"], "dna")  # the incident has no such category
        else:
            record["bsn"] = record["personKey"] = record["birthDate"] = ""  # nobody in particular
        sheet.add(record, broken=broken)
        self._expectation.rejected += for_good


def _unreachable(record: Record) -> Record:
    nothing = ("street", "houseNumber", "houseLetter", "houseNumberAddition", "postcode", "city", "email", "portalId")
    return record | dict.fromkeys(nothing, "")
