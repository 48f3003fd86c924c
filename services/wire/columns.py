"""Columns on the wire: how ids, names, numbers, slots and times of many people are packed, and what is refused.

What cannot be understood raises InvalidMessage.
"""

import struct
from collections.abc import Hashable, Iterable, Sequence
from functools import lru_cache
from itertools import accumulate
from operator import sub
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from services.core.ids import ID_BYTES
from services.kit.errors import InvalidMessage

__all__ = [
    "LAST_MOMENT",
    "MASK",
    "SMALL",
    "V",
    "check_names",
    "column",
    "indexed",
    "looked_up",
    "moment",
    "parse",
    "picked",
    "slots_from_wire",
    "slots_to_wire",
    "split_ids",
]

# The largest numbers that PostgreSQL's columns hold. A block with a larger one was corrupted: it is refused when it is
# read, and does not fail in the middle of a batch.
SMALL, _INTEGER, MASK = 2**15 - 1, 2**31 - 1, 2**63 - 1
LAST_MOMENT = 253_402_300_799_999  # ms: the end of the year 9999, where Python's clock ends
_NAME_LENGTH = 64  # characters of an id; languages and stages are shorter

M = TypeVar("M", bound=Message)
V = TypeVar("V")
H = TypeVar("H", bound=Hashable)


def parse(message: M, value: bytes | None) -> M:
    """Read `value` into `message`. Raises InvalidMessage: tombstone where there is no value, or undecodable."""
    if value is None:
        raise InvalidMessage("tombstone")
    try:
        message.ParseFromString(value)
    except DecodeError:
        raise InvalidMessage("undecodable") from None
    return message


def split_ids(packed: bytes, count: int) -> list[bytes]:
    """Cut packed ids apart. Raises InvalidMessage where there are not `count` of 16 bytes."""
    if len(packed) != count * ID_BYTES:
        raise InvalidMessage("column-length")
    return list(_ids(count).unpack(packed))


@lru_cache(maxsize=64)  # nearly all blocks are full, or of one
def _ids(count: int) -> struct.Struct:
    return struct.Struct(f"{ID_BYTES}s" * count)


def indexed(values: Sequence[H]) -> tuple[list[H], list[int]]:
    """Return the distinct values and, for each value, its position among them."""
    positions: dict[H, int] = {}
    rows = [positions.setdefault(value, len(positions)) for value in values]
    return list(positions), rows


def looked_up(names: Sequence[str], rows: Sequence[int], count: int) -> list[str]:
    """Undo `indexed`. Raises InvalidMessage where a position points nowhere, or a name cannot be one."""
    found = picked(list(names), rows, count)
    check_names(*names)
    return found


def picked(values: Sequence[V], rows: Sequence[int], count: int) -> list[V]:
    """Return the value at each of `count` positions. Raises InvalidMessage where one points nowhere."""
    if len(rows) != count or (rows and max(rows) >= len(values)):
        raise InvalidMessage("column-length")
    return list(map(values.__getitem__, rows))


def column(values: Iterable[int], count: int, most: int = _INTEGER) -> list[int]:
    """Return a column as a list. Raises InvalidMessage where it is not `count` long, or a number is above `most`."""
    found = list(values)
    if len(found) != count:
        raise InvalidMessage("column-length")
    if found and max(found) > most:
        raise InvalidMessage("number-range")
    return found


def slots_to_wire(slots: Sequence[int]) -> list[int]:
    """Return each slot relative to the one before: neighbours mostly, so a byte in place of nine."""
    return [*slots[:1], *map(sub, slots[1:], slots)]


def slots_from_wire(relative: Sequence[int], count: int) -> list[int]:
    """Undo `slots_to_wire`; no slots at all mean that nobody's data is in the vault. Raises InvalidMessage."""
    slots = list(accumulate(relative)) if relative else [0] * count
    if len(slots) != count:
        raise InvalidMessage("column-length")
    if slots and not 0 <= min(slots) <= max(slots) <= MASK:
        raise InvalidMessage("number-range")
    return slots


def check_names(*names: str) -> None:
    """Check ids of incidents, cohorts, languages or stages. Raises InvalidMessage where one cannot be such an id."""
    for name in names:
        if len(name) > _NAME_LENGTH or not name.isprintable() or "/" in name:
            raise InvalidMessage("invalid-name")


def moment(at: int) -> int:
    """Return a time in ms since 1970. Raises InvalidMessage where no clock can show it."""
    if not 0 <= at <= LAST_MOMENT:
        raise InvalidMessage("number-range")
    return at
