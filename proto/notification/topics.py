"""Topics as data. Made by proto/generate.py from proto/topics/*.yaml; do not edit."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSpec:
    """What is promised about one topic."""

    name: str
    family: str | None  # the names of topics like this one, one a source: "{source}" stands for FAMILY_SOURCE
    message: str  # what a record's value holds
    producers: tuple[str, ...]  # the stages that write it; each is a source with sequences of its own
    consumers: tuple[str, ...]  # the stages (read = "stage") or rooms (read = "table") that read it
    partitions: int | None  # None = HERAUT_PARTITIONS
    read: str  # "stage" = each record once, by the partition's owner; "table" = whole, by everybody, into memory
    log: str  # "both", or "kafka" where the embedded log does not have it
    kafka: Mapping[str, str]  # topic configuration
    dead_letters: Mapping[str, str] = field(default_factory=dict)  # the same of its dead-letter topics
    heads: tuple[str, ...] = ()  # the stages that see how many blocks each source wrote, beside those that read them


FAMILY_SOURCE: Final = "[a-z0-9][a-z0-9-]{0,62}"  # what a source is called in the name of its topic

COHORT: Final = "heraut.cohort.v1"
DELIVERIES_ATTEMPTED: Final = "heraut.deliveries.attempted.v1"
DELIVERIES_REFUSED: Final = "heraut.deliveries.refused.v1"
INCIDENTS_CHANGED: Final = "heraut.incidents.changed.v1"
MEMBERS_ACCEPTED: Final = "heraut.members.accepted.v1"
MEMBERS_HELD: Final = "heraut.members.held.v1"
NOTICES_EXHAUSTED: Final = "heraut.notices.exhausted.v1"
NOTICES_READDRESSED: Final = "heraut.notices.readdressed.v1"
NOTICES_REATTEMPTED: Final = "heraut.notices.reattempted.v1"
NOTICES_RECALLED: Final = "heraut.notices.recalled.v1"
NOTICES_RELEASED: Final = "heraut.notices.released.v1"
NOTICES_ROUTED_EMAIL: Final = "heraut.notices.routed.email.v1"
NOTICES_ROUTED_LETTER: Final = "heraut.notices.routed.letter.v1"
NOTICES_ROUTED_PORTAL: Final = "heraut.notices.routed.portal.v1"
NOTICES_STOPPED: Final = "heraut.notices.stopped.v1"
NOTICES_SUPERSEDED: Final = "heraut.notices.superseded.v1"
PAUSES_OBSERVED: Final = "heraut.pauses.observed.v1"
RECEIPTS_ACCEPTED: Final = "heraut.receipts.accepted.v1"
RECEIPTS_RECEIVED: Final = "heraut.receipts.received.v1"
STOPS_RAISED: Final = "heraut.stops.raised.v1"
SYNTHETIC_ARRIVED: Final = "heraut.synthetic.arrived.v1"
TOTALS_CHANGED: Final = "heraut.totals.changed.v1"

TOPICS: Final[tuple[TopicSpec, ...]] = (
    TopicSpec(
        name=COHORT,
        family="heraut.cohort.{source}.v1",
        message="CloudEvents 1.0, binary or structured mode, JSON data",
        producers=("upstream",),
        consumers=("intake",),
        partitions=None,
        read="stage",
        log="kafka",
        kafka={
            "cleanup.policy": "delete",
            "retention.ms": "86400000",
            "max.message.bytes": "1000000",
            "compression.type": "uncompressed",
        },
        dead_letters={"retention.ms": "259200000"},
    ),
    TopicSpec(
        name=DELIVERIES_ATTEMPTED,
        family=None,
        message="notification.v1.DeliveriesAttempted",
        producers=("dispatch-letter", "dispatch-email", "dispatch-portal"),
        consumers=("tracking",),
        partitions=None,
        read="stage",
        log="both",
        kafka={"cleanup.policy": "delete", "retention.ms": "604800000", "max.message.bytes": "1000000"},
        dead_letters={},
    ),
    TopicSpec(
        name=DELIVERIES_REFUSED,
        family=None,
        message="notification.v1.DeliveriesRefused",
        producers=("dispatch-letter", "dispatch-email", "dispatch-portal"),
        consumers=("routing",),
        partitions=None,
        read="stage",
        log="both",
        kafka={"cleanup.policy": "delete", "retention.ms": "604800000", "max.message.bytes": "1000000"},
        dead_letters={},
    ),
    TopicSpec(
        name=INCIDENTS_CHANGED,
        family=None,
        message="notification.v1.IncidentsChanged",
        producers=("intake",),
        consumers=("deduplication", "routing", "dispatch", "tracking"),
        partitions=1,
        read="table",
        log="both",
        kafka={"cleanup.policy": "delete", "retention.ms": "-1", "max.message.bytes": "1000000"},
        dead_letters={},
    ),
    TopicSpec(
        name=MEMBERS_ACCEPTED,
        family=None,
        message="notification.v1.MembersAccepted",
        producers=("intake",),
        consumers=("deduplication",),
        partitions=None,
        read="stage",
        log="both",
        kafka={"cleanup.policy": "delete", "retention.ms": "604800000", "max.message.bytes": "1000000"},
        dead_letters={},
        heads=("dispatch-letter", "dispatch-email", "dispatch-portal"),
    ),
    TopicSpec(
        name=MEMBERS_HELD,
        family=None,
        message="notification.v1.MembersHeld",
        producers=("deduplication",),
        consumers=("intake",),
        partitions=None,
        read="stage",
        log="both",
        kafka={"cleanup.policy": "delete", "retention.ms": "604800000", "max.message.bytes": "1000000"},
        dead_letters={},
    ),
    TopicSpec(
        name=NOTICES_EXHAUSTED,
        family=None,
        message="notification.v1.NoticesExhausted",
        producers=("routing",),
        consumers=("intake", "tracking"),
        partitions=None,
        read="stage",
        log="both",
        kafka={"cleanup.policy": "delete", "retention.ms": "604800000", "max.message.bytes": "1000000"},
        dead_letters={},
    ),
    TopicSpec(
        name=NOTICES_READDRESSED,
        family=None,
        message="notification.v1.NoticesReaddressed",
        producers=("deduplication",),
        consumers=("routing",),
        partitions=None,
        read="stage",
        log="both",
        kafka={"cleanup.policy": "delete", "retention.ms": "604800000", "max.message.bytes": "1000000"},
        dead_letters={},
    ),
    TopicSpec(
        name=NOTICES_REATTEMPTED,
        family=None,
        message="notification.v1.NoticesReattempted",
        producers=("routing",),
        consumers=("tracking",),
        partitions=None,
        read="stage",
        log="both",
        kafka={"cleanup.policy": "delete", "retention.ms": "604800000", "max.message.bytes": "1000000"},
        dead_letters={},
    ),
    TopicSpec(
        name=NOTICES_RECALLED,
        family=None,
        message="notification.v1.NoticesRecalled",
        producers=("deduplication",),
        consumers=("routing", "dispatch-letter", "dispatch-email", "dispatch-portal"),
        partitions=None,
        read="stage",
        log="both",
        kafka={"cleanup.policy": "delete", "retention.ms": "604800000", "max.message.bytes": "1000000"},
        dead_letters={},
    ),
    TopicSpec(
        name=NOTICES_RELEASED,
        family=None,
        message="notification.v1.NoticesReleased",
        producers=("deduplication",),
        consumers=("routing",),
        partitions=None,
        read="stage",
        log="both",
        kafka={"cleanup.policy": "delete", "retention.ms": "604800000", "max.message.bytes": "1000000"},
        dead_letters={},
    ),
    TopicSpec(
        name=NOTICES_ROUTED_EMAIL,
        family=None,
        message="notification.v1.NoticesRouted",
        producers=("routing",),
        consumers=("dispatch-email",),
        partitions=None,
        read="stage",
        log="both",
        kafka={"cleanup.policy": "delete", "retention.ms": "604800000", "max.message.bytes": "1000000"},
        dead_letters={},
    ),
    TopicSpec(
        name=NOTICES_ROUTED_LETTER,
        family=None,
        message="notification.v1.NoticesRouted",
        producers=("routing",),
        consumers=("dispatch-letter",),
        partitions=None,
        read="stage",
        log="both",
        kafka={"cleanup.policy": "delete", "retention.ms": "604800000", "max.message.bytes": "1000000"},
        dead_letters={},
    ),
    TopicSpec(
        name=NOTICES_ROUTED_PORTAL,
        family=None,
        message="notification.v1.NoticesRouted",
        producers=("routing",),
        consumers=("dispatch-portal",),
        partitions=None,
        read="stage",
        log="both",
        kafka={"cleanup.policy": "delete", "retention.ms": "604800000", "max.message.bytes": "1000000"},
        dead_letters={},
    ),
    TopicSpec(
        name=NOTICES_STOPPED,
        family=None,
        message="notification.v1.NoticesStopped",
        producers=("routing", "dispatch-letter", "dispatch-email", "dispatch-portal"),
        consumers=("deduplication",),
        partitions=None,
        read="stage",
        log="both",
        kafka={"cleanup.policy": "delete", "retention.ms": "604800000", "max.message.bytes": "1000000"},
        dead_letters={},
    ),
    TopicSpec(
        name=NOTICES_SUPERSEDED,
        family=None,
        message="notification.v1.NoticesSuperseded",
        producers=("deduplication",),
        consumers=("tracking",),
        partitions=None,
        read="stage",
        log="both",
        kafka={"cleanup.policy": "delete", "retention.ms": "604800000", "max.message.bytes": "1000000"},
        dead_letters={},
    ),
    TopicSpec(
        name=PAUSES_OBSERVED,
        family=None,
        message="notification.v1.PausesObserved",
        producers=("dispatch-letter", "dispatch-email", "dispatch-portal"),
        consumers=("tracking",),
        partitions=None,
        read="stage",
        log="both",
        kafka={"cleanup.policy": "delete", "retention.ms": "604800000", "max.message.bytes": "1000000"},
        dead_letters={},
    ),
    TopicSpec(
        name=RECEIPTS_ACCEPTED,
        family=None,
        message="notification.v1.ReceiptsAccepted",
        producers=("tracking",),
        consumers=("dispatch-letter", "dispatch-email", "dispatch-portal"),
        partitions=None,
        read="stage",
        log="both",
        kafka={"cleanup.policy": "delete", "retention.ms": "604800000", "max.message.bytes": "1000000"},
        dead_letters={},
    ),
    TopicSpec(
        name=RECEIPTS_RECEIVED,
        family=None,
        message="notification.v1.ReceiptsReceived",
        producers=("dispatch-letter", "dispatch-email", "dispatch-portal"),
        consumers=("tracking",),
        partitions=None,
        read="stage",
        log="both",
        kafka={"cleanup.policy": "delete", "retention.ms": "604800000", "max.message.bytes": "1000000"},
        dead_letters={},
    ),
    TopicSpec(
        name=STOPS_RAISED,
        family=None,
        message="notification.v1.StopsRaised",
        producers=("tracking",),
        consumers=("intake",),
        partitions=1,
        read="stage",
        log="both",
        kafka={"cleanup.policy": "delete", "retention.ms": "604800000", "max.message.bytes": "1000000"},
        dead_letters={},
    ),
    TopicSpec(
        name=SYNTHETIC_ARRIVED,
        family=None,
        message="notification.v1.SyntheticArrived",
        producers=("tracking",),
        consumers=("intake",),
        partitions=1,
        read="stage",
        log="both",
        kafka={"cleanup.policy": "delete", "retention.ms": "604800000", "max.message.bytes": "1000000"},
        dead_letters={},
    ),
    TopicSpec(
        name=TOTALS_CHANGED,
        family=None,
        message="notification.v1.TotalsChanged",
        producers=("intake", "deduplication", "dispatch-letter", "dispatch-email", "dispatch-portal"),
        consumers=("tracking",),
        partitions=1,
        read="stage",
        log="both",
        kafka={"cleanup.policy": "delete", "retention.ms": "604800000", "max.message.bytes": "1000000"},
        dead_letters={},
    ),
)

TOPIC: Final[Mapping[str, TopicSpec]] = MappingProxyType({spec.name: spec for spec in TOPICS})
