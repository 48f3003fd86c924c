"""Which channel a notice takes next: a pure function of its block and the incident version it was decided with."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from services.core.channel import Channel
from services.core.incident import Incident
from services.core.notices import COLUMNS, FLAG_MAYBE_TOLD, FLAG_NOT_AT_ADDRESS, Notices

__all__ = ["BLOCK_NOTICES", "Choices", "choices_of", "packed", "route"]

# As large as the blocks that come in: what is paid per block vanishes, and nothing is cut or joined on the way.
BLOCK_NOTICES = 2048

_ALL = int(Channel.PORTAL | Channel.EMAIL | Channel.LETTER)  # a plain number: operators of flags cost a microsecond
# Where a notice's situation says that it is not at its address: the bit above all channels.
_AWAY = _ALL + 1
_AWAY_SHIFT = _AWAY.bit_length() - FLAG_NOT_AT_ADDRESS.bit_length()
# Above that: an e-mail ended unknown, and may be tried once more.
_MAYBE_TOLD = _AWAY << 1
# Who can be reached by e-mail alone is better told twice than never, and each repeat is listed as unknown first. A
# mail server that never answers gets no more than so many attempts of one notice.
_ATTEMPTS_WITH_REPEATS = 4

# By situation - the channels left, and whether the person is away - the channel to take, 0 = none is left.
# Plain numbers: hashing an enum's member takes longer than all else that is decided about a notice.
Choices = tuple[int, ...]


def choices_of(incident: Incident) -> Choices:
    """Decide beforehand for every situation that a notice of this incident version can be in."""
    return tuple(_first_usable(incident, situation) for situation in range(2 * _MAYBE_TOLD))


def _first_usable(incident: Incident, situation: int) -> int:
    away = bool(situation & _AWAY)
    for channel in incident.usable_channels:
        # A letter to an address where the person is known not to live tells somebody else.
        if situation & channel and not (away and channel is Channel.LETTER):
            return int(channel)
    return int(Channel.EMAIL) if situation & _MAYBE_TOLD and Channel.EMAIL in incident.usable_channels else 0


def route(notices: Notices, choices: Choices) -> Iterator[tuple[Channel | None, Notices]]:
    """Split a block by the channel that each notice takes next, its attempt numbered; None = no channel is left.

    Every notice comes out exactly once, in its order, and goes to no channel that refused it, that is compromised,
    or that there is no data for; but where nothing else is left, an e-mail that ended unknown is sent again. The
    block itself stays as it is: a transaction may be tried again with it.
    """
    columns = zip(notices.channels, notices.tried, notices.flags, strict=True)
    taken = [choices[c & ~t & _ALL | (f & FLAG_NOT_AT_ADDRESS) << _AWAY_SHIFT] for c, t, f in columns]
    if 0 in taken:
        taken = [way or _again(notices, row, choices) for row, way in enumerate(taken)]
    ways = set(taken)
    for way in sorted(ways):
        part = notices if len(ways) == 1 else notices.pick([row for row, its in enumerate(taken) if its == way])
        if way:
            yield Channel(way), replace(part, attempts=[attempt + 1 for attempt in part.attempts])
        else:
            yield None, part


def _again(notices: Notices, row: int, choices: Choices) -> int:
    """Return the channel to repeat where none is left: e-mail, if that is what nobody can know about; else 0."""
    maybe = notices.flags[row] & FLAG_MAYBE_TOLD and notices.attempts[row] < _ATTEMPTS_WITH_REPEATS
    return choices[_MAYBE_TOLD] if maybe else 0


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
