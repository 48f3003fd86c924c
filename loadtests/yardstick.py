"""The yardstick: how long small tasks take on this machine now, so that figures of different machines compare."""

import hashlib
import timeit
from collections.abc import Callable

import orjson

__all__ = ["yardstick"]

_DOCUMENT = orjson.dumps({f"field{number:02}": "a value" for number in range(14)})  # 280 bytes: a member's contact data
_TIMES = 100_000


def yardstick() -> dict[str, float]:
    """Return the microseconds of reading a JSON document of 280 bytes and of a SHA-256 of 50, each the best of five."""
    return {
        "readJsonMicroseconds": _best(lambda: orjson.loads(_DOCUMENT)),
        "sha256Microseconds": _best(lambda: hashlib.sha256(_DOCUMENT[:50]).digest()),
    }


def _best(work: Callable[[], object]) -> float:
    return round(min(timeit.repeat(work, number=_TIMES, repeat=5)) / _TIMES * 1e6, 3)
