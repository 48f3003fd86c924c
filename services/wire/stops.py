"""Stops as they travel from tracking, which counts, to intake, which pauses: `heraut.stops.raised.v1`."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from notification.topics import STOPS_RAISED
from notification.v1 import tracking_pb2

from services.core.policy import Stop
from services.kit.errors import InvalidMessage
from services.kit.eventlog import Output
from services.wire.columns import MASK, check_names, parse

__all__ = ["Raised", "decode_stops", "encode_stops"]


@dataclass(frozen=True, slots=True)
class Raised:
    """What a stop rule found of a cohort; everything in it is a figure, and no person."""

    incident_id: str
    cohort_id: str
    counted_from: int  # the version of the cohort from which was counted; 0 = the first
    rule: str  # as in `policy.stop`
    channel: str | None  # None = of all channels together
    count: int  # so many
    of: int  # of so many
    above: float  # the rule: the share that was gone beyond

    def as_json(self) -> dict[str, Any]:
        """Return what was found, as it is kept and shown."""
        found = {"rule": self.rule, "count": self.count, "of": self.of, "above": self.above}
        return found | ({"channel": self.channel} if self.channel else {})


def encode_stops(raised: Iterable[Raised]) -> Output:
    """Return the block for `heraut.stops.raised.v1`."""
    stops = [tracking_pb2.Stop(**(asdict(one) | {"channel": one.channel or ""})) for one in raised]
    return Output(STOPS_RAISED, 0, tracking_pb2.StopsRaised(stops=stops).SerializeToString())


def decode_stops(value: bytes | None) -> list[Raised]:
    """Read a block of `heraut.stops.raised.v1`. Raises InvalidMessage."""
    return [_raised(stop) for stop in parse(tracking_pb2.StopsRaised(), value).stops]


def _raised(stop: tracking_pb2.Stop) -> Raised:
    if not (stop.incident_id and stop.cohort_id):
        raise InvalidMessage("no-scope")
    check_names(stop.incident_id, stop.cohort_id, *filter(None, [stop.channel]))
    if stop.rule not in Stop._fields:
        raise InvalidMessage("unknown-rule")
    if max(stop.count, stop.of) > MASK or not 0 < stop.above <= 1:
        raise InvalidMessage("number-range")
    ids = stop.incident_id, stop.cohort_id
    return Raised(*ids, stop.counted_from, stop.rule, stop.channel or None, stop.count, stop.of, stop.above)
