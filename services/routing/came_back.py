"""Contact data that came back: no later notice goes by it again on that channel. Pure.

A letter comes back from somebody's old address, and a supplement for the same person is still to go. Whoever lives
there now would read of somebody else's data. So it takes another channel, or waits for its source as the first does,
until there is newer contact data. Another record of the person is its own source's word, and goes by its own data.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final, NamedTuple

from services.core.channel import ALL_CHANNELS
from services.core.notices import Notices
from services.core.receipts import FAILED, ReceiptKind, ReceiptReason, came_back

__all__ = ["CameBack", "closed_by", "in_question", "latest", "what_came_back", "why_given_up", "without_those"]

# The person is not there, as far as anybody can tell. Who did not collect a letter, and whose mailbox was full, may be.
_NOT_THERE: Final = frozenset(
    {
        *(ReceiptReason.HARD, ReceiptReason.MOVED, ReceiptReason.NOT_AT_ADDRESS, ReceiptReason.BAD_ADDRESS),
        ReceiptReason.NOT_ACCEPTED,
    }
)


class CameBack(NamedTuple):
    """Contact data of a member by which nobody is told any more on these channels."""

    member: bytes
    channels: int
    version: int  # the highest of the member's whose data came back on them
    reason: str  # why, as dispatch gave it back


def closed_by(kind: ReceiptKind, reason: ReceiptReason, channel: int) -> int:
    """Return the channels that what came back on one closes for the contact data that it went by; 0 = none.

    Who is said to have died is written to on none, as in `cascading`. A letter that came back without a word lies
    nowhere where the person is; a mail that did may have met a full mailbox.
    """
    if kind not in FAILED:
        return 0
    if reason is ReceiptReason.DECEASED:
        return ALL_CHANNELS
    without_a_word = kind is ReceiptKind.RETURNED and reason is ReceiptReason.NOT_SAID
    return channel if reason in _NOT_THERE or without_a_word else 0


def what_came_back(notices: Notices, why: str, channel: int) -> list[CameBack]:
    """Return what follows from notices that dispatch gives back, with why, for the contact data that they went by."""
    back = came_back(why)
    closed = closed_by(*back, channel) if back else 0
    bearers = zip(notices.members, notices.versions, strict=True)
    return [CameBack(member, closed, version, why) for member, version in bearers] if closed else []


def latest(heard: Iterable[CameBack]) -> list[CameBack]:
    """Return of each member and set of channels the highest version, in the order of their keys."""
    found: dict[tuple[bytes, int], CameBack] = {}
    for one in heard:
        known = found.setdefault(one[:2], one)
        if one.version > known.version:
            found[one[:2]] = one
    return [one for _, one in sorted(found.items())]


def in_question(notices: Notices, *, released: bool) -> set[bytes]:
    """Return the bearers of whom it has to be asked what came back.

    Of what was just released deduplication says it: nothing came back from people who were told nothing before.
    """
    if not released:
        return set(notices.members)
    bearers = zip(notices.members, notices.versions, strict=True)
    return {one[0] for one in bearers if one in notices.contact_since} if notices.contact_since else set()


def without_those(notices: Notices, known: Mapping[bytes, Iterable[CameBack]]) -> tuple[Notices, Mapping[bytes, str]]:
    """Return notices less the channels on which their contact data came back; and why, where such a one was not tried.

    What comes in stays as it is: a transaction may be tried again with it. Newer contact data is taken.
    """
    why: dict[bytes, str] = {}
    channels = list(notices.channels)
    for row, bearer in enumerate(zip(notices.members, notices.versions, strict=True)):
        since = notices.contact_since.get(bearer, bearer[1])
        for back in known.get(bearer[0], ()):
            if since <= back.version:
                if channels[row] & back.channels & ~notices.tried[row]:
                    why[notices.ids[row]] = back.reason
                channels[row] &= ~back.channels
    return (replace(notices, channels=channels) if known else notices), why


def why_given_up(notices: Notices, reason: str, why: Mapping[bytes, str]) -> list[tuple[str, Notices]]:
    """Tell of notices that are given up those apart that might have gone where something came back, each with why."""
    rows: dict[str, list[int]] = {}
    for row, notice in enumerate(notices.ids):
        rows.setdefault(why.get(notice, reason), []).append(row)
    return [(said, notices.pick(its)) for said, its in sorted(rows.items())]
