"""Overlapping cohorts, as several sources would send them, with the errors that real ones have.

All randomness comes from one seed. The generator writes the files and notes at the same time which valid records it
sent; from them follows what must become of each person (`Expectation`). It never reads what Heraut makes of them.
"""

import random
from collections.abc import Sequence
from contextlib import ExitStack
from enum import Enum, auto
from pathlib import Path

from services.core.facts import Facts
from services.demo.made_up.channels import CONTACT_COLUMNS
from services.demo.made_up.expectation import Expectation, SentRecord
from services.demo.made_up.incident import CODES
from services.demo.made_up.kinds import Kind
from services.demo.made_up.known_as import Sources, without_channel
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
_MOVED = 0.1
_WITHDRAWN = 0.02  # half of them after the release

# An address at which nobody lives: a letter to it is one too many.
_LEFT = {"street": "Vertrokkenweg", "houseNumber": "4711", "houseLetter": "", "houseNumberAddition": "",
         "postcode": "9999ZZ", "city": "Nergenshuizen", "country": ""}  # fmt: skip

# The categories that are taken together, by position; a row that stands twice is twice as frequent.
_PROFILES = ((0,), (0, 1), (0, 1), (0, 2), (0, 1, 3), (0, 1, 3), (0, 1, 3, 4), (0, 1, 2, 3, 4))

# What ends the reference of a record that knows somebody otherwise; "b" ends that of a second record in one wave.
_COPIES = ("", "c", "d")


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
    people: list[Person], waves: int, seed: int, folder: Path, *, supplements: bool, moves: bool = False
) -> tuple[list[Wave], Expectation]:
    """Write the files of `waves` waves into `folder`; return the waves and what must become of the people.

    With `supplements` a share of people gets new facts in the last wave. Send that one when the others are settled: new
    facts make a supplement only where a notice was sent before. With `moves` a share of people stands in a wave with an
    address that is not theirs any more, and is corrected, and some records are taken back: release each wave by hand,
    once its corrections and withdrawals are taken.
    """
    rng = random.Random(f"cohorts {seed}")  # noqa: S311 - made-up people need no secrets
    with ExitStack() as files:
        writers = [WaveWriter(files, number, folder, auto_release=not moves) for number in range(waves)]
        plan = _Plan(rng, writers, people, supplements=supplements, moves=moves)
        for person in people:
            plan.place(person)
    made = [writer.wave for writer in writers]
    return made, plan.expectation(sum(wave.declared for wave in made))


