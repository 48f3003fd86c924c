"""Every metric of intake that is its own; those that all stages have are in `kit.stage`."""

from collections.abc import Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from services.core.channel import Channel
from services.core.policy import Stop
from services.core.reasons import BROKEN_UPLOADS
from services.intake.domain import Accepted
from services.kit.stage import StageMetrics

__all__ = ["IntakeMetrics", "SyntheticMetrics"]

# From a request of one record to a million records at some tens of microseconds each.
_UPLOAD_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
# A chunk of 16,384 members takes some tenths of a second; past five the database is in trouble.
_CHUNK_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

# At rest a person takes some seconds through all rooms, behind a wave minutes; after five it counts as lost.
_ROUND_TRIP_BUCKETS = (0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0)


class IntakeMetrics:
    """Metrics with their labels bound once; they are moved once a chunk or request, never once a person."""

    def __init__(self, registry: CollectorRegistry, stage: StageMetrics | None = None) -> None:
        """Make them; `stage` counts dead letters, those of events that are understood and not taken too."""
        self._stage = stage
        members = Counter(
            "intake_members_total",
            "Records taken in, by what they came to: accepted (new), corrected, repeated (nothing new), rejected, or "
            "withdrawn.",
            ["outcome"],
            registry=registry,
        )
        self._accepted = members.labels("accepted")
        self._corrected = members.labels("corrected")
        self._repeated = members.labels("repeated")
        self._rejected = members.labels("rejected")
        self.withdrawn = members.labels("withdrawn")
        self.upload_seconds = Histogram(
            "intake_upload_seconds",
            "Time from an upload's first byte to its answer.",
            buckets=_UPLOAD_BUCKETS,
            registry=registry,
        )
        self.chunk_seconds = Histogram(
            "intake_chunk_seconds", "Time of a chunk's transaction.", buckets=_CHUNK_BUCKETS, registry=registry
        )
        self.broken_uploads = Counter(
            "intake_broken_uploads_total", "Uploads that could not be read to their end.", ["reason"], registry=registry
        )
        self.stopped = Counter(
            "intake_stopped_cohorts_total", "Cohorts that a stop rule paused, by rule.", ["rule"], registry=registry
        )
        for reason in BROKEN_UPLOADS:
            self.broken_uploads.labels(reason)
        for rule in Stop._fields:
            self.stopped.labels(rule)
        self.open_uploads = Gauge("intake_open_uploads", "Uploads being read now.", registry=registry)

    def set_aside(self, reason: str) -> None:
        """Count an event that was sent to the dead letters; a transaction that is tried again counts again."""
        if self._stage:
            self._stage.dead_letters(reason).inc()

    def count(self, accepted: Accepted) -> None:
        """Count a chunk, after its commit."""
        new, corrected = len(accepted.classified.new), len(accepted.classified.corrected)
        self._accepted.inc(new)
        self._corrected.inc(corrected)
        self._repeated.inc(accepted.accepted_lines - new - corrected)
        self._rejected.inc(accepted.rejected_lines)


class SyntheticMetrics:
    """What becomes of synthetic people. Every series is there from the beginning, so that its first rise is seen."""

    def __init__(self, registry: CollectorRegistry, channels: Sequence[Channel], partitions: int) -> None:
        sent = Counter(
            "heraut_synthetic_sent_total",
            "Synthetic people that were sent into the rooms, by the channel that they go to.",
            ["channel"], registry=registry,
        )  # fmt: skip
        seconds = Histogram(
            "heraut_synthetic_seconds",
            "Time of a synthetic person from its acceptance through all rooms to the sink beside a provider, and back.",
            ["channel"], registry=registry, buckets=_ROUND_TRIP_BUCKETS,
        )  # fmt: skip
        arrived = Counter(
            "heraut_synthetic_arrived_total",
            "Synthetic people that came through all rooms, late ones too.",
            ["channel"], registry=registry,
        )  # fmt: skip
        lost = Counter(
            "heraut_synthetic_lost_total",
            "Synthetic people that did not arrive in time, by the partition that they went through.",
            ["channel", "partition"], registry=registry,
        )  # fmt: skip
        missing = Gauge(
            "heraut_synthetic_missing",
            "Synthetic people of the last day that did not arrive in time, nor since.",
            ["channel", "partition"], registry=registry,
        )  # fmt: skip
        self._sent = {channel: sent.labels(channel.label) for channel in channels}
        # Whom another choice of channels sent arrives as well.
        self._arrived = {channel: arrived.labels(channel.label) for channel in Channel}
        self._seconds = {channel: seconds.labels(channel.label) for channel in Channel}
        ways = [(partition, channel) for partition in range(partitions) for channel in channels]
        self._lost = {(partition, channel): lost.labels(channel.label, partition) for partition, channel in ways}
        self._missing = {(partition, channel): missing.labels(channel.label, partition) for partition, channel in ways}

    def sent(self, channel: Channel) -> None:
        """Count one that was sent, after the commit."""
        self._sent[channel].inc()

    def arrived(self, channel: Channel, seconds: float) -> None:
        """Count one that arrived."""
        self._arrived[channel].inc()
        self._seconds[channel].observe(seconds)

    def lost(self, channel: Channel, partition: int) -> None:
        """Count one that did not arrive in time, unless its channel is not enabled any more."""
        if (counter := self._lost.get((partition, channel))) is not None:
            counter.inc()

    def missing(self, people: Mapping[tuple[int, Channel], int]) -> None:
        """Show who is missing now, by partition and channel."""
        for way, gauge in self._missing.items():
            gauge.set(people.get(way, 0))
