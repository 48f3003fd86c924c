"""Synthetic people who arrived, as they travel from tracking to intake: `heraut.synthetic.arrived.v1`."""

from collections.abc import Iterable
from typing import NamedTuple

from notification.topics import SYNTHETIC_ARRIVED
from notification.v1 import tracking_pb2

from services.core.ids import ID_BYTES
from services.kit.errors import InvalidMessage
from services.kit.eventlog import Output
from services.wire.columns import parse, split_ids

__all__ = ["Arrived", "decode_arrived", "encode_arrived"]


class Arrived(NamedTuple):
    """Members of the synthetic incident, each of whom came through all rooms."""

    members: list[bytes]


def encode_arrived(members: Iterable[bytes]) -> Output:
    """Return the block for `heraut.synthetic.arrived.v1`."""
    return Output(SYNTHETIC_ARRIVED, 0, tracking_pb2.SyntheticArrived(members=b"".join(members)).SerializeToString())


def decode_arrived(value: bytes | None) -> Arrived:
    """Read a block of `heraut.synthetic.arrived.v1`. Raises InvalidMessage."""
    wire = parse(tracking_pb2.SyntheticArrived(), value)
    members = split_ids(wire.members, len(wire.members) // ID_BYTES)
    if not members:
        raise InvalidMessage("empty-block")
    return Arrived(members)
