"""The channels that a notice can take: the only list of them, and what distinguishes one from another.

A new channel is a line of `Channel` and of each trait that it has. Stages, topics, tables, masks and names derive from
these; what a channel needs besides (topic, settings, adapter, scrape job) is held together by
`tests/repository/test_channels.py`.
"""

from collections.abc import Iterable, Mapping
from enum import IntFlag
from types import MappingProxyType
from typing import Final

__all__ = [
    "ALL_CHANNELS",
    "CHANNELS",
    "CHANNEL_BITS",
    "CHANNEL_NAMES",
    "IS_READ_THERE",
    "MAY_END_UNKNOWN",
    "TO_THE_ADDRESS",
    "Channel",
    "channel_mask",
    "channel_named",
]


class Channel(IntFlag):
    """A way to reach a person, one bit each: a set of channels is one byte in a block.

    The numbers are stored and travel in blocks: they are never reused. A byte has room for seven channels, and a bit
    beside those that were tried (`core.notices`). The order of
    the lines is that of the ports that `heraut up` gives: a new channel comes last, so that no other one moves.
    """

    LETTER = 4
    EMAIL = 2
    PORTAL = 1

    @property
    def label(self) -> str:
        """The channel's name in documents, topics, metrics and environment: `portal`, `email`, `letter`."""
        return CHANNEL_NAMES[self]


CHANNELS: Final = tuple(sorted(Channel))  # in the order of their bits

CHANNEL_NAMES: Final[Mapping[Channel, str]] = MappingProxyType(
    {channel: str(channel.name).lower() for channel in CHANNELS}
)
_BY_NAME = {name: channel for channel, name in CHANNEL_NAMES.items()}

# Sets of channels are plain numbers here: an operator on members of an enum costs a microsecond, for each person.
ALL_CHANNELS: Final = sum(CHANNELS)
CHANNEL_BITS: Final = ALL_CHANNELS.bit_length()  # a table by sets of channels has 1 << CHANNEL_BITS entries

# What these channels carry arrives at the postal address: useless where the person is known not to live there.
TO_THE_ADDRESS: Final = int(Channel.LETTER)
# Their providers cannot be asked how a hand-over ended that broke off: nobody may ever know. Where nothing else is
# left, it is made again. (A portal that is a store of FBS cannot be asked either; what it may have is not made again.)
MAY_END_UNKNOWN: Final = int(Channel.EMAIL)
# What these channels carry lies at their provider, where it is known whether somebody has opened it.
IS_READ_THERE: Final = int(Channel.PORTAL)


def channel_named(name: str) -> Channel:
    """Return the channel called `name`. Raises KeyError for any other word."""
    return _BY_NAME[name]


def channel_mask(channels: Iterable[Channel]) -> Channel:
    """Return the set of `channels` as one value."""
    mask = Channel(0)
    for channel in channels:
        mask |= channel
    return mask
