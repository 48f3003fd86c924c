"""A wave: one cohort as its source sends it, and the writer of its files."""

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.core.facts import Facts
from services.demo.made_up.channels import contact_cells
from services.demo.made_up.cohort_file import FORMS, CohortFile, Form, Record
from services.demo.made_up.incident import CODES
from services.demo.made_up.people import Person

__all__ = ["Wave", "WaveWriter"]

_SOURCES = ("Laboratorium De Proef B.V.", "Ziekenhuis Oost", "Huisartsenpost Midden", "GGD Noord", "Kliniek Zuid")


@dataclass(slots=True)
class Wave:
    """One cohort as its source sends it: a file, and a smaller one that corrects some of its records."""

    cohort_id: str
    source: str
    form: Form
    path: Path
    corrections: Path | None  # None where nothing is corrected
    declared: int = 0  # members; a repeated line or a correction is no further one, a line that cannot be read is none
    withdrawn: list[str] = field(default_factory=list)  # memberRefs that are taken back before the release
    withdrawn_late: list[str] = field(default_factory=list)  # and after it
    auto_release: bool = True  # its notices go out without a release by hand

    @property
    def document(self) -> dict[str, Any]:
        """The cohort as intake is told of it."""
        return {"source": self.source, "declaredCount": self.declared, "autoRelease": self.auto_release}


class WaveWriter:
    """The two files of a wave while they are written, in the habits of its source."""

    def __init__(self, files: ExitStack, number: int, folder: Path, *, auto_release: bool) -> None:
        form, name = FORMS[number % len(FORMS)], f"wave-{number + 1}"
        path, corrections = folder / f"{name}{form.suffix}", folder / f"{name}-corrections{form.suffix}"
        self.wave = Wave(name, _SOURCES[number % len(_SOURCES)], form, path, None, auto_release=auto_release)
        self._corrections_path = corrections
        self._prefix = f"{'PQRS'[number % 4]}{number + 1}"
        self._drops_zeros = number % 3 == 2  # as a spreadsheet does with the leading zeros of BSNs
        self._file = files.enter_context(CohortFile(path, form))
        self._corrections = files.enter_context(CohortFile(corrections, form))

    def record(self, person: Person, facts: Facts, copy: str = "") -> Record:
        """Return the person's record as this source knows it; `copy` tells a second record of one person apart."""
        bsn = person.bsn.removeprefix("0") if self._drops_zeros else person.bsn
        return {
            "memberRef": f"{self._prefix}-{person.number}{copy}", "bsn": bsn, "personKey": person.person_key,
            "initials": person.initials, "givenName": person.given_name, "prefix": person.prefix,
            "familyName": person.family_name, "birthDate": person.birth_date, "street": person.street,
            "houseNumber": person.house_number, "houseLetter": person.house_letter,
            "houseNumberAddition": person.house_number_addition, "postcode": person.postcode, "city": person.city,
            "country": person.country, **contact_cells(person),
            "language": person.language, "dataCategories": tuple(CODES[at] for at in facts.categories()),
            "certainty": "" if facts.confirmed else "possible", "deceased": False,
            "secretAddress": person.secret_address, "notAtAddress": person.not_at_address,
        }  # fmt: skip

    def add(self, record: Record, *, times: int = 1, broken: bool = False) -> None:
        """Write the record of one more member, on `times` lines; a `broken` line cannot be read, and is no member."""
        self.wave.declared += not broken
        for _ in range(times):
            (self._file.write_broken if broken else self._file.write)(record)

    def withdraw(self, record: Record, *, late: bool) -> None:
        """Have a record taken back that was written before, before the release or after it."""
        (self.wave.withdrawn_late if late else self.wave.withdrawn).append(str(record["memberRef"]))

    def correct(self, record: Record) -> None:
        """Write a record that replaces one written before."""
        self.wave.corrections = self._corrections_path
        self._corrections.write(record)
