"""Where deduplication leaves a member, what it waits for, and how far a notice has come: numbers that are stored."""

from collections.abc import Mapping
from enum import IntEnum
from typing import Final

from services.core.channel import CHANNELS, Channel
from services.core.ledger import UNCORRECTED, HoldReason

__all__ = ["COUNTED_AS", "GONE", "HELD_AS", "Course", "Outcome", "Waits"]


class Outcome(IntEnum):
    """Where deduplication leaves a member. The numbers are stored: they are never reused."""

    RELEASED = 0  # bears a notice that went out
    MERGED = 1  # another member bears the notice for this person and these facts
    SUPPRESSED = 2  # the person is deceased
    HELD_UNRELEASED = 3
    HELD_UNREACHABLE = 4
    HELD_NOT_AT_ADDRESS = 5
    RETRACTED = 6  # not of this person any more: the row stays, so that an older version cannot bring it back
    HELD_IDENTITY_CONFLICT = 7  # cannot be told whose record it is; or the incident holds people who contradict
    WITHDRAWN = 8  # taken back, itself or with its cohort, before anybody was told by it
    HELD_DECEASED_CONFLICT = 9  # one record says that the person died, another that they did not
    TAKEN_BACK = 10  # bears a notice that went out, and was withdrawn since: it counts as released
    HELD_PAUSED = 11  # may be told, but for the pause of a cohort whose facts the notice would name
    UNCORRECTED = 12  # as RETRACTED; and whoever read the notice that it bore here was not told that it is wrong


# The counter of `core.ledger` that a member stands in. Who was retracted is counted nowhere, but for the figure beside
# the others: intake counts that member as another person's.
COUNTED_AS: Final[Mapping[int, str]] = {
    Outcome.RELEASED: "released",
    Outcome.MERGED: "merged",
    Outcome.SUPPRESSED: "suppressed",
    Outcome.HELD_UNRELEASED: HoldReason.UNRELEASED.counter,
    Outcome.HELD_UNREACHABLE: HoldReason.UNREACHABLE.counter,
    Outcome.HELD_NOT_AT_ADDRESS: HoldReason.NOT_AT_ADDRESS.counter,
    Outcome.HELD_IDENTITY_CONFLICT: HoldReason.IDENTITY_CONFLICT.counter,
    Outcome.WITHDRAWN: "withdrawn",
    Outcome.HELD_DECEASED_CONFLICT: HoldReason.DECEASED_CONFLICT.counter,
    Outcome.TAKEN_BACK: "released",
    Outcome.HELD_PAUSED: HoldReason.PAUSED.counter,
    Outcome.UNCORRECTED: UNCORRECTED,
}


# Of members that are not of this pseudonym any more.
GONE: Final = frozenset({Outcome.RETRACTED, Outcome.UNCORRECTED})


class Waits(IntEnum):
    """What a member's news waits for. The numbers are stored."""

    NOTHING = 0
    RELEASE = 1  # the release of a cohort that carries the news, or of one that has contact data
    CHANNEL = 2  # a channel by which the person can be written to
    POLICY = 3  # another policy: this one holds people who contradict others with their pseudonym
    ANSWER = 4  # whether a notice that was recalled was stopped: the answer sets it free, so nobody is marked for it
    PAUSE = 5  # the end of the pause of its cohort, whose facts a notice would name
    BARE = 6  # another policy: this one holds those who share a pseudonym with others and say not who they are
    # A channel's next day: the one that the notice takes first has had its number. These bear the channel's bit.
    TURN_OF_PORTAL = 16 | Channel.PORTAL
    TURN_OF_EMAIL = 16 | Channel.EMAIL
    TURN_OF_LETTER = 16 | Channel.LETTER

    @classmethod
    def turn_of(cls, channel: int) -> "Waits":
        """Return what a notice waits for that takes this channel first."""
        return cls(16 | channel)


class Course(IntEnum):
    """How far a released notice is known to have come. The numbers are stored."""

    OPEN = 0  # nothing was heard: it may have been handed over, and may still be stopped
    RECALLED = 1  # asked to be stopped, and not answered yet
    BEGUN = 2  # its hand-over began: nothing stops it
    STOPPED = 3  # it was stopped: nobody was told by it, and nobody will be


# Why the member is held that would bear the news, by what the news waits for; a missing channel has two reasons.
HELD_AS: Final[Mapping[int, Outcome]] = {
    Waits.RELEASE: Outcome.HELD_UNRELEASED,
    Waits.POLICY: Outcome.HELD_IDENTITY_CONFLICT,
    Waits.ANSWER: Outcome.HELD_UNRELEASED,
    Waits.PAUSE: Outcome.HELD_PAUSED,
    **dict.fromkeys(map(Waits.turn_of, CHANNELS), Outcome.HELD_UNRELEASED),
}
