"""Channels that versions of incidents have closed, as the table of incidents (`wire.incidents`) tells."""

from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise
from typing import Any, NamedTuple

from services.core.channel import Channel

__all__ = ["Closure", "closures_of"]


class Closure(NamedTuple):
    """The end of a channel in an incident: a version that lets no notice take it, after one that did."""

    incident_id: str
    channel: Channel
    version: int

    @property
    def pause_id(self) -> str:
        """What it is called among the pauses that dispatch reports: no cohort's id begins with a dot."""
        return f".{self.channel.label}.{self.version}"


def closures_of(entries: Iterable[tuple[tuple[str, ...], Any]]) -> list[Closure]:
    """Return all closures that the entries of the table (`incidents.entries_of`) tell of, also of what is open again.

    They are in the order of incident and version.
    """
    versions: defaultdict[str, dict[int, frozenset[Channel]]] = defaultdict(dict)
    for key, value in entries:
        if key[0] == "rules":
            versions[key[1]][int(key[2])] = frozenset(value.channels)
    return [
        Closure(incident_id, channel, after)
        for incident_id, channels in sorted(versions.items())
        for before, after in pairwise(sorted(channels))
        for channel in sorted(channels[before] - channels[after])
    ]
