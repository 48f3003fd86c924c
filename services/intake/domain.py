"""What each record of a chunk comes to, and the blocks that tell of it. Pure."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from services.core.ids import partitions_of
from services.core.notices import FLAG_RETRACTED

__all__ = [
    "BLOCK_MEMBERS",
    "Block",
    "Chunk",
    "Counts",
    "Fault",
    "Problem",
    "Rejected",
    "Settled",
    "Stored",
    "blocks_of",
    "settle",
]

# A full chunk is one block in each of eight partitions: what is paid per block vanishes.
BLOCK_MEMBERS = 2048


class Fault(NamedTuple):
    """What is wrong with a record; `field` is None where it is the record as a whole."""

    field: str | None
    problem: str


class Problem(NamedTuple):
    """One line of the answer's `problems`."""

    line: int
    member_ref: str | None
    field: str | None
    problem: str


class Rejected(NamedTuple):
    """A record that cannot be taken: all that is kept of it."""

    record: bytes  # what it is counted once by: member id, or keyed hash of its line
    line: int
    member_ref: str | None
    faults: tuple[Fault, ...]


@dataclass(slots=True)
class Chunk:
    """Valid records as columns, one entry a member, and the rejected ones apart."""

    refs: list[str | None] = field(default_factory=list)  # as they may be repeated: None where one names the person
    lines: list[int] = field(default_factory=list)
    members: list[bytes] = field(default_factory=list)
    contents: list[bytes] = field(default_factory=list)
    pseudonyms: list[bytes] = field(default_factory=list)
    exposed: list[int] = field(default_factory=list)
    confirmed: list[int] = field(default_factory=list)
    channels: list[int] = field(default_factory=list)
    flags: list[int] = field(default_factory=list)
    languages: list[str] = field(default_factory=list)
    contacts: list[bytes] = field(default_factory=list)
    rows: dict[bytes, int] = field(default_factory=dict)  # member -> its row
    again: dict[int, list[int]] = field(default_factory=dict)  # row -> lines that said the same once more
    rejected: dict[bytes, Rejected] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    accepted_lines: int = 0
    rejected_lines: int = 0
    last_line: int = 0

    def __len__(self) -> int:
        return self.accepted_lines + self.rejected_lines


class Counts(NamedTuple):
    """The totals of a cohort, in the order in which they are stored."""

    received: int
    rejected: int
    accepted: int


class Stored(NamedTuple):
    """A member as it stands in the database."""

    version: int
    pseudonym: bytes
    content: bytes
    upload: int


@dataclass(slots=True)
class Settled:
    """What the rows of a chunk come to; every row is in one list."""

    new: list[int] = field(default_factory=list)
    same: list[int] = field(default_factory=list)
    corrected: list[int] = field(default_factory=list)
    versions: list[int] = field(default_factory=list)  # of the corrected ones
    retracted: list[tuple[int, int, bytes]] = field(default_factory=list)  # row, its version, pseudonym left
    repeated: list[int] = field(default_factory=list)  # said otherwise earlier in the same upload
    refused: list[int] = field(default_factory=list)  # new, but the cohort is sealed

    def join(self, other: "Settled") -> None:
        """Add what was settled later."""
        for name in self.__slots__:
            getattr(self, name).extend(getattr(other, name))


@dataclass(slots=True)
class Block:
    """Columns of members of one partition, as they travel; `rows` is where in the chunk they stand.

    `slots` says where in the vault their data lies; a retraction has none.
    """

    partition: int
    rows: list[int]
    members: list[bytes]
    versions: list[int]
    pseudonyms: list[bytes]
    exposed: list[int]
    confirmed: list[int]
    channels: list[int]
    flags: list[int]
    languages: list[str]
    slots: list[int]

    @property
    def is_retraction(self) -> bool:
        """Tell whether this says that somebody's data is gone from here; then there is nothing to seal."""
        return self.flags == [FLAG_RETRACTED]


def settle(chunk: Chunk, rows: Sequence[int], stored: Mapping[bytes, Stored], upload: int) -> Settled:
    """Tell new, same, corrected and repeated rows apart, from what the database has of their members."""
    settled = Settled()
    for row in rows:
        before = stored.get(chunk.members[row])
        if before is None:
            settled.new.append(row)
        elif before.content == chunk.contents[row]:
            settled.same.append(row)
        elif before.upload == upload:
            settled.repeated.append(row)
        else:
            settled.corrected.append(row)
            settled.versions.append(before.version + 1)
            if before.pseudonym != chunk.pseudonyms[row]:
                settled.retracted.append((row, before.version + 1, before.pseudonym))
    return settled


def blocks_of(chunk: Chunk, settled: Settled, partitions: int) -> list[Block]:
    """Return the blocks that tell of new and corrected members, and of those that left a pseudonym."""
    blocks = [_retraction(chunk, *left, partitions) for left in settled.retracted]
    rows = [*settled.new, *settled.corrected]
    versions = dict(zip(settled.corrected, settled.versions, strict=True))
    by_partition: dict[int, list[int]] = defaultdict(list)
    for row, partition in zip(rows, partitions_of([chunk.pseudonyms[row] for row in rows], partitions), strict=True):
        by_partition[partition].append(row)
    for partition, theirs in sorted(by_partition.items()):
        for at in range(0, len(theirs), BLOCK_MEMBERS):
            block = theirs[at : at + BLOCK_MEMBERS]
            blocks.append(_block(chunk, partition, block, [versions.get(row, 1) for row in block]))
    return blocks


def _block(chunk: Chunk, partition: int, rows: list[int], versions: list[int]) -> Block:
    return Block(
        partition,
        rows,
        members=[chunk.members[row] for row in rows],
        versions=versions,
        pseudonyms=[chunk.pseudonyms[row] for row in rows],
        exposed=[chunk.exposed[row] for row in rows],
        confirmed=[chunk.confirmed[row] for row in rows],
        channels=[chunk.channels[row] for row in rows],
        flags=[chunk.flags[row] for row in rows],
        languages=[chunk.languages[row] for row in rows],
        slots=[0] * len(rows),
    )


def _retraction(chunk: Chunk, row: int, version: int, pseudonym: bytes, partitions: int) -> Block:
    """Tell the partition that a member was in that it is no longer this person's."""
    (partition,) = partitions_of([pseudonym], partitions)
    block = _block(chunk, partition, [row], [version])
    return replace(block, pseudonyms=[pseudonym], channels=[0], flags=[FLAG_RETRACTED])
