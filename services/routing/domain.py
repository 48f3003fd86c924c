"""Which channel a notice takes next: a pure function of its block and the incident version it was decided with."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from services.core.channel import Channel
from services.core.incident import Incident
from services.core.notices import COLUMNS, FLAG_NOT_AT_ADDRESS, Notices

__all__ = ["BLOCK_NOTICES", "Choices", "choices_of", "packed", "route"]

# Large enough that the costs of a block vanish, small enough that one dead letter holds few people.
BLOCK_NOTICES = 512

_ALL = int(Channel.PORTAL | Channel.EMAIL | Channel.LETTER)  # a plain number: operators of flags cost a microsecond
# Where a notice's situation says that it is not at its address: the bit above all channels.
_AWAY = _ALL + 1
_AWAY_SHIFT = _AWAY.bit_length() - FLAG_NOT_AT_ADDRESS.bit_length()

# By situation - the channels left, and whether the person is away - the channel to take, 0 = none is left.
# Plain numbers: hashing an enum's member takes longer than all else that is decided about a notice.
Choices = tuple[int, ...]


def choices_of(incident: Incident) -> Choices:
    """Decide beforehand for every situation that a notice of this incident version can be in."""
    return tuple(_first_usable(incident, situation) for situation in range(2 * _AWAY))


def _first_usable(incident: Incident, situation: int) -> int:
    away = bool(situation & _AWAY)
    for channel in incident.usable_channels:
        # A letter to an address where the person is known not to live tells somebody else.
        if situation & channel and not (away and channel is Channel.LETTER):
            return int(channel)
    return 0


def route(notices: Notices, choices: Choices) -> Iterator[tuple[Channel | None, Notices]]:
    """Split a block by the channel that each notice takes next, its attempt numbered; None = no channel is left.

    Every notice comes out exactly once, in its order, and goes to no channel that refused it, that is compromised,
    or that there is no data for. The block itself stays as it is: a transaction may be tried again with it.
    """
    columns = zip(notices.channels, notices.tried, notices.flags, strict=True)
    taken = [choices[c & ~t & _ALL | (f & FLAG_NOT_AT_ADDRESS) << _AWAY_SHIFT] for c, t, f in columns]
    ways = set(taken)
    for way in sorted(ways):
        part = notices if len(ways) == 1 else notices.pick([row for row, its in enumerate(taken) if its == way])
        if way:
            yield Channel(way), replace(part, attempts=[attempt + 1 for attempt in part.attempts])
        else:
            yield None, part


def packed(parts: Iterable[Notices]) -> Iterator[Notices]:
    """Pack notices of the same incident version together, in blocks of at most BLOCK_NOTICES."""
    together: dict[tuple[str, int], list[Notices]] = {}
    for part in parts:
        together.setdefault((part.incident_id, part.incident_version), []).append(part)
    for (incident_id, version), same in together.items():
        joined = [_joined([getattr(part, name) for part in same]) for name in COLUMNS]
        for start in range(0, sum(map(len, same)), BLOCK_NOTICES):
            yield Notices(incident_id, version, *(column[start : start + BLOCK_NOTICES] for column in joined))


def _joined(columns: Iterable[list[Any]]) -> list[Any]:
    joined: list[Any] = []
    for column in columns:
        joined += column  # copies the whole column at once
    return joined
