"""Birth dates as people and registers write them, and their one spelling. Pure.

The one spelling is `YYYY-MM-DD`. A register that does not know a part writes zeros for it (`1950-00-00`), and so does
the one spelling: `00` for an unknown month or day, `0000` for an unknown year. A date of which nothing is known is
empty.
"""

import re
from datetime import date

__all__ = ["is_future", "is_whole", "normal_date"]

_YEAR_FIRST = re.compile(r"([0-9]{4})([-/.]?)([0-9]{2})\2([0-9]{2})", re.ASCII)  # 1980-12-31, 19801231
_DAY_FIRST = re.compile(r"([0-9]{1,2})([-/.])([0-9]{1,2})\2([0-9]{4})", re.ASCII)  # 31-12-1980: the Dutch way
_EARLIEST = 1850  # nobody born before lives; what comes from software that knows no empty date is 0001-01-01
_LEAP_YEAR = 2000  # stands in for an unknown one: it has every day that a year may have


def normal_date(text: str) -> str | None:
    """Return a date in its one spelling, as far as it is known; None where the text is no date.

    Taken are year, month and day, together or with hyphens, slashes or dots, and day, month and year with
    hyphens, slashes or dots. A month before a day is not: which is which can only be guessed.
    """
    if len(text) == 10 and text[4] == text[7] == "-":
        try:
            if date.fromisoformat(text).year >= _EARLIEST:
                return text
        except ValueError:
            pass  # it may be known in part
    if found := _YEAR_FIRST.fullmatch(text):
        return _known(int(found[1]), int(found[3]), int(found[4]))
    if found := _DAY_FIRST.fullmatch(text):
        return _known(int(found[4]), int(found[3]), int(found[1]))
    return None


def is_future(normal: str, today: str) -> bool:
    """Tell whether a date is surely after today, both in the one spelling."""
    return normal > today  # zeros for what is not known sort before everything


def is_whole(normal: str) -> bool:
    """Tell whether a date in its one spelling is known to the day."""
    return bool(normal) and not normal.startswith("0000") and "-00" not in normal


def _known(year: int, month: int, day: int) -> str | None:
    if not (year or month or day):
        return ""
    try:
        date(year or _LEAP_YEAR, month or 1, day or 1)
    except ValueError:
        return None
    return f"{year:04}-{month:02}-{day:02}" if not 0 < year < _EARLIEST else None
