"""How many notices may still go where a release is limited: a canary, or so many a day. Pure.

A day is a calendar day in the Netherlands.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Final, NamedTuple

from services.core.channel import TO_THE_ADDRESS, Channel
from services.core.cohort import Cohort
from services.core.notices import FLAG_NOT_AT_ADDRESS
from services.core.policy import Pace

__all__ = ["Allowance", "Limit", "Used", "left_of", "limits_of"]


NO_LIMIT: Final = 2**62


class Limit(NamedTuple):
    """What a limit is about; the fields of its row's key."""

    cohort: int = 0  # its number; 0 = the incident as a whole
    channel: int = 0  # that a notice would take first; 0 = whichever


class Used(NamedTuple):
    """What went under a limit."""

    total: int = 0
    day: date = date.min
    today: int = 0  # on that day

    def on(self, day: date) -> int:
        """Return what went on a day. A clock that is behind gives no day a second time."""
        return self.today if self.day >= day else 0

    def more(self, count: int, day: date) -> "Used":
        """Return what went once so many more have gone."""
        return Used(self.total + count, max(self.day, day), self.on(day) + count)


class _Most(NamedTuple):
    """What a limit lets go at most; None = it sets no such bound."""

    total: int | None = None
    per_day: int | None = None


def limits_of(cohorts: Mapping[int, Cohort], pace: Pace) -> dict[Limit, _Most]:
    """Return the limits that an incident's releases are under; cohorts are those that are released, by number."""
    limits = {Limit(number): _Most(one.canary, one.per_day) for number, one in cohorts.items() if one.is_limited}
    if pace.notices_a_day is not None:
        limits[Limit()] = _Most(per_day=pace.notices_a_day)
    for channel, count in pace.per_channel.items():
        limits[Limit(channel=int(channel))] = _Most(per_day=count)
    return limits


def left_of(limits: Mapping[Limit, _Most], used: Mapping[Limit, Used], day: date) -> dict[Limit, int]:
    """Return how many may still go under each limit, today."""
    return {limit: _left(most, used.get(limit, Used()), day) for limit, most in limits.items()}


def _left(most: _Most, used: Used, day: date) -> int:
    bounds = [
        *([] if most.total is None else [most.total - used.total]),
        *([] if most.per_day is None else [most.per_day - used.on(day)]),
    ]
    return max(0, min(bounds))


class Allowance:
    """What may still go while one transaction decides: each notice that is released takes from it.

    `cohorts` are those that are released under some limit, by number; `channels` those that a notice may take,
    preferred first.
    """

    def __init__(self, left: Mapping[Limit, int], cohorts: Iterable[int], channels: Sequence[Channel]) -> None:
        self.left = dict(left)
        self.taken = dict.fromkeys(left, 0)
        self._cohorts = frozenset(cohorts)
        self._channels = [int(channel) for channel in channels]
        self._look()

    def _look(self) -> None:
        some = self.left.get(Limit(), 1) > 0
        self.open = frozenset(one for one in self._cohorts if some and self.left.get(Limit(one), 1) > 0)

    def shares(self) -> Iterator[tuple[list[int], int]]:
        """Return the cohorts that are open, with how many more may go: each that has a limit of its own, the others."""
        own = sorted(one for one in self.open if Limit(one) in self.left)
        others = sorted(self.open.difference(own))
        whole = self.left.get(Limit(), NO_LIMIT)
        yield from (([one], min(whole, self.left[Limit(one)])) for one in own)
        if others:
            yield others, whole

    def turns(self, channels: Iterable[int]) -> Iterator[tuple[int, int]]:
        """Return of these channels those that have numbers left, with how many."""
        whole = self.left.get(Limit(), NO_LIMIT) if self.open else 0
        for channel in channels:
            room = min(whole, self.left.get(Limit(channel=channel), NO_LIMIT))
            if room > 0:
                yield channel, room

    def channel_of(self, channels: int, flags: int) -> int:
        """Return the channel that a notice takes first, 0 where there is none."""
        open_to = channels & ~TO_THE_ADDRESS if flags & FLAG_NOT_AT_ADDRESS else channels
        return next((channel for channel in self._channels if channel & open_to), 0)

    def waits_for(self, channels: int, flags: int) -> int:
        """Return the channel whose turn a notice has to wait for, 0 where it may go."""
        channel = self.channel_of(channels, flags)
        return channel if self.left.get(Limit(channel=channel), 1) <= 0 else 0

    def take(self, cohorts: Iterable[int], channel: int) -> None:
        """Take one notice, which rests on the permission of these cohorts."""
        spent = False
        for limit in {Limit(), Limit(channel=channel), *map(Limit, cohorts)}:
            if limit in self.left:
                self.left[limit] -= 1
                self.taken[limit] += 1
                spent = spent or not self.left[limit]
        if spent:
            self._look()
