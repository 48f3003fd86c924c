"""The job that every peer does: read a record, tell people apart, choose a channel, write a letter as data.

It is the least that can be called the same job: no checks of fields, no seals, no revisions, no facts. A peer adds how
records move and where its state is.
"""

import csv
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import orjson

__all__ = ["Letters", "Record", "channel_of", "each_load", "letter_of", "person_of", "records_of", "setting"]

Record = dict[str, str]


def setting(name: str) -> str:
    """Return a setting of the run, for example `database`: the driver gives each by the environment."""
    return os.environ[f"PEERS_{name.upper()}"]


def each_load() -> Iterator[list[Path]]:
    """Return the files of each load, for ever: the driver writes a line of them when it is time.

    So a program has started, with all that it imports, before it is measured.
    """
    with Path(setting("loads")).open(encoding="utf-8") as lines:
        for line in lines:
            yield [Path(word) for word in line.rstrip("\n").split("\t")]


def records_of(path: Path) -> Iterator[Record]:
    """Return the records of a cohort's CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        header = next(rows)
        for row in rows:
            yield dict(zip(header, row, strict=True))


def person_of(record: Record) -> str:
    """Return 32 characters that are the same for the same person: of the number, or of name, birth date and house."""
    known = record["bsn"] or record["personKey"]
    if not known:
        fields = ("familyName", "initials", "birthDate", "postcode", "houseNumber")
        known = "|".join(record[field] for field in fields)
    return hashlib.sha256(known.encode()).hexdigest()[:32]


def channel_of(record: Record) -> str:
    """Return how somebody is told: by letter, or not at all."""
    return "letter" if record["city"] else "none"


def letter_of(record: Record) -> bytes:
    """Return a letter as one line."""
    address = [
        f"{record['initials']} {record['familyName']}",
        f"{record['street']} {record['houseNumber']}",
        f"{record['postcode']} {record['city']}",
        record["country"],
    ]
    taken = record["dataCategories"].split("|")
    line = {"member": record["memberRef"], "address": address, "language": record["language"], "taken": taken}
    return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


class Letters:
    """The letters of this process: one file, to which whole lines are appended."""

    def __init__(self) -> None:
        self._file = (Path(setting("letters")) / f"{os.getpid()}.ndjson").open("ab", buffering=0)

    def write(self, lines: bytes) -> None:
        """Append lines in one system call. They are not synced to disk, as Heraut's are."""
        self._file.write(lines)
