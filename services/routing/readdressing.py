"""A new attempt of a notice that was given up, once there is other contact data: a function of what was heard. Pure.

A notice is given up where no channel is left; its bearer's contact data is corrected by its source. Both are kept, in
whatever order they are heard, and where the data is newer than what was tried, the same notice is attempted again with
it. Receipts of letters that came back, and of e-mails that bounced, give notices up in the same way.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from services.core.channel import IS_READ_THERE, Channel
from services.core.notices import FLAG_MAYBE_TOLD, LIES_UNREAD, Notices
from services.routing.came_back import CameBack, without_those
from services.routing.domain import Choices, route

__all__ = ["Address", "Answers", "GivenUp", "answers", "given_up"]


class Address(NamedTuple):
    """The bearer of a notice as its source corrected it after the notice's release."""

    notice: bytes
    version: int  # the bearer's: its contact data was sealed for this one
    since: int  # the first version with this contact data: older ones had other data
    slot: int  # of the vault: where this version's data lies
    channels: int
    flags: int
    language: str


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A notice for which no channel was left, or whose letter cannot be printed."""

    notice: bytes
    attempt: int  # the last that was made; 0 = none was
    version: int  # the bearer's, whose contact data was used
    answered: bool  # a new attempt was made since
    columns: Notices  # the notice, as a block of one
    reason: str = ""  # why its letter cannot be printed, or that a channel was closed; empty = no channel was left

    @property
    def incident(self) -> tuple[str, int]:
        """The incident version that decides about its channels and words."""
        return self.columns.incident_id, self.columns.incident_version


@dataclass(slots=True)
class Answers:
    """What follows from what was heard in a transaction."""

    fresh: list[GivenUp] = field(default_factory=list)  # not known to be given up at this attempt before
    again: list[tuple[Channel, Notices]] = field(default_factory=list)  # blocks of one: their next attempts
    kept: list[GivenUp] = field(default_factory=list)  # to be written


def given_up(notices: Notices, reason: str = "") -> Iterator[GivenUp]:
    """Return notices that are given up for a reason, one by one."""
    for row, (notice, attempt, version) in enumerate(zip(notices.ids, notices.attempts, notices.versions, strict=True)):
        yield GivenUp(notice, attempt, version, answered=False, columns=notices.pick([row]), reason=reason)


def answers(
    heard: Iterable[GivenUp],
    known: Mapping[bytes, GivenUp],
    addresses: Mapping[bytes, Address],
    choices: Callable[[tuple[str, int]], Choices],
    backs: Mapping[bytes, Iterable[CameBack]],
) -> Answers:
    """Decide which notices are attempted again.

    `known` has what is stored of these notices and of those with an address in `addresses`, which has the newest one of
    each; `backs` what came back of their bearers. Of a notice the latest attempt holds. One that was given up already
    at that attempt, or later, is a repeat: it says nothing. Each time that a notice is given up is answered once, so
    no attempt has a number twice.
    """
    latest = dict(known)
    found = Answers()
    for one in heard:
        before = latest.get(one.notice)
        if before is None or one.attempt > before.attempt:
            found.fresh.append(one)
            latest[one.notice] = one
    for notice, one in sorted(latest.items()):
        now = _answered(one, addresses.get(notice), choices, backs, found)
        if now != known.get(notice):
            found.kept.append(now)
    return found


def _answered(
    one: GivenUp,
    address: Address | None,
    choices: Callable[[tuple[str, int]], Choices],
    backs: Mapping[bytes, Iterable[CameBack]],
    found: Answers,
) -> GivenUp:
    """Attempt a notice again if its bearer has other contact data than what was tried; return how it stands now."""
    if one.answered or address is None or address.since <= one.version:
        return one
    readdressed, _ = without_those(_readdressed(one.columns, address), backs)
    ((channel, notice),) = route(readdressed, choices(one.incident))
    if channel is None:  # nobody can be written to at the new address either
        return one
    found.again.append((channel, notice))
    return replace(one, answered=True)


def _readdressed(notice: Notices, address: Address) -> Notices:
    """Return a notice with other contact data.

    All of its channels may be tried anew: which of them the correction was about, nobody can tell from here. But where
    a message of it lies unread no second one is put beside it.
    """
    unread = notice.tried[0] & LIES_UNREAD
    return replace(
        notice,
        versions=[address.version],
        slots=[address.slot],
        channels=[address.channels],
        flags=[address.flags | notice.flags[0] & FLAG_MAYBE_TOLD],
        languages=[address.language],
        tried=[notice.tried[0] & IS_READ_THERE if unread else 0],
        contact_since={(notice.members[0], address.version): address.since},
    )
