"""By what a record with a number is found from one without, and the other way round. Pure.

The likeness of a record is a short keyed hash of its match key, with its witnesses behind it. It is there where the
whole match key is known, whatever else names the person. The hash only finds: should two match keys share one, the
witnesses contradict each other.
"""

from hashlib import blake2b
from itertools import repeat
from typing import Final

from services.intake.records.dates import is_whole
from services.intake.records.identity import canonical_name, normal_name
from services.intake.records.names import matched_name, matched_names
from services.intake.records.record import Record, RecordColumns
from services.intake.records.witnesses import Remembered, known_name

__all__ = ["LIKENESS_BYTES", "Likenesses"]

LIKENESS_BYTES: Final = (
    8  # a number for PostgreSQL: among ten million people, two share one with a chance of 3 in a million
)


class Likenesses:
    """Makes the likenesses of one incident's members; empty bytes where the match key is not whole."""

    def __init__(self, pepper: bytes, incident_id: str) -> None:
        key = blake2b(incident_id.encode(), key=pepper, person=b"heraut-likeness").digest()
        self._begun = blake2b(digest_size=LIKENESS_BYTES, key=key, person=b"heraut-likeness")
        self._names = Remembered(_named)

    def of(self, record: Record, witnesses: bytes) -> bytes:
        """Return the likeness of a checked record with these witnesses."""
        name, born = matched_name(record), record.birth_date or ""
        place = record.postcode or "", str(record.house_number or "")
        if not (known_name(name) and is_whole(born) and all(place)):
            return b""
        state = self._begun.copy()
        state.update(canonical_name(name, born, *place) or b"")
        return state.digest() + witnesses

    def of_all(self, columns: RecordColumns, witnesses: list[bytes]) -> list[bytes]:
        """Return the likeness of each row of checked columns; those of odd rows mean nothing."""
        names = list(map(self._names.__getitem__, matched_names(columns)))
        births = _births(columns.birth_date)
        parts = names, births, repeat("|"), columns.postcode, repeat("|"), columns.house_number
        keys = "\n".join(map("".join, zip(*parts, strict=False))).encode().split(b"\n")
        copy = self._begun.copy
        likenesses = []
        for key, said in zip(keys, witnesses, strict=True):
            state = copy()
            state.update(key)
            likenesses.append(state.digest() + said)
        needed = names, births, columns.postcode, columns.house_number
        if not all(map(all, needed)):
            return [one if all(parts) else b"" for one, *parts in zip(likenesses, *needed, strict=True)]
        return likenesses


def _births(dates: list[str]) -> list[str]:
    """Return the dates that are whole, and nothing for any other; nearly all are, as a look at all of them shows."""
    together = " ".join(["", *dates])
    are_whole = "-00" not in together and " 0000" not in together
    return dates if are_whole else [born if is_whole(born) else "" for born in dates]


def _named(family_name: str) -> str:
    """Return the beginning of a canonical name; none where the name is not known."""
    return f"name:{normal_name(family_name)}|" if known_name(family_name) else ""
