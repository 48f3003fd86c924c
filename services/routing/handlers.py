"""Routing's part of its stage: decide a block at a time, and pack together what goes the same way."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from services.core.channel import Channel
from services.core.notices import Notices
from services.kit.eventlog import Output, Record
from services.kit.postgres import Connection
from services.routing.codec import decode_notices, encode_exhausted, encode_routed
from services.routing.domain import Choices, choices_of, packed, route
from services.routing.metrics import RoutingMetrics
from services.wire.incidents import Incidents

__all__ = ["RoutingHandler", "Work"]


class Work(NamedTuple):
    """One block, and where it belongs."""

    partition: int
    notices: Notices


_Way = tuple[int, Channel | None]  # partition and channel: what may share a block


class RoutingHandler:
    """Keeps no state: a decision rests on the block and its incident version alone, so a replay decides the same."""

    def __init__(self, incidents: Incidents, metrics: RoutingMetrics) -> None:
        self._incidents = incidents
        self._metrics = metrics
        # A version of an incident never changes, so its choices are worked out once.
        self._choices: dict[tuple[str, int], Choices] = {}

    def decode(self, record: Record) -> Work:
        """Read one block. Raises InvalidMessage."""
        return Work(record.partition, decode_notices(record))

    async def ready(self, work: Sequence[Work]) -> None:
        """Wait until the incident versions that the blocks were decided with are known here."""
        wanted = {(notices.incident_id, notices.incident_version) for _, notices in work} - self._choices.keys()
        for incident_id, version in sorted(wanted):
            incident = await self._incidents.wait_for(("incident", incident_id, str(version)))
            self._choices[incident_id, version] = choices_of(incident)

    async def apply(self, connection: Connection, work: Sequence[Work]) -> Sequence[Output]:  # noqa: ARG002
        """Return the blocks to send on; there is nothing to write down."""
        ways: defaultdict[_Way, list[Notices]] = defaultdict(list)
        for partition, notices in work:
            choices = self._choices[notices.incident_id, notices.incident_version]
            for channel, part in route(notices, choices):
                ways[partition, channel].append(part)
                self._metrics.count(channel, len(part))
        return _outputs(ways)

    async def tick(self, connection: Connection, partitions: Sequence[int]) -> Sequence[Output]:  # noqa: ARG002
        """Nothing here waits for a time."""
        return ()


def _outputs(ways: Mapping[_Way, Sequence[Notices]]) -> list[Output]:
    return [
        encode_exhausted(partition, block) if channel is None else encode_routed(channel, partition, block)
        for (partition, channel), parts in ways.items()
        for block in packed(parts)
    ]
