"""The yardstick: the CPU that small tasks take on this machine now, so that figures of different machines compare.

CPU time, as that of what is measured: on a machine that others use too, time on the wall says how busy they are.
"""

import hashlib
import time
import timeit
from collections.abc import Callable, Mapping

import orjson

__all__ = ["times_frozen_floor", "yardstick"]

_DOCUMENT = orjson.dumps({f"field{number:02}": "a value" for number in range(14)})  # 280 bytes: a member's contact data
_TIMES = 100_000
# What the rows of a person cost by COPY alone at commit e8b0d6c, in microseconds where the yardstick reads 0.70:
# `floor.py`, embedded log, 1,000,000 people, fsync on, two virtual cores of an Intel Xeon, 26 November 2026. It stays
# as it is: the floor of today falls with every row that is saved, and so is no measure of progress.
_FROZEN_FLOOR, _FROZEN_YARDSTICK = 12.9, 0.70


def yardstick() -> dict[str, float]:
    """Return the microseconds of reading a JSON document of 280 bytes and of a SHA-256 of 50, each the best of five.

    A build of Python that no profile guided reads 0.70 where a guided one reads 0.58: name it beside the figures.
    """
    return {
        "readJsonMicroseconds": _best(lambda: orjson.loads(_DOCUMENT)),
        "sha256Microseconds": _best(lambda: hashlib.sha256(_DOCUMENT[:50]).digest()),
    }


def times_frozen_floor(cost: float, measured: Mapping[str, float]) -> float:
    """Return how many times the frozen floor a person costs, on a machine of any speed.

    `cost` is in microseconds a person, `measured` is the yardstick of the same run.
    """
    return round(cost / _FROZEN_FLOOR * _FROZEN_YARDSTICK / measured["readJsonMicroseconds"], 2)


def _best(work: Callable[[], object]) -> float:
    return round(min(timeit.repeat(work, timer=time.process_time, number=_TIMES, repeat=5)) / _TIMES * 1e6, 3)
