"""What each record of a chunk comes to, and the blocks that tell other rooms of it. Pure."""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import reduce
from operator import or_
from typing import Any, Final, NamedTuple

from services.core.access import Act, Caller
from services.core.cohort import Cohort
from services.core.incident import KeyVersions
from services.core.notices import BLOCK_ENTRIES, FLAG_RETRACTED, FLAG_WITHDRAWN
from services.core.variants import Certainty
from services.core.witnesses import NO_WITNESSES
from services.intake.homes import NO_HOMES, Home, homes_in, places_of, share_a_home

__all__ = [
    "CONTACT_BYTES",
    "Accepted",
    "Block",
    "Chunk",
    "Classified",
    "Counts",
    "DoneAct",
    "Fault",
    "Problem",
    "Rejected",
    "Severity",
    "Stored",
    "Uses",
    "accepted_of",
    "blocks_of",
    "classify",
    "uses_of",
    "withdrawal_of",
]


CONTACT_BYTES: Final = 8  # so much of a record's content is the hash of its contact data


class Severity(StrEnum):
    """What a fault does to its record, as the answer says it."""

    ERROR = "error"  # it is not taken
    WARNING = "warning"  # it is taken without the field


class Fault(NamedTuple):
    """What is wrong with a record; `field` is None where the record as a whole is wrong."""

    field: str | None
    problem: str
    severity: Severity = Severity.ERROR


