"""For which incidents a channel is closed by now, as the table of incidents in memory says. Pure, but for that table.

A closed channel stops at once, on every replica: like a pause it is looked up before an intent is written and before
each hand-over begins. What waits for it moves on to its next channel (`moving_on`).
"""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from services.core.channel import Channel
from services.core.closures import Closure, closures_of
from services.core.incident import Incident
from services.core.notices import Notices

__all__ = ["Closures", "Table"]


class Table(Protocol):
    """What is asked of the table of incidents and cohorts."""

    changes: int

    def items(self) -> Iterable[tuple[tuple[str, ...], Any]]:
        """Return all entries."""
        ...


class Closures:
    """The closures of one channel; one for a process."""

    def __init__(self, table: Table, channel: Channel) -> None:
        self._table, self._channel = table, channel
        self._changes = -1
        self._ever: frozenset[Closure] = frozenset()
        self._closed: frozenset[str] = frozenset()  # incidents
        self._now: Mapping[str, Closure] = {}  # by incident

    def ever(self) -> frozenset[Closure]:
        """Return all closures of the channel that were ever heard of, those too that are over."""
        self._refresh()
        return self._ever

    def now(self) -> Mapping[str, Closure]:
        """Return those that hold, by incident."""
        self._refresh()
        return self._now

    def closed(self) -> frozenset[str]:
        """Return the incidents for which the channel is closed."""
        self._refresh()
        return self._closed

    def holds(self, notices: Notices) -> bool:
        """Tell whether these may not begin on the channel."""
        return notices.incident_id in self.closed()

    def _refresh(self) -> None:
        if self._changes == self._table.changes:
            return
        self._changes = self._table.changes
        entries = list(self._table.items())
        mine = [one for one in closures_of(entries) if one.channel is self._channel]
        self._closed = frozenset(key[1] for key, value in entries if _is_newest(key) and not self._is_open(value))
        self._ever = frozenset(mine)
        self._now = {one.incident_id: one for one in mine if one.incident_id in self._closed}

    def _is_open(self, incident: Incident) -> bool:
        return bool(incident.usable_mask & self._channel)


def _is_newest(key: tuple[str, ...]) -> bool:
    return key[0] == "incident" and len(key) == 2
