"""Overlapping cohorts, as several sources would send them, with the errors that real ones have.

All randomness comes from one seed. The generator writes the files and notes at the same time what must become of each
person (`Expectation`). It never reads what Heraut makes of them.
"""

import random
from collections.abc import Sequence
from contextlib import ExitStack
from enum import Enum, auto
from pathlib import Path

from services.core.facts import Facts
from services.demo.made_up.channels import CONTACT_COLUMNS, contact_cells
from services.demo.made_up.cohort_file import Record
from services.demo.made_up.expectation import Expectation
from services.demo.made_up.incident import CODES
from services.demo.made_up.people import Person
from services.demo.made_up.wave import Wave, WaveWriter

__all__ = ["make_waves"]

# Shares of all people, or of the records that a rule applies to.
_OVERLAP = 0.4  # are in more than one wave; 43 % in the case that Heraut is built for
_REPEATED_LINE = 0.01
_TWICE_IN_WAVE = 0.005  # the source has the person twice, under two references
_POORER_RECORD = 0.05  # a further source knows the postal address alone
_SUPPLEMENTED = 0.1
_POSSIBLE = 0.25

# The categories that are taken together, by position; a row that stands twice is twice as frequent.
_PROFILES = ((0,), (0, 1), (0, 1), (0, 2), (0, 1, 3), (0, 1, 3), (0, 1, 3, 4), (0, 1, 2, 3, 4))


class _Fate(Enum):
    """What is special about a person's records."""

    PLAIN = auto()
    DECEASED = auto()
    UNREACHABLE = auto()  # held for good
    LATE = auto()  # unreachable first, reachable later
    NEVER_VALID = auto()
    RIGHT_LATER = auto()  # rejected first, right later


# Upper bounds of a number drawn between 0 and 1; above the last one a person is plain.
_FATES = (
    (0.005, _Fate.DECEASED),
    (0.010, _Fate.UNREACHABLE),
    (0.020, _Fate.LATE),
    (0.023, _Fate.NEVER_VALID),
    (0.030, _Fate.RIGHT_LATER),
)


def make_waves(
    people: list[Person], waves: int, seed: int, folder: Path, *, supplements: bool
) -> tuple[list[Wave], Expectation]:
    """Write the files of `waves` waves into `folder`; return the waves and what must become of the people.

    With `supplements` a share of people gets new facts in the last wave. Send that one when the others are settled: new
    facts make a supplement only where a notice was sent before.
    """
    rng = random.Random(f"cohorts {seed}")  # noqa: S311 - made-up people need no secrets
    expectation = Expectation(people)
    with ExitStack() as files:
        writers = [WaveWriter(files, number, folder) for number in range(waves)]
        plan = _Plan(rng, writers, expectation, supplements=supplements)
        for person in people:
            plan.place(person)
    made = [writer.wave for writer in writers]
    expectation.received = sum(wave.declared for wave in made)
    return made, expectation


