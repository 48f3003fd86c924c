"""Cohort files in the forms that sources send: CSV or NDJSON, plain or gzipped."""

import csv
import gzip
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

from services.demo.made_up.channels import CONTACT_COLUMNS

__all__ = ["COLUMNS", "FORMS", "CohortFile", "Form", "Record"]

COLUMNS = (
    "memberRef", "bsn", "personKey", "initials", "givenName", "prefix", "familyName", "birthDate", "street",
    "houseNumber", "houseLetter", "houseNumberAddition", "postcode", "city", "country", *CONTACT_COLUMNS,
    "language", "dataCategories", "certainty", "deceased", "secretAddress", "notAtAddress",
)  # fmt: skip

_CATEGORIES = COLUMNS.index("dataCategories")
_FLAGS = tuple(COLUMNS.index(name) for name in ("deceased", "secretAddress", "notAtAddress"))

Record = dict[str, Any]  # by column, in the order of COLUMNS; categories are a tuple, flags are booleans


@dataclass(frozen=True, slots=True)
class Form:
    """The form in which a source writes its file."""

    suffix: str
    content_type: str
    gzipped: bool


FORMS = (
    Form(".csv", "text/csv", gzipped=False),
    Form(".ndjson", "application/x-ndjson", gzipped=False),
    Form(".csv.gz", "text/csv", gzipped=True),
    Form(".ndjson.gz", "application/x-ndjson", gzipped=True),
)


class CohortFile:
    """A cohort file that is written in one form; use it in a `with`, which closes it."""

    def __init__(self, path: Path, form: Form) -> None:
        self._csv = form.content_type == "text/csv"
        self._text = _open(path, gzipped=form.gzipped)
        self._rows = csv.writer(self._text)

    def __enter__(self) -> Self:
        if self._csv:
            self._rows.writerow(COLUMNS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._text.close()

    def write(self, record: Record) -> None:
        """Write one record."""
        if self._csv:
            self._rows.writerow(_cells(record))
        else:
            self._text.write(_line(record))

    def write_broken(self, record: Record) -> None:
        """Write one record as a line that cannot be read."""
        if self._csv:
            self._rows.writerow(_cells(record)[:5])
        else:
            self._text.write(_line(record)[:-8] + "\n")


def _open(path: Path, *, gzipped: bool) -> io.TextIOWrapper:
    if gzipped:
        return gzip.open(path, "wt", compresslevel=1, encoding="utf-8", newline="")
    return path.open("w", encoding="utf-8", newline="")


def _cells(record: Record) -> list[str]:
    cells = list(record.values())
    cells[_CATEGORIES] = "|".join(cells[_CATEGORIES])
    for at in _FLAGS:
        cells[at] = "true" if cells[at] else ""
    return cells


def _line(record: Mapping[str, Any]) -> str:
    return orjson.dumps({name: value for name, value in record.items() if value}).decode() + "\n"
