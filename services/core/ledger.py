"""The words of the ledger: where an accepted member can stand, why it is held, and what each stage counts.

Deduplication counts under these words, tracking adds them up and shows them (answers, page, OpenAPI). A new reason
to hold somebody is a line of `HoldReason`, and what decides on it in deduplication.
"""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final

from services.core.channel import CHANNEL_NAMES, Channel

__all__ = [
    "BARE_JOINED",
    "CONFLICTING",
    "COUNTERS",
    "MOVED_ON",
    "NOTHING_DUE",
    "SET_ASIDE",
    "UNCORRECTED",
    "UNPRINTED",
    "Disposition",
    "HoldReason",
    "percent",
]


class Disposition(Enum):
    """Where an accepted member stands; each has exactly one. The value is its word in answers and metrics."""

    NOTIFIED = "notified"
    MERGED = "merged"
    SUPPRESSED = "suppressed"
    WITHDRAWN = "withdrawn"
    HELD = "held"
    IN_FLIGHT = "inFlight"
    EXHAUSTED = "exhausted"


# Where members stand for whom nobody has to be told: another member carries the notice, or none is due.
NOTHING_DUE: Final = frozenset({Disposition.MERGED, Disposition.SUPPRESSED, Disposition.WITHDRAWN})


class HoldReason(Enum):
    """Why a member is held; the value is what is said to people. New ones come last: see `COUNTERS`."""

    UNRELEASED = "not released"
    UNREACHABLE = "unreachable"
    NOT_AT_ADDRESS = "not at address"
    IDENTITY_CONFLICT = "identity conflict"
    DECEASED_CONFLICT = "deceased conflict"
    PAUSED = "paused"
    UNPRINTABLE = "unprintable"
    UNPRINTED = "rejected by a print house or provider"

    @property
    def stage(self) -> str:
        """Who counts the member: it is held before its notice goes out, or its notice came back, or lies there."""
        if self is HoldReason.UNPRINTED:
            return "dispatch"
        return "tracking" if self is HoldReason.UNPRINTABLE else "deduplication"

    @property
    def counter(self) -> str:
        """What its stage counts the member under: `held_not_at_address`."""
        return f"held_{self.name.lower()}"

    @property
    def key(self) -> str:
        """The reason's word in answers: `notAtAddress`."""
        first, *others = self.name.lower().split("_")
        return first + "".join(map(str.capitalize, others))


# Members whose identity somebody else has too, by what their records say. A figure beside the dispositions: such a
# member stands somewhere like any other.
CONFLICTING: Final = "conflicting"

# Members by whose notice somebody was told what is not theirs: they turned out to be somebody else's, policy wants a
# correction, and nobody got one. A figure beside the dispositions: such a member is counted where it belongs as well.
UNCORRECTED: Final = "uncorrected"

# Members that say neither name nor birth date, and are one person with others by their identity alone. A figure beside.
BARE_JOINED: Final = "bare_joined"

# Notices that dispatch holds back for a pause. Their bearers are released, and held.
SET_ASIDE: Final = "set_aside"

# Notices whose letters the print house rejected through no fault of their recipients, and those that any other provider
# gave back like that. Their bearers are released, and held until an operator has it made again, or gives it up.
UNPRINTED: Final = HoldReason.UNPRINTED.counter

# Notices that dispatch gave back as their channel was closed before they began. A figure beside the dispositions.
MOVED_ON: Final[Mapping[Channel, str]] = MappingProxyType(
    {channel: f"moved_on_{name}" for channel, name in CHANNEL_NAMES.items()}
)

# What each stage counts of a cohort. Stored rows of counts are arrays in this order, so a tuple may only grow at its
# end; `tests/contract/test_ledger.py` holds the order.
COUNTERS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        # discarded: records that were rejected and then withdrawn; they are accepted, and withdrawn.
        "intake": ("received", "rejected", "accepted", "discarded"),
        # Each member that deduplication has seen is in exactly one of these, but for the figures that stand beside.
        "deduplication": (
            *("released", "merged", "suppressed", CONFLICTING, "withdrawn"),
            *(reason.counter for reason in HoldReason if reason.stage == "deduplication"),
            UNCORRECTED,
            BARE_JOINED,
        ),
        "dispatch": (SET_ASIDE, *MOVED_ON.values(), UNPRINTED),
        # notices_settled counts superseded notices too: all that were handed over or given up. Then how hand-overs
        # ended, by channel, superseded notices included.
        "tracking": (
            *("notified", "exhausted", "notices_settled", HoldReason.UNPRINTABLE.counter),
            *(counter for name in CHANNEL_NAMES.values() for counter in (f"accepted_{name}", f"refused_{name}")),
            # What receipts say of those hand-overs, each attempt once; of complaints each notice.
            *("bounced", "returned", "complaints"),
        ),
    }
)


def percent(share: float | None) -> str:
    """Return a share (0 to 1) as people read it; None, the share of nothing, is a dash.

    It is rounded down: never 100% while one is left, and never 0% once there is one.
    """
    if share is None:
        return "\N{EN DASH}"
    # 100 * 0.29 is a little less than 29. One of ten million people is far more than what is rounded away here.
    hundredths = round(100 * share, 9)
    return "under 1%" if 0 < hundredths < 1 else f"{int(hundredths)}%"
