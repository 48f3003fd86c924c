"""Lines of JSON and decoded JSON, read to records. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import orjson

from services.intake.domain import Fault
from services.intake.reading.lines import decoded
from services.intake.records.fields import FIELDS, Kind, is_name
from services.intake.records.record import Flawed, Reading, Record, RecordColumns, Unreadable, readable_ref

__all__ = ["NdjsonReader", "read_object"]

_KINDS = {field.name: field.kind for field in FIELDS}
_OF_LINES = frozenset(field.name for field in FIELDS if field.about.lines)


class NdjsonReader:
    """Reads lines of JSON, one object each."""

    def __init__(self) -> None:
        self._decode = msgspec.json.Decoder(Record).decode

    def columnar(self, lines: Sequence[bytes]) -> Iterator[tuple[int, RecordColumns | None]]:
        """Return all lines to `read`: JSON has no columns."""
        yield len(lines), None

    def read(self, lines: Sequence[bytes], first: int = 0) -> list[Reading]:
        """Return a reading for each line. Raises BrokenBodyError("encoding", first + index) where it is not UTF-8."""
        decode = self._decode
        readings: list[Reading] = []
        for at, line in enumerate(lines):
            try:
                readings.append(decode(line))
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                decoded(line, first + at)
                readings.append(_read_refused(line))
        return readings


def _read_refused(line: bytes) -> Reading:
    """Read a line that the quick decoder refused, to find out why."""
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        return Unreadable("invalid-json")
    return read_object(value)


def read_object(value: Any) -> Reading:
    """Read a record from decoded JSON; fields that hold something of the wrong kind are left out and told.

    A key that is no field may be the misspelt one of a field that decides, so its record cannot be read.
    """
    if not isinstance(value, dict):
        return Unreadable("not-an-object")
    ref = value.get("memberRef")
    ref = readable_ref(str(ref)) if isinstance(ref, str | int) and not isinstance(ref, bool) else None
    unknown = next((key for key in value if key not in _KINDS), None)
    if unknown is not None:
        return Unreadable("unknown-field", unknown if is_name(unknown) else None, ref)
    given = {key: _plain(key, said) for key, said in value.items() if said is not None}
    wrong = [key for key, said in given.items() if not _FITS[_KINDS[key]](said)]
    record = msgspec.convert({key: said for key, said in given.items() if key not in wrong}, Record)
    return Flawed(record, tuple(Fault(key, "wrong-type") for key in wrong)) if wrong else record


def _plain(key: str, said: Any) -> Any:
    """Return what a field says, with 1 and 0 of a flag as texts, and a list of lines as one text."""
    if key in _OF_LINES and isinstance(said, list) and all(isinstance(line, str) for line in said):
        return "|".join(said)
    return str(said) if type(said) is int and _KINDS[key] is Kind.FLAG else said


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    return isinstance(value, str) or type(value) is int  # `true` is an int to `isinstance`


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool | str)


def _is_codes(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(code, str) for code in value))


_FITS: Mapping[Kind, Callable[[Any], bool]] = {
    Kind.TEXT: _is_text,
    Kind.NUMBER: _is_number,
    Kind.WORD: _is_text,
    Kind.CODES: _is_codes,
    Kind.FLAG: _is_flag,
}