class _Plan:
    """Decides for each person which records are sent in which waves, and notes those that are valid."""

    def __init__(
        self,
        rng: random.Random,
        waves: Sequence[WaveWriter],
        people: Sequence[Person],
        *,
        supplements: bool,
        moves: bool,
    ) -> None:
        self._rng = rng
        self._waves = waves
        self._people = people
        self._sources = Sources(rng, people)
        self._supplements, self._moves = supplements, moves
        self._sent: list[SentRecord] = []
        self._rejected = 0
        self._untold: list[Person] = []
        self._withdrawn = 0
        self._spared: list[SentRecord] = []
        # Of the people of one kind who are alike: the facts given so far, and the wave in which all of them are.
        self._given: list[Facts] = []
        self._shared_wave = waves[0]

    def expectation(self, received: int) -> Expectation:
        """Return what must become of everybody placed, in waves of so many records together."""
        expectation = Expectation(received=received, rejected=self._rejected, withdrawn=self._withdrawn)
        expectation.follow(self._sent)
        expectation.add_spared(self._spared)
        expectation.add_untold(self._untold)
        return expectation

    def place(self, person: Person) -> None:
        """Write all records of one person, and note those that are valid."""
        if person.kind is not Kind.ORDINARY:
            self._place_kind(person)
            return
        facts = self._facts()
        fate = self._fate(person)
        if fate is _Fate.PLAIN and person.can_be_told:
            self._place_plain(person, facts)
        elif fate is _Fate.DECEASED:
            for wave in self._some_waves(self._waves):
                self._write(wave, SentRecord(person, facts, deceased=True))
        elif fate is _Fate.NEVER_VALID:
            self._add_invalid(self._rng.choice(self._waves), person, facts, for_good=True)
            self._untold.append(person)
        elif fate in {_Fate.LATE, _Fate.RIGHT_LATER}:
            self._place_put_right(person, facts, fate)
        else:
            known = without_channel(person) if fate is _Fate.UNREACHABLE else person
            self._write(self._rng.choice(self._waves), SentRecord(known, facts))

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
        more = self._supplement(facts)
        waves = self._some_waves(self._waves[:-1] if more else self._waves)
        sent = SentRecord(person, facts)
        if self._moves and self._rng.random() < _WITHDRAWN:
            self._withdraw(waves[0], sent)
            return
        if self._moves and self._rng.random() < _MOVED:
            self._move(waves.pop(), sent)
        for at, wave in enumerate(waves):
            self._add(wave, sent, poorer=at > 0)
        if more:
            self._add(self._waves[-1], SentRecord(person, more, later=True))

    def _withdraw(self, wave: WaveWriter, sent: SentRecord) -> None:
        """Send the only record of somebody, and take it back."""
        record, late = wave.record(sent.person, sent.facts), self._rng.random() < 0.5
        wave.add(record)
        wave.withdraw(record, late=late)
        if late:
            self._spared.append(sent)
        else:
            self._withdrawn += 1
            self._untold.append(sent.person)

    def _move(self, wave: WaveWriter, sent: SentRecord) -> None:
        """Send a record with an address where the person does not live any more, and correct it.

        Of somebody without a BSN, the address says who it is: the record was somebody else's, and is taken back.
        """
        record = wave.record(sent.person, sent.facts)
        wave.add(record | dict.fromkeys(CONTACT_COLUMNS, "") | _LEFT)
        wave.correct(record)
        self._sent.append(sent)

    def _place_kind(self, person: Person) -> None:
        """Send what each source says of somebody who is hard to tell from others. Who is told apart has other facts."""
        first = None if person.second_to is None else self._people[person.second_to]
        if first is None:
            self._given, self._shared_wave = [], self._rng.choice(self._waves)
        facts, free = self._unlike(), list(self._waves)
        for copy, known in zip(_COPIES, self._sources.known_as(person, first), strict=False):
            facts = self._unlike() if known.other_facts else facts
            waves = self._waves_of(person, free)
            free = [wave for wave in free if wave not in waves] or free  # a second source, where there is another
            sent = SentRecord(known.person, facts, known.deceased)
            for wave in waves:
                self._add(wave, sent, copy)

    def _waves_of(self, person: Person, waves: Sequence[WaveWriter]) -> list[WaveWriter]:
        """Return where somebody of a kind is sent. What is held depends on the order: there all stand in one file."""
        return [self._shared_wave] if person.kind is Kind.SHARED_BSN_ALONE else self._some_waves(waves)

    def _unlike(self) -> Facts:
        """Return facts that none of those who are alike has, so that the check knows whose notice it reads."""
        while (facts := self._facts()) in self._given:
            pass
        self._given.append(facts)
        return facts

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

    def _add(self, wave: WaveWriter, sent: SentRecord, copy: str = "", *, poorer: bool = False) -> None:
        """Add a person to a wave; sometimes with a poorer record, on two lines, or under a second reference."""
        poorer = poorer and sent.person.has_letter and self._rng.random() < _POORER_RECORD
        self._write(wave, sent, copy, poorer=poorer, times=2 if self._rng.random() < _REPEATED_LINE else 1)
        if self._rng.random() < _TWICE_IN_WAVE:
            self._write(wave, sent, f"{copy}b")

    def _write(
        self, wave: WaveWriter, sent: SentRecord, copy: str = "", *, poorer: bool = False, times: int = 1
    ) -> None:
        """Write the valid record of one more member, and note it. A poorer one knows the postal address alone."""
        self._sent.append(sent)
        record = wave.record(sent.person, sent.facts, copy)
        if poorer:
            record |= dict.fromkeys(CONTACT_COLUMNS, "")
        if sent.deceased:
            record["deceased"] = True
        wave.add(record, times=times)

    def _place_put_right(self, person: Person, facts: Facts, fate: _Fate) -> None:
        """Send a record that cannot be used, and a right one, from another source or as a correction."""
        wave = self._rng.choice(self._waves)
        elsewhere = len(self._waves) > 1 and self._rng.random() < 0.5
        if fate is _Fate.RIGHT_LATER:
            self._add_invalid(wave, person, facts, for_good=elsewhere)
        elif elsewhere:
            self._write(wave, SentRecord(without_channel(person), facts))
        else:
            wave.add(wave.record(without_channel(person), facts))
        if elsewhere:
            other = self._rng.choice([one for one in self._waves if one is not wave])
            self._write(other, SentRecord(person, facts))
        else:
            wave.correct(wave.record(person, facts))
            self._sent.append(SentRecord(person, facts))

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
        self._rejected += for_good and not broken
