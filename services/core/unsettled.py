"""What the source of an accepted member has to look at: the member is held, or told apart from somebody else.

Deduplication says it, intake lists it to the source. A member that only waits for a release is nobody's work.
"""

from collections.abc import Mapping
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

__all__ = ["SHOWN_AS", "ProblemKind", "Shown", "Unsettled"]


class Unsettled(IntEnum):
    """Why a member is its source's work. The numbers are stored and travel in blocks: they are never reused."""

    NOTHING = 0  # it is so no more
    UNREACHABLE = 1
    NOT_AT_ADDRESS = 2
    IDENTITY_CONFLICT = 3  # held: nobody can tell whose record it is, or the incident holds people who contradict
    TOLD_APART = 4  # others have its pseudonym, and are somebody else; it is not held for that
    DECEASED_CONFLICT = 5  # held: of one person, one record says that they died, and another that they did not
    UNCORRECTED = 6  # somebody was told by it what is not theirs, and nobody could be told so (yet)


class ProblemKind(StrEnum):
    """The kinds of problems that a record can have, as they are shown."""

    REJECTED = "rejected"
    HELD = "held"
    CONFLICTING = "conflicting"
    UNCORRECTED = "uncorrected"
    EXHAUSTED = "exhausted"  # what was handed over came back, and no channel is left


class Shown(NamedTuple):
    """How a reason is shown: its kind, its word, and the fields of the record that it is about."""

    kind: ProblemKind
    reason: str
    fields: tuple[str, ...] = ()


SHOWN_AS: Final[Mapping[Unsettled, Shown]] = MappingProxyType(
    {
        Unsettled.UNREACHABLE: Shown(ProblemKind.HELD, "unreachable"),
        Unsettled.NOT_AT_ADDRESS: Shown(ProblemKind.HELD, "not-at-address", ("notAtAddress",)),
        Unsettled.IDENTITY_CONFLICT: Shown(ProblemKind.HELD, "identity-conflict"),
        Unsettled.DECEASED_CONFLICT: Shown(ProblemKind.HELD, "deceased-conflict", ("deceased",)),
        Unsettled.TOLD_APART: Shown(ProblemKind.CONFLICTING, "identity-conflict"),
        Unsettled.UNCORRECTED: Shown(ProblemKind.UNCORRECTED, "told-in-error"),
    }
)
