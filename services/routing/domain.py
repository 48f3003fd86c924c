"""Which channel a notice takes next: a pure function of its block, its incident version, and what is closed by now."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import NamedTuple

from services.core.channel import ALL_CHANNELS, CHANNEL_BITS, MAY_END_UNKNOWN, TO_THE_ADDRESS, Channel
from services.core.notices import FLAG_MAYBE_TOLD, FLAG_NOT_AT_ADDRESS, Notices, joined, pieces

__all__ = ["Choices", "Situation", "choices_of", "for_want_of_closed", "one_way", "packed", "passed_over", "route"]

Situation = tuple[int, int, int]  # what decides about a notice: the columns `channels`, `tried` and `flags`

# A notice's situation is one number: the set of channels to choose from, and above it two bits. The first says that
# the person is known not to live at the address, the second that a channel which may have told the person already is
# to be taken again.
_AWAY = 1 << CHANNEL_BITS
_AGAIN = _AWAY << 1
_AWAY_SHIFT = _AWAY.bit_length() - FLAG_NOT_AT_ADDRESS.bit_length()  # from a notice's flags to the situation
# A person who can be reached on no other channel is better told twice than never, and each repeat is listed as unknown
# first. A provider that never answers gets no more than so many attempts of one notice.
_ATTEMPTS_WITH_REPEATS = 4


class Choices(NamedTuple):
    """What notices of one incident version take next, less what is closed by now.

    Plain numbers: hashing a member of an enum takes longer than all else that is decided about a notice.
    """

    first: tuple[int, ...]  # the channel to take, by situation; 0 = none is left
    closed: int  # channels that the version allows, and the newest one does not
    passed: tuple[int, ...]  # by the channel that is taken: those of `closed` that come before it


@cache  # one for each order and set of channels
def choices_of(usable: tuple[Channel, ...], newest: int = ALL_CHANNELS) -> Choices:
    """Decide beforehand for every situation that a notice can be in.

    `usable` are the channels that its incident version lets it take, preferred first; `newest` those that the newest
    version lets any notice take.
    """
    left = [int(channel) for channel in usable if channel & newest]
    closed = [int(channel) for channel in usable if not channel & newest]
    before = {int(channel): sum(closed) & sum(map(int, usable[:at])) for at, channel in enumerate(usable)}
    return Choices(
        first=tuple(_first_usable(left, situation) for situation in range(2 * _AGAIN)),
        closed=sum(closed),
        passed=tuple(before.get(way, 0) for way in range(ALL_CHANNELS + 1)),
    )


def _first_usable(usable: Sequence[int], situation: int) -> int:
    left = situation & ALL_CHANNELS
    if situation & _AWAY:  # a letter to an address where the person does not live tells somebody else
        left &= ~TO_THE_ADDRESS
    if situation & _AGAIN:
        left &= MAY_END_UNKNOWN
    return next((channel for channel in usable if left & channel), 0)


def route(notices: Notices, choices: Choices) -> Iterator[tuple[Channel | None, Notices]]:
    """Split a block by the channel that each notice takes next, its attempt numbered; None = no channel is left.

    Every notice comes out exactly once, in its order, and goes to no channel that refused it, that is compromised or
    closed, or that there is no data for. The one exception: where nothing else is left, an attempt that ended unknown
    is made again. Whoever passes over a closed channel does not come back to it. The block itself stays as it is: a
    transaction may be tried again with it.
    """
    taken = _first(notices, choices)
    if 0 in taken:
        taken = [way or _again(notices, row, choices) for row, way in enumerate(taken)]
    ways = set(taken)
    for way in sorted(ways):
        part = notices if len(ways) == 1 else notices.pick([row for row, its in enumerate(taken) if its == way])
        if way:
            passed = choices.passed[way]
            tried = [t | c & passed for c, t in zip(part.channels, part.tried, strict=True)] if passed else part.tried
            yield Channel(way), replace(part, attempts=[attempt + 1 for attempt in part.attempts], tried=tried)
        else:
            yield None, part


def one_way(situations: Collection[Situation], choices: Choices) -> Channel | None:
    """Return the channel that all of these take; None where they part, where none is left, or where one is closed."""
    first = choices.first
    ways = {first[c & ~t & ALL_CHANNELS | (f & FLAG_NOT_AT_ADDRESS) << _AWAY_SHIFT] for c, t, f in situations}
    return None if choices.closed or len(ways) != 1 or 0 in ways else Channel(ways.pop())


def _first(notices: Notices, choices: Choices) -> list[int]:
    """Return the first channel of each that it has not tried; 0 = none is left."""
    columns, first = zip(notices.channels, notices.tried, notices.flags, strict=True), choices.first
    return [first[c & ~t & ALL_CHANNELS | (f & FLAG_NOT_AT_ADDRESS) << _AWAY_SHIFT] for c, t, f in columns]


def _again(notices: Notices, row: int, choices: Choices) -> int:
    """Return the channel to repeat where none is left: one that may have told the person already; 0 = none has."""
    if notices.flags[row] & FLAG_MAYBE_TOLD and notices.attempts[row] < _ATTEMPTS_WITH_REPEATS:
        return choices.first[_AGAIN | notices.channels[row] & notices.tried[row] & ALL_CHANNELS]
    return 0


def passed_over(notices: Notices, unclosed: Choices, choices: Choices) -> Mapping[Channel, int]:
    """Return how many would take each channel that is closed; `unclosed` are their choices were none closed."""
    ways = Counter(_first(notices, unclosed)) if choices.closed else Counter[int]()
    return {Channel(way): count for way, count in ways.items() if way & choices.closed}


def for_want_of_closed(notices: Notices, choices: Choices) -> list[int]:
    """Return the rows of those that are given up and could take a channel, were it not closed."""
    if not choices.closed:
        return []
    columns = zip(notices.channels, notices.tried, strict=True)
    return [row for row, (has, tried) in enumerate(columns) if has & ~tried & choices.closed]


def packed(parts: Iterable[Notices]) -> Iterator[Notices]:
    """Pack notices of the same incident version together, in blocks of at most BLOCK_ENTRIES."""
    together: dict[tuple[str, int], list[Notices]] = {}
    for part in parts:
        together.setdefault((part.incident_id, part.incident_version), []).append(part)
    for same in together.values():
        yield from pieces(joined(same))
