"""The states of an attempt, and which may follow which."""

from collections.abc import Iterable, Mapping
from enum import IntEnum
from types import MappingProxyType

__all__ = [
    "CALLED_BACK",
    "CHANNEL_CLOSED",
    "TRANSITIONS",
    "UNKNOWN_FOR_TOO_LONG",
    "AttemptState",
    "can_become",
    "unprintable",
    "unprintable_fields",
]

# Why dispatch gives back a notice whose e-mail ended unknown and about which nobody heard in time.
UNKNOWN_FOR_TOO_LONG = "unknown-for-too-long"
# Why dispatch gives back a notice whose channel a newer version of its incident has closed, and why routing gives up
# one that could take no other.
CHANNEL_CLOSED = "channel-closed"
# Why dispatch gives back a notice that was called back before its attempt began, while an earlier one may have told
# somebody: it is attempted again at its bearer's new contact data, if there is any, and nowhere else.
CALLED_BACK = "called-back"
# Why dispatch gives back a notice whose letter cannot be printed; the fields of the record follow after a colon.
_UNPRINTABLE = "unprintable"


class AttemptState(IntEnum):
    """One attempt to hand one notice to one provider.

    The numbers are stored and travel in blocks: they are never reused.
    """

    TAKEN = 0  # queued, nothing done yet
    INTENT = 1  # written down that the hand-over is about to begin
    ACCEPTED = 2  # the provider took it
    REFUSED = 3  # the provider will never take it: the next channel is tried
    UNKNOWN = 4  # the hand-over began and how it ended cannot be known
    REFUSED_WAITING = 5  # the provider refused this recipient; that is not told yet, and may be taken back
    STOPPED = 6  # recalled before it began: nobody is told by it
    PAUSED = 7  # queued, while a cohort whose facts it names is paused
    CLOSED = 8  # its channel was closed before it began: the next one is tried
    BOUNCED = 9  # the provider took it, and it came back: the next channel is tried
    RETURNED = 10  # the letter was posted, and came back: likewise
    UNPRINTED = 11  # its provider had it, and rejected it through no fault of the recipient's: an operator decides
    UNREAD = 12  # the provider took it, and nobody read it in time: it stays told, and the next channel is tried


TRANSITIONS: Mapping[AttemptState, frozenset[AttemptState]] = MappingProxyType(
    {
        AttemptState.TAKEN: frozenset(
            {AttemptState.INTENT, AttemptState.STOPPED, AttemptState.PAUSED, AttemptState.CLOSED}
        ),
        # Back to TAKEN: what was surely not handed over (the connection was refused) waits for its turn again.
        AttemptState.INTENT: frozenset(
            {
                AttemptState.TAKEN,
                AttemptState.ACCEPTED,
                AttemptState.REFUSED,
                AttemptState.UNKNOWN,
                AttemptState.REFUSED_WAITING,
            }
        ),
        # A receipt may settle it later; the waiting time of HERAUT_UNKNOWN_AFTER refuses it.
        AttemptState.UNKNOWN: frozenset(
            {
                AttemptState.ACCEPTED,
                AttemptState.REFUSED,
                AttemptState.REFUSED_WAITING,
                AttemptState.BOUNCED,
                AttemptState.RETURNED,
                AttemptState.UNPRINTED,
            }
        ),
        # Told when its time is over; back in the queue where it turns out that the provider was ill.
        AttemptState.REFUSED_WAITING: frozenset({AttemptState.TAKEN, AttemptState.REFUSED, AttemptState.STOPPED}),
        # By a receipt.
        AttemptState.ACCEPTED: frozenset(
            {AttemptState.BOUNCED, AttemptState.RETURNED, AttemptState.UNPRINTED, AttemptState.UNREAD}
        ),
        # It is on its way to the next channel already: what is heard of it later sends nobody anywhere.
        AttemptState.UNREAD: frozenset({AttemptState.BOUNCED, AttemptState.RETURNED}),
        # Refused where an operator has it made again, as another attempt, or gives it up: likewise.
        AttemptState.UNPRINTED: frozenset(
            {AttemptState.REFUSED, AttemptState.BOUNCED, AttemptState.RETURNED, AttemptState.STOPPED}
        ),
        AttemptState.BOUNCED: frozenset(),
        AttemptState.RETURNED: frozenset(),
        AttemptState.REFUSED: frozenset(),
        AttemptState.STOPPED: frozenset(),
        AttemptState.CLOSED: frozenset(),
        AttemptState.PAUSED: frozenset({AttemptState.TAKEN, AttemptState.STOPPED}),
    }
)


def can_become(state: AttemptState, following: AttemptState) -> bool:
    """Tell whether an attempt in `state` may move to `following`."""
    return following in TRANSITIONS[state]


def unprintable(fields: Iterable[str]) -> str:
    """Return why a notice is given back whose letter cannot be printed, for these fields of its record."""
    named = ",".join(fields)
    return f"{_UNPRINTABLE}:{named}" if named else _UNPRINTABLE


def unprintable_fields(reason: str) -> tuple[str, ...] | None:
    """Return the fields of the record that keep a letter from being printed; None where the reason is another one."""
    kind, _, named = reason.partition(":")
    if kind != _UNPRINTABLE:
        return None
    return tuple(named.split(",")) if named else ()
