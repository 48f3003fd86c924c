"""The list of channels is one, and everything that derives from it covers all of it."""

import pytest

from services.core.channel import (
    ALL_CHANNELS,
    CHANNEL_BITS,
    CHANNEL_NAMES,
    CHANNELS,
    IS_READ_THERE,
    MAY_END_UNKNOWN,
    TO_THE_ADDRESS,
    channel_mask,
    channel_named,
)
from services.core.notices import ALL_FLAGS, LIES_UNREAD, MEMBER_FLAG_BITS
from services.core.rooms import DISPATCH_STAGES
from services.wire.notices import ROUTED_TOPICS


def test_a_set_of_channels_or_flags_is_one_byte() -> None:
    """Blocks carry sets of channels and of flags as one byte each."""
    assert max(ALL_CHANNELS, ALL_FLAGS) <= 255
    assert (0, True) == (LIES_UNREAD & ALL_CHANNELS, LIES_UNREAD <= 255)  # it stands beside the channels tried
    assert max(CHANNEL_BITS, MEMBER_FLAG_BITS) <= 8


def test_each_channel_is_a_bit_of_its_own() -> None:
    """A set of channels says which ones are in it, and nothing else."""
    assert sorted(channel.bit_length() for channel in CHANNELS) == sorted(
        {channel.bit_length() for channel in CHANNELS}
    )
    assert ALL_CHANNELS == channel_mask(CHANNELS)
    assert all(channel.bit_count() == 1 for channel in CHANNELS)


def test_traits_name_channels_that_there_are() -> None:
    """A trait of a channel that is gone would mean nothing."""
    assert 0 == (TO_THE_ADDRESS | MAY_END_UNKNOWN | IS_READ_THERE) & ~ALL_CHANNELS


@pytest.mark.parametrize("channel", CHANNELS, ids=str)
def test_a_channel_has_its_name_stage_and_topic(channel: int) -> None:
    """Nobody lists channels a second time."""
    name = {int(one): name for one, name in CHANNEL_NAMES.items()}[channel]

    assert channel == channel_named(name)
    assert f"dispatch-{name}" in DISPATCH_STAGES
    assert f"heraut.notices.routed.{name}.v1" in ROUTED_TOPICS.values()


def test_services_keep_the_order_of_their_ports() -> None:
    """`heraut up` gives dispatch its ports in this order: operations know them by it, and a new one comes last."""
    assert ("dispatch-letter", "dispatch-email", "dispatch-portal") == DISPATCH_STAGES[:3]
