"""The files that a load test sends: everybody has a postal address and no other channel."""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from services.demo.made_up.incident import CATEGORIES
from services.demo.made_up.people import Person

__all__ = ["Load", "warm_up", "write_cohorts", "write_waves"]

_COLUMNS = (
    *("memberRef", "bsn", "personKey", "initials", "familyName", "birthDate", "street", "houseNumber", "postcode"),
    *("city", "country", "language", "dataCategories"),
)
_HEADER = ",".join(_COLUMNS) + "\n"
_TAKEN = f"{CATEGORIES[0][0]}|{CATEGORIES[1][0]}"


@dataclass(frozen=True, slots=True)
class Load:
    """What one round sends: a file for each cohort, which is named like it."""

    paths: list[Path]
    records: int
    persons: int
    waves: bool = False  # sent one after the other, and not side by side


def write_cohorts(folder: Path, people: Iterator[Person], records: int, cohorts: int) -> Load:
    """Write cohorts that have nobody in common."""
    folder.mkdir(parents=True)
    paths = [folder / f"{folder.name}-cohort-{number}.csv" for number in range(cohorts)]
    for number, path in enumerate(paths):
        _write(path, map(_record, islice(people, len(range(number, records, cohorts)))))
    return Load(paths, records, records)


def write_waves(folder: Path, people: Iterator[Person], records: int, waves: int, overlap: float) -> Load:
    """Write waves with `overlap` (0 to 1) of all records about somebody of an earlier one: in all but the first."""
    folder.mkdir(parents=True)
    paths = [folder / f"wave-{number}.csv" for number in range(waves)]
    rng = random.Random(1)  # noqa: S311 - whoever it is
    repeated = round(records * overlap)
    known: list[str] = []
    for number, path in enumerate(paths):
        size = len(range(number, records, waves))
        again = len(range(number - 1, repeated, waves - 1)) if number else 0
        new = [*map(_record, islice(people, size - again))]
        wave = [*rng.sample(known, again), *new]
        rng.shuffle(wave)
        _write(path, wave)
        known += new
    return Load(paths, records, len(known), waves=True)


def warm_up(folder: Path, load: Load, records: int) -> Load:
    """Return a small load of the first records of another."""
    path = folder / "warm.csv"
    lines = load.paths[0].read_text(encoding="utf-8").splitlines(keepends=True)[: records + 1]
    path.write_text("".join(lines), encoding="utf-8")
    return Load([path], len(lines) - 1, len(lines) - 1)


def _write(path: Path, records: Iterable[str]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(_HEADER)
        file.writelines(records)


def _record(person: Person) -> str:
    return (
        f"r{person.number},{person.bsn},{person.person_key},{person.initials},{person.family_name},"
        f"{person.birth_date},{person.street},{person.house_number},{person.postcode},{person.city},"
        f"{person.country},nl,{_TAKEN}\n"
    )
