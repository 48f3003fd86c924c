"""The channels a notice can take."""

from collections.abc import Iterable
from enum import IntFlag

__all__ = ["CHANNEL_NAMES", "Channel", "channel_mask", "channel_named"]


class Channel(IntFlag):
    """A way to reach a person; as a flag, so that a set of channels is one small integer in a block."""

    PORTAL = 1
    EMAIL = 2
    LETTER = 4

    @property
    def label(self) -> str:
        """The channel's name in documents, topics, metrics and environment: `portal`, `email`, `letter`."""
        return CHANNEL_NAMES[self]


CHANNEL_NAMES = {Channel.PORTAL: "portal", Channel.EMAIL: "email", Channel.LETTER: "letter"}
_BY_NAME = {name: channel for channel, name in CHANNEL_NAMES.items()}


def channel_named(name: str) -> Channel:
    """Return the channel called `name`. Raises KeyError for any other word."""
    return _BY_NAME[name]


def channel_mask(channels: Iterable[Channel]) -> Channel:
    """Return the set of `channels` as one value."""
    mask = Channel(0)
    for channel in channels:
        mask |= channel
    return mask
