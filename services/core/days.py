"""Calendar days in the Netherlands. Pure: no time zone tables, whose editions differ from machine to machine."""

from datetime import UTC, date, datetime, timedelta

__all__ = ["day_here"]


def day_here(moment: datetime) -> date:
    """Return the calendar day in the Netherlands (summer time as in Directive 2000/84/EC)."""
    begin, end = (_last_sunday(moment.year, month) for month in (3, 10))
    return (moment.astimezone(UTC) + timedelta(hours=2 if begin <= moment < end else 1)).date()


def _last_sunday(year: int, month: int) -> datetime:
    """Return when summer time begins or ends: at one o'clock UTC of the last Sunday of a month of 31 days."""
    last = datetime(year, month, 31, 1, tzinfo=UTC)
    return last - timedelta(days=last.isoweekday() % 7)
