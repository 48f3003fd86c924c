"""Which channel a notice takes next: a pure function of its block and the incident version it was decided with."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from services.core.channel import ALL_CHANNELS, CHANNEL_BITS, MAY_END_UNKNOWN, TO_THE_ADDRESS, Channel
from services.core.incident import Incident
from services.core.notices import FLAG_MAYBE_TOLD, FLAG_NOT_AT_ADDRESS, Notices, joined, pieces

__all__ = ["Choices", "choices_of", "packed", "route"]

# A notice's situation is one number: the set of channels to choose from, and above it two bits. The first says that
# the person is known not to live at the address, the second that a channel which may have told the person already is
# to be taken again.
_AWAY = 1 << CHANNEL_BITS
_AGAIN = _AWAY << 1
_AWAY_SHIFT = _AWAY.bit_length() - FLAG_NOT_AT_ADDRESS.bit_length()  # from a notice's flags to the situation
# A person who can be reached on no other channel is better told twice than never, and each repeat is listed as unknown
# first. A provider that never answers gets no more than so many attempts of one notice.
_ATTEMPTS_WITH_REPEATS = 4

# The channel to take by situation; 0 = none is left. Plain numbers: hashing a member of an enum takes longer than all
# else that is decided about a notice.
Choices = tuple[int, ...]


def choices_of(incident: Incident) -> Choices:
    """Decide beforehand for every situation that a notice of this incident version can be in."""
    return tuple(_first_usable(incident, situation) for situation in range(2 * _AGAIN))


def _first_usable(incident: Incident, situation: int) -> int:
    left = situation & ALL_CHANNELS
    if situation & _AWAY:  # a letter to an address where the person does not live tells somebody else
        left &= ~TO_THE_ADDRESS
    if situation & _AGAIN:
        left &= MAY_END_UNKNOWN
    return next((int(channel) for channel in incident.usable_channels if left & channel), 0)


def route(notices: Notices, choices: Choices) -> Iterator[tuple[Channel | None, Notices]]:
    """Split a block by the channel that each notice takes next, its attempt numbered; None = no channel is left.

    Every notice comes out exactly once, in its order, and goes to no channel that refused it, that is compromised,
    or that there is no data for. The one exception: where nothing else is left, an attempt that ended unknown is made
    again. The block itself stays as it is: a transaction may be tried again with it.
    """
    columns = zip(notices.channels, notices.tried, notices.flags, strict=True)
    taken = [choices[c & ~t & ALL_CHANNELS | (f & FLAG_NOT_AT_ADDRESS) << _AWAY_SHIFT] for c, t, f in columns]
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
    """Return the channel to repeat where none is left: one that may have told the person already; 0 = none has."""
    if notices.flags[row] & FLAG_MAYBE_TOLD and notices.attempts[row] < _ATTEMPTS_WITH_REPEATS:
        return choices[_AGAIN | notices.channels[row] & notices.tried[row] & ALL_CHANNELS]
    return 0


def packed(parts: Iterable[Notices]) -> Iterator[Notices]:
    """Pack notices of the same incident version together, in blocks of at most BLOCK_ENTRIES."""
    together: dict[tuple[str, int], list[Notices]] = {}
    for part in parts:
        together.setdefault((part.incident_id, part.incident_version), []).append(part)
    for same in together.values():
        yield from pieces(joined(same))
