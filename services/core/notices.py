"""Notices as columns: what deduplication, routing and dispatch hand to each other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import Final

__all__ = [
    "ALL_FLAGS",
    "BLOCK_ENTRIES",
    "COLUMNS",
    "FLAG_DECEASED",
    "FLAG_MAYBE_TOLD",
    "FLAG_NEXT_OF_KIN",
    "FLAG_NOT_AT_ADDRESS",
    "FLAG_NOT_DECEASED",
    "FLAG_RETRACTED",
    "FLAG_SECRET_ADDRESS",
    "FLAG_WITHDRAWN",
    "LIES_UNREAD",
    "MEMBER_FLAGS",
    "MEMBER_FLAG_BITS",
    "Notices",
    "joined",
    "pieces",
]

# What is known of a member, one bit each: a set of flags is one byte in a block. The numbers are stored and travel in
# blocks: they are never reused.
FLAG_DECEASED = 1
FLAG_SECRET_ADDRESS = 2
FLAG_NOT_AT_ADDRESS = 4
FLAG_RETRACTED = 8  # this member (id, version) no longer belongs to this pseudonym
FLAG_WITHDRAWN = 16  # its source, or an operator, took this member back; it stays of its pseudonym
FLAG_NOT_DECEASED = 32  # the record says so; silence about it says nothing
FLAG_NEXT_OF_KIN = 64  # the person has died, and the record's contact data is that of the next of kin
FLAG_MAYBE_TOLD = 128  # the notice may have been handed over on a channel of MAY_END_UNKNOWN: nobody can know

# What intake may say of a member: deduplication refuses a block with any other flag.
MEMBER_FLAGS: Final = (
    FLAG_DECEASED
    | FLAG_SECRET_ADDRESS
    | FLAG_NOT_AT_ADDRESS
    | FLAG_RETRACTED
    | FLAG_WITHDRAWN
    | FLAG_NOT_DECEASED
    | FLAG_NEXT_OF_KIN
)
MEMBER_FLAG_BITS: Final = MEMBER_FLAGS.bit_length()  # a table by sets of these has 1 << MEMBER_FLAG_BITS entries
ALL_FLAGS: Final = MEMBER_FLAGS | FLAG_MAYBE_TOLD  # routing adds what only arises on the way

# In `tried`, beside the channels: one of them took the notice, and nobody read it there in time. It may be read still,
# so whoever stops the notice cannot say that nobody was told. The flags have no bit left, and there are few channels.
LIES_UNREAD: Final = 128

# At most so many members or notices travel in one block: what is paid per block vanishes, and a block that nobody can
# read sets no more people aside. An entry takes 80 bytes, 200 at most: far below what the log takes as one block.
BLOCK_ENTRIES: Final = 2048


@dataclass(slots=True)
class Notices:
    """Released notices of one incident version and one partition; every list has one entry a notice.

    The bearer is the member whose contact data is used: `members`, `versions` and `pseudonyms` say for whom its data
    was sealed, and `slots` where in the vault it lies (0 = nowhere). `channels` is the set of channels that there is
    data for. `supersedes` is empty bytes for a first notice; `told_*` is what the notices before said: a *supplement*
    has of it what still holds, so that it can name what is new; a *correction* has what holds no more as well.
    `cohorts` is the bearer's; `carriers` are all cohorts whose facts the notice names, in the order of their ids, the
    bearer's among them: whatever stops one of them stops the notice. Nearly all notices
    share a few such tuples. `contact_since` says of some bearers, by member and version, since which version they have
    the contact data of that one: of whoever was told something before, or corrected in other things. Of all others the
    data came with the version. It may have more than the bearers of these notices. Times are milliseconds since 1970,
    UTC.
    """

    incident_id: str
    incident_version: int
    ids: list[bytes] = field(default_factory=list)
    members: list[bytes] = field(default_factory=list)
    versions: list[int] = field(default_factory=list)
    slots: list[int] = field(default_factory=list)
    pseudonyms: list[bytes] = field(default_factory=list)
    revisions: list[int] = field(default_factory=list)
    supersedes: list[bytes] = field(default_factory=list)
    exposed: list[int] = field(default_factory=list)
    confirmed: list[int] = field(default_factory=list)
    told_exposed: list[int] = field(default_factory=list)
    told_confirmed: list[int] = field(default_factory=list)
    channels: list[int] = field(default_factory=list)
    flags: list[int] = field(default_factory=list)
    languages: list[str] = field(default_factory=list)
    cohorts: list[str] = field(default_factory=list)
    accepted_at: list[int] = field(default_factory=list)
    attempts: list[int] = field(default_factory=list)  # number of the attempt, from 1; 0 = none made yet
    tried: list[int] = field(default_factory=list)  # set of the channels that refused; and LIES_UNREAD
    carriers: list[tuple[str, ...]] = field(default_factory=list)
    contact_since: dict[tuple[bytes, int], int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    def pick(self, rows: list[int]) -> "Notices":
        """Return the notices at these positions, in that order."""
        picked = Notices(self.incident_id, self.incident_version, contact_since=self.contact_since)
        for name in COLUMNS:
            column = getattr(self, name)
            setattr(picked, name, [column[row] for row in rows])
        return picked


COLUMNS = tuple(f.name for f in fields(Notices) if f.name not in {"incident_id", "incident_version", "contact_since"})


def joined(parts: Sequence[Notices]) -> Notices:
    """Return notices of one incident version, of one part or more, in one; a single part is returned as it is."""
    if len(parts) == 1:
        return parts[0]
    whole = Notices(parts[0].incident_id, parts[0].incident_version)
    for name in COLUMNS:
        column = getattr(whole, name)
        for part in parts:
            column += getattr(part, name)  # copies the whole column at once
    for part in parts:
        whole.contact_since |= part.contact_since
    return whole


def pieces(notices: Notices, size: int = BLOCK_ENTRIES) -> Iterator[Notices]:
    """Cut notices into pieces of at most `size`, in their order; those that fit in one are returned as they are."""
    if 0 < len(notices) <= size:
        yield notices
        return
    for start in range(0, len(notices), size):
        piece = Notices(notices.incident_id, notices.incident_version, contact_since=notices.contact_since)
        for name in COLUMNS:
            setattr(piece, name, getattr(notices, name)[start : start + size])
        yield piece