class _Plan:
    """Decides for each person which records are sent in which waves, and notes what must become of the person."""

    def __init__(
        self, rng: random.Random, waves: Sequence[WaveWriter], expectation: Expectation, *, supplements: bool
    ) -> None:
        self._rng = rng
        self._waves = waves
        self._expectation = expectation
        self._supplements = supplements

    def place(self, person: Person) -> None:
        """Write all records of one person, and note what must become of the person."""
        facts = self._facts()
        fate = self._fate(person)
        if fate is _Fate.PLAIN and person.can_be_told:
            self._place_plain(person, facts)
        elif fate is _Fate.PLAIN:
            self._place_without_channel(person, facts)
        elif fate is _Fate.DECEASED:
            self._place_deceased(person, facts)
        elif fate is _Fate.UNREACHABLE:
            self._place_unreachable(person, facts)
        elif fate is _Fate.NEVER_VALID:
            self._add_invalid(self._rng.choice(self._waves), person, facts, for_good=True)
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
            return _Fate.PLAIN  # only the address says who this is: a record without it would be invalid
        return fate

    def _place_plain(self, person: Person, facts: Facts) -> None:
        self._expectation.tell(person, facts)
        more = self._supplement(facts)
        waves = self._some_waves(self._waves[:-1] if more else self._waves)
        for at, wave in enumerate(waves):
            self._add(wave, person, facts, poorer=at > 0)
        if more:
            self._add(self._waves[-1], person, more)
            self._expectation.tell(person, more)

    def _place_without_channel(self, person: Person, facts: Facts) -> None:
        """Send a record whose channels all refuse the notice, or that has no channel at all."""
        wave = self._rng.choice(self._waves)
        wave.add(wave.record(person, facts))
        refused = any(contact_cells(person).values())
        self._expectation.exhausted += refused
        self._expectation.held += not refused

    def _supplement(self, facts: Facts) -> Facts | None:
        """Return for some people the facts of a later wave: a category more than `facts`, or the same for certain."""
        if not self._supplements or self._rng.random() >= _SUPPLEMENTED:
            return None
        missing = [1 << at for at in range(len(CODES)) if not facts.exposed >> at & 1]
        if facts.confirmed != facts.exposed and (not missing or self._rng.random() < 0.5):
            return Facts(facts.exposed, facts.exposed)
        if not missing:
            return None
        category = self._rng.choice(missing)
        return Facts(facts.exposed | category, facts.confirmed | category if facts.confirmed else 0)

    def _some_waves(self, waves: Sequence[WaveWriter]) -> list[WaveWriter]:
        """Return one wave, or for the share of people that overlaps several waves in any order."""
        overlaps = len(waves) > 1 and self._rng.random() < _OVERLAP
        return self._rng.sample(waves, self._rng.randrange(2, len(waves) + 1) if overlaps else 1)

    def _add(self, wave: WaveWriter, person: Person, facts: Facts, *, poorer: bool = False) -> None:
        """Add a person to a wave; sometimes with a poorer record, on two lines, or under a second reference."""
        record = wave.record(person, facts)
        if poorer and person.has_letter and self._rng.random() < _POORER_RECORD:
            record |= dict.fromkeys(CONTACT_COLUMNS, "")
        wave.add(record, times=2 if self._rng.random() < _REPEATED_LINE else 1)
        if self._rng.random() < _TWICE_IN_WAVE:
            wave.add(wave.record(person, facts, "b"))

    def _place_deceased(self, person: Person, facts: Facts) -> None:
        for wave in self._some_waves(self._waves):
            wave.add(wave.record(person, facts) | {"deceased": True})
            self._expectation.suppressed += 1

    def _place_unreachable(self, person: Person, facts: Facts) -> None:
        wave = self._rng.choice(self._waves)
        wave.add(_unreachable(wave.record(person, facts)))
        self._expectation.held += 1

    def _place_put_right(self, person: Person, facts: Facts, fate: _Fate) -> None:
        """Send a record that cannot be used, and a right one, from another source or as a correction."""
        wave = self._rng.choice(self._waves)
        self._expectation.tell(person, facts)
        elsewhere = len(self._waves) > 1 and self._rng.random() < 0.5
        if fate is _Fate.LATE:
            wave.add(_unreachable(wave.record(person, facts)))
        else:
            self._add_invalid(wave, person, facts, for_good=elsewhere)
        if elsewhere:
            other = self._rng.choice([one for one in self._waves if one is not wave])
            other.add(other.record(person, facts))
        else:
            wave.correct(wave.record(person, facts))

    def _add_invalid(self, wave: WaveWriter, person: Person, facts: Facts, *, for_good: bool) -> None:
        """Add a record that is rejected; `for_good` where no correction follows."""
        record = wave.record(person, facts)
        draw = self._rng.random()
        broken = for_good and draw < 0.2
        if person.bsn and draw < 0.6:
            record["bsn"] = f"{record['bsn'][:-1]}{(int(record['bsn'][-1]) + 1) % 10}"
        elif draw < 0.8:
            record["dataCategories"] = (*record["dataCategories"], "dna")  # the incident has no such category
        else:
            record["bsn"] = record["personKey"] = record["birthDate"] = ""  # nobody in particular
        wave.add(record, broken=broken)
        self._expectation.rejected += for_good and not broken


def _unreachable(record: Record) -> Record:
    address = ("street", "houseNumber", "houseLetter", "houseNumberAddition", "postcode", "city")
    return record | dict.fromkeys((*address, *CONTACT_COLUMNS), "")