class DoneAct(NamedTuple):
    """Who did what, as it is stored. `version` is what the act made; `upload` is what members carry of it."""

    principal: str
    act: str
    incident_id: str
    cohort_id: str | None
    version: int | None
    upload: int | None
    request_id: str
    member: bytes | None = None  # the record that it took back
    detail: str | None = None  # JSON: what was asked for, or why

    @classmethod
    def of(
        cls,
        caller: Caller,
        act: Act,
        about: Cohort,
        *,
        upload: int | None = None,
        member: bytes | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> "DoneAct":
        """Return the act of a caller on a cohort's new version, on members of it, or on one record."""
        version = about.version if upload is None and member is None else None
        name, ids = caller.principal.name, (about.incident_id, about.cohort_id)
        said = None if detail is None else json.dumps(detail)
        return cls(name, act.value, *ids, version, upload, caller.request_id, member, said)


class Problem(NamedTuple):
    """One line of the answer's `problems`."""

    line: int
    member_ref: str | None  # None where it may not be repeated
    field: str | None
    problem: str
    severity: Severity = Severity.ERROR


class Rejected(NamedTuple):
    """All that is kept of a record that cannot be taken."""

    record: bytes  # its member id, under which it is counted once
    line: int
    member_ref: str  # whole: it is stored sealed, with the others of its chunk
    faults: tuple[Fault, ...]  # with fields of a member record alone: any other name came from the source


@dataclass(slots=True)
class Chunk:
    """Valid records of one cohort as columns, one entry a member, and the rejected ones apart."""

    incident_id: str
    incident_version: int  # the version that the records were checked with
    cohort_id: str
    upload: int  # the number of the upload or event that the records came in
    key_versions: KeyVersions = KeyVersions()  # of the incident
    likely_repeats: bool = False  # then members are looked up before they are written
    ref_block: int = 0  # where the memberRefs of what it changes are kept, sealed
    refs: list[str] = field(default_factory=list)  # as the source wrote them: not to be repeated as they stand
    noted: dict[bytes, str | None] = field(default_factory=dict)  # of members with warnings: what may be repeated
    bsns: list[str] = field(default_factory=list)  # without them nobody could tell whether a ref may be repeated
    lines: list[int] = field(default_factory=list)
    members: list[bytes] = field(default_factory=list)
    contents: list[bytes] = field(default_factory=list)
    pseudonyms: list[bytes] = field(default_factory=list)
    witnesses: list[bytes] = field(default_factory=list)
    likenesses: list[bytes] = field(default_factory=list)
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
    unreadable_lines: int = 0  # they are no members: nothing of them is stored or counted in the ledger
    last_line: int = 0

    @property
    def scope(self) -> str:
        """The cohort as totals name it."""
        return f"{self.incident_id}/{self.cohort_id}"

    def __len__(self) -> int:
        return self.accepted_lines + self.rejected_lines + self.unreadable_lines


class Counts(NamedTuple):
    """The totals of a cohort, in the order in which they are stored."""

    received: int = 0
    rejected: int = 0
    accepted: int = 0
    discarded: int = 0  # of the accepted: rejected records that were withdrawn


class Uses(NamedTuple):
    """What members use of their incident's texts."""

    categories: int = 0  # a mask, as `core.facts` has it
    languages: frozenset[str] = frozenset()  # primary subtags, in small letters
    certainties: frozenset[Certainty] = frozenset()  # of their records: confirmed, possible


class Stored(NamedTuple):
    """A member as it stands in the database."""

    version: int
    pseudonym: bytes
    content: bytes  # empty: it was withdrawn
    upload: int
    contact_since: int = 1  # the first version with the contact data that it has now

    @property
    def withdrawn(self) -> bool:
        """Tell whether its last version took it back."""
        return not self.content

    def contact_since_with(self, content: bytes) -> int:
        """Return since which version the contact data stands if the next version has this content.

        What was withdrawn and comes back is new: nothing is kept to compare it with.
        """
        same = self.content[:CONTACT_BYTES] == content[:CONTACT_BYTES]
        return self.contact_since if same else self.version + 1


@dataclass(slots=True)
class Classified:
    """The rows of a chunk, told apart by what the database has of their members; every row is in one list."""

    new: list[int] = field(default_factory=list)
    same: list[int] = field(default_factory=list)
    corrected: list[int] = field(default_factory=list)
    versions: list[int] = field(default_factory=list)  # of the corrected ones
    contact_since: list[int] = field(default_factory=list)  # of these: the version that brought its contact
    retracted: list[tuple[int, int, bytes]] = field(default_factory=list)  # row, its version, pseudonym left
    repeated: list[int] = field(default_factory=list)  # the same upload said something else earlier
    refused: list[int] = field(default_factory=list)  # new, but the cohort is sealed; or it is cancelled

    def join(self, other: "Classified") -> None:
        """Add rows that were classified later."""
        for name in self.__slots__:
            getattr(self, name).extend(getattr(other, name))


@dataclass(slots=True)
class Accepted:
    """What became of a chunk, for its sender: the rows, and each line as accepted, rejected or unreadable."""

    classified: Classified
    problems: list[Problem]
    accepted_lines: int
    rejected_lines: int
    unreadable_lines: int
    warned_lines: int  # of the accepted ones
    refusal: str = "cohort-sealed"  # why rows were refused


@dataclass(slots=True)
class Block:
    """Columns of members of one partition, as they travel.

    `rows` are their rows in the chunk. `slots` are the places of their data in the vault; a retraction has none.
    `homes` has those of people who were ever moved, by the place in the block.
    """

    partition: int
    rows: list[int]
    members: list[bytes]
    versions: list[int]
    pseudonyms: list[bytes]
    witnesses: list[bytes]
    exposed: list[int]
    confirmed: list[int]
    channels: list[int]
    flags: list[int]
    languages: list[str]
    slots: list[int]
    contact_since: dict[int, int] = field(default_factory=dict)  # by row of the block: contact data older than its row
    homes: dict[int, Home] = field(default_factory=dict)

    @property
    def is_retraction(self) -> bool:
        """Tell whether the block says that a member left this partition; then there is nothing to seal."""
        return self.flags == [FLAG_RETRACTED]


def classify(chunk: Chunk, rows: Sequence[int], stored: Mapping[bytes, Stored]) -> Classified:
    """Tell new, same, corrected and repeated rows apart, by what the database has of their members."""
    classified = Classified()
    for row in rows:
        before = stored.get(chunk.members[row])
        if before is None:
            classified.new.append(row)
        elif before.content == chunk.contents[row] and before.pseudonym == chunk.pseudonyms[row]:
            classified.same.append(row)
        elif before.upload == chunk.upload:
            classified.repeated.append(row)
        else:
            classified.corrected.append(row)
            classified.versions.append(before.version + 1)
            classified.contact_since.append(before.contact_since_with(chunk.contents[row]))
            if before.pseudonym != chunk.pseudonyms[row]:
                classified.retracted.append((row, before.version + 1, before.pseudonym))
    return classified


def accepted_of(
    chunk: Chunk, classified: Classified, shown: Callable[[Chunk, int], str | None], *, cancelled: bool = False
) -> Accepted:
    """Count the lines of a chunk, and add the problems that the database showed.

    `shown` gives the memberRef of a row as far as it may be repeated.
    """
    refusal = "cohort-cancelled" if cancelled else "cohort-sealed"
    turned = [(row, "repeated-member-ref") for row in classified.repeated]
    turned += [(row, refusal) for row in classified.refused]
    problems = list(chunk.problems)
    lost = 0
    for row, code in turned:
        lines = [chunk.lines[row], *chunk.again.get(row, ())]
        problems += [Problem(line, shown(chunk, row), "memberRef", code) for line in lines]
        lost += len(lines)
    return Accepted(
        classified,
        problems=sorted(problems, key=lambda problem: problem.line) if turned else problems,
        accepted_lines=chunk.accepted_lines - lost,
        rejected_lines=chunk.rejected_lines + lost,
        unreadable_lines=chunk.unreadable_lines,
        warned_lines=_warned_lines(problems),
        refusal=refusal,
    )


def _warned_lines(problems: Sequence[Problem]) -> int:
    """Return how many lines were taken with a warning."""
    lines: dict[Severity, set[int]] = {severity: set() for severity in Severity}
    for problem in problems:
        lines[problem.severity].add(problem.line)
    return len(lines[Severity.WARNING] - lines[Severity.ERROR])


def blocks_of(
    chunk: Chunk, classified: Classified, partitions: int, homes: Mapping[bytes, Home] = NO_HOMES
) -> list[Block]:
    """Return the blocks that tell of new and corrected members, and of those that left a pseudonym.

    `homes` are those of people who were ever moved; the home decides the partition.
    """
    rows = [*classified.new, *classified.corrected]
    versions = dict(zip(classified.corrected, classified.versions, strict=True))
    since = dict(zip(classified.corrected, classified.contact_since, strict=True))
    older = {row: first for row, first in since.items() if first < versions[row]}
    # Whoever comes under another identity of the same person does not leave that person.
    left = [one for one in classified.retracted if not share_a_home(one[2], chunk.pseudonyms[one[0]], homes)]
    blocks = [_retraction(chunk, one, partitions, homes) for one in left]
    for block, (row, *_) in zip(blocks, left, strict=True):
        block.contact_since = {0: older[row]} if row in older else {}
    by_partition: dict[int, list[int]] = defaultdict(list)
    for row, partition in zip(rows, places_of([chunk.pseudonyms[row] for row in rows], partitions, homes), strict=True):
        by_partition[partition].append(row)
    for partition, theirs in sorted(by_partition.items()):
        for at in range(0, len(theirs), BLOCK_ENTRIES):
            some = theirs[at : at + BLOCK_ENTRIES]
            blocks.append(_block(chunk, partition, some, [versions.get(row, 1) for row in some]))
            blocks[-1].homes = homes_in(blocks[-1].pseudonyms, homes)
            if older:
                blocks[-1].contact_since = {place: older[row] for place, row in enumerate(some) if row in older}
    return blocks


def uses_of(blocks: Sequence[Block]) -> Uses:
    """Return what the members of these blocks use; those who left use nothing."""
    categories, languages, certainties = set[int](), set[str](), set[Certainty]()
    for block in blocks:
        if not block.is_retraction:
            categories.update(block.exposed)  # few are different: the rest of the work is nobody's own
            languages.update(block.languages)
            if any(block.confirmed):
                certainties.add(Certainty.CONFIRMED)
            if 0 in block.confirmed:
                certainties.add(Certainty.POSSIBLE)
    tags = frozenset(tag.split("-", 1)[0].lower() for tag in languages)
    return Uses(reduce(or_, categories, 0), tags, frozenset(certainties))


def _block(chunk: Chunk, partition: int, rows: list[int], versions: list[int]) -> Block:
    return Block(
        partition,
        rows,
        members=[chunk.members[row] for row in rows],
        versions=versions,
        pseudonyms=[chunk.pseudonyms[row] for row in rows],
        witnesses=[chunk.witnesses[row] for row in rows],
        exposed=[chunk.exposed[row] for row in rows],
        confirmed=[chunk.confirmed[row] for row in rows],
        channels=[chunk.channels[row] for row in rows],
        flags=[chunk.flags[row] for row in rows],
        languages=[chunk.languages[row] for row in rows],
        slots=[0] * len(rows),
    )


def _retraction(chunk: Chunk, left: tuple[int, int, bytes], partitions: int, homes: Mapping[bytes, Home]) -> Block:
    """Return the block that tells a person's partition that a member is no longer this person."""
    row, version, pseudonym = left
    (partition,) = places_of([pseudonym], partitions, homes)
    block = _block(chunk, partition, [row], [version])
    block.homes = homes_in([pseudonym], homes)
    return replace(block, pseudonyms=[pseudonym], witnesses=[NO_WITNESSES], channels=[0], flags=[FLAG_RETRACTED])


def withdrawal_of(member: bytes, stored: Stored, partitions: int, homes: Mapping[bytes, Home] = NO_HOMES) -> Block:
    """Return the block that tells a person's partition that a member was taken back; it says nothing else of it."""
    (partition,) = places_of([stored.pseudonym], partitions, homes)
    return Block(
        partition,
        rows=[],
        members=[member],
        versions=[stored.version + 1],
        pseudonyms=[stored.pseudonym],
        witnesses=[NO_WITNESSES],
        exposed=[0],
        confirmed=[0],
        channels=[0],
        flags=[FLAG_WITHDRAWN],
        languages=[""],
        slots=[0],
        homes=homes_in([stored.pseudonym], homes),
    )
