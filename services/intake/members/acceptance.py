"""The transaction that takes a chunk: members, vault, what is rejected, totals, blocks. All of it, or none.

Locks are taken in one order: cohort (shared), members by key, vault, totals, rejections; the caller writes
the log's heads last. What is counted, accepted or rejected, is decided under the cohort's totals: two uploads
of one cohort write their members side by side and pass that point one after the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

import asyncpg
from notification.topics import MEMBERS_ACCEPTED, TOTALS_CHANGED

from services.intake.codec import BlockHeader, encode_members
from services.intake.domain import Block, Chunk, Counts, Problem, Settled, blocks_of, settle
from services.intake.members.chunks import Hashes
from services.intake.store import CohortRow, Store, TotalsState
from services.kit.eventlog import Output
from services.kit.postgres import Connection
from services.kit.stage import TotalsRow
from services.kit.vault import SealRequest, Vault
from services.wire.totals import encode_totals

__all__ = ["Part", "Taken", "Taker"]

STAGE = SOURCE = "intake"


@dataclass(slots=True)
class Part:
    """A chunk to take, and what it was checked with."""

    incident_id: str
    incident_version: int
    cohort_id: str
    chunk: Chunk
    upload: int  # the number of the upload or event that it came in
    likely_repeats: bool = False  # then it is looked up first: a COPY that fails costs as much as one that works

    @property
    def scope(self) -> str:
        """The cohort as totals name it."""
        return f"{self.incident_id}/{self.cohort_id}"


@dataclass(slots=True)
class Taken:
    """What a chunk came to."""

    settled: Settled
    counts: Counts | None = None  # the cohort's totals, where they moved
    problems: list[Problem] = field(default_factory=list)
    accepted_lines: int = 0
    rejected_lines: int = 0
    outputs: list[Output] = field(default_factory=list)


class _Begun(NamedTuple):
    """A chunk whose members are written, and which is not counted yet."""

    part: Part
    held: CohortRow
    settled: Settled
    blocks: Sequence[Block]


class Taker:
    """Takes chunks inside a transaction that somebody else opens and ends."""

    def __init__(self, store: Store, vault: Vault, hashes: Hashes, partitions: int) -> None:
        self._store, self._vault, self._hashes, self._partitions = store, vault, hashes, partitions

    async def take(self, db: Connection, parts: Sequence[Part], now: datetime) -> list[Taken]:
        """Write the effects of these chunks; the blocks to send are in what is given back."""
        begun = []
        for part in parts:
            held = await self._store.hold_cohort(db, part.incident_id, part.cohort_id)
            assert held is not None  # noqa: S101 - the caller saw it, and cohorts are never deleted
            settled = await self._settle(db, part, held)
            blocks = blocks_of(part.chunk, settled, self._partitions)
            await self._seal(db, part, blocks)
            begun.append(_Begun(part, held, settled, blocks))
        taken = {}
        for one in sorted(begun, key=lambda each: each.part.scope):
            taken[id(one.part)] = await self._count(db, one, now)
        return [taken[id(part)] for part in parts]

    async def _settle(self, db: Connection, part: Part, held: CohortRow) -> Settled:
        chunk = part.chunk
        every = list(range(len(chunk.members)))
        if not part.likely_repeats and not held.cohort.sealed:
            try:
                async with db.transaction():
                    await self._store.copy_members(db, chunk, part.upload, held.number)
                return Settled(new=every)
            except asyncpg.UniqueViolationError:
                pass
        settled = Settled()
        left = every
        while left:
            step = await self._look_up(db, part, held, left)
            added = await self._store.add_members(db, chunk, step.new, part.upload, held.number)
            left = [row for row in step.new if chunk.members[row] not in added]  # another upload was first
            step.new = [row for row in step.new if chunk.members[row] in added]
            settled.join(step)
        await self._store.correct_members(db, chunk, settled.corrected, settled.versions, part.upload)
        await self._store.touch_members(db, [chunk.members[row] for row in settled.same], part.upload)
        return settled

    async def _look_up(self, db: Connection, part: Part, held: CohortRow, rows: Sequence[int]) -> Settled:
        chunk = part.chunk
        stored = await self._store.lock_members(db, [chunk.members[row] for row in rows])
        step = settle(chunk, rows, stored, part.upload)
        if held.cohort.sealed and step.new:
            # Nobody new any more; but a record that was counted as rejected may still be mended.
            known = await self._store.rejected_before(db, [chunk.members[row] for row in step.new])
            step.refused = [row for row in step.new if chunk.members[row] not in known]
            step.new = [row for row in step.new if chunk.members[row] in known]
        return step

    async def _seal(self, db: Connection, part: Part, blocks: Sequence[Block]) -> None:
        """Put the data of the people of each block side by side into the vault, and note where it lies."""
        contacts = part.chunk.contacts
        bearing = [block for block in blocks if not block.is_retraction]
        groups = []
        for block in bearing:
            payloads = [contacts[row] for row in block.rows]
            groups.append(list(map(SealRequest, block.members, block.versions, block.pseudonyms, payloads)))
        if groups:
            for block, slots in zip(bearing, await self._vault.store(db, part.incident_id, groups), strict=True):
                block.slots = list(slots)

    async def _count(self, db: Connection, begun: _Begun, now: datetime) -> Taken:
        part, held, settled, blocks = begun
        taken = _answered(part.chunk, settled)
        rejected = [] if held.cohort.sealed else list(part.chunk.rejected.values())
        if not (settled.new or settled.corrected or rejected):
            return taken
        before = await self._store.lock_totals(db, part.scope, now)
        back = 0
        if before.counts.rejected and settled.new:
            back = await self._store.take_back_rejections(db, [part.chunk.members[row] for row in settled.new])
        if rejected:
            known = await self._store.accepted_before(db, [r.record for r in rejected])
            rejected = [r for r in rejected if r.record not in known]
        fresh = await self._store.add_rejections(db, rejected, held.number, now) if rejected else 0
        new = len(settled.new)
        counts = Counts(
            received=before.counts.received + new - back + fresh,
            rejected=before.counts.rejected - back + fresh,
            accepted=before.counts.accepted + new,
        )
        moved = counts != before.counts
        if moved:
            await self._store.move_totals(db, part.scope, before.sequence + 1, counts)
            taken.counts = counts
        totals = _totals(part.scope, before, counts, moved=moved)
        taken.outputs = self._outputs(part, held, blocks, totals, now)
        if moved:
            taken.outputs.append(Output(TOTALS_CHANGED, 0, encode_totals([totals])))
        return taken

    def _outputs(
        self, part: Part, held: CohortRow, blocks: Sequence[Block], totals: TotalsRow, now: datetime
    ) -> list[Output]:
        header = BlockHeader(
            part.incident_id,
            part.incident_version,
            part.cohort_id,
            held.cohort.version,
            _milliseconds(now),
            self._hashes.pepper_version,
            totals,
        )
        return [Output(MEMBERS_ACCEPTED, block.partition, encode_members(header, block)) for block in blocks]


def _answered(chunk: Chunk, settled: Settled) -> Taken:
    """Count lines, and say what the database made of them."""
    turned = [(row, "memberRef", "repeated-member-ref") for row in settled.repeated]
    turned += [(row, "memberRef", "cohort-sealed") for row in settled.refused]
    problems = list(chunk.problems)
    lost = 0
    for row, name, code in turned:
        lines = [chunk.lines[row], *chunk.again.get(row, ())]
        problems += [Problem(line, chunk.refs[row], name, code) for line in lines]
        lost += len(lines)
    return Taken(
        settled,
        problems=sorted(problems, key=lambda problem: problem.line) if turned else problems,
        accepted_lines=chunk.accepted_lines - lost,
        rejected_lines=chunk.rejected_lines + lost,
    )


def _totals(scope: str, before: TotalsState, counts: Counts, *, moved: bool) -> TotalsRow:
    sequence = before.sequence + 1 if moved else before.sequence
    return TotalsRow(STAGE, SOURCE, scope, sequence, counts._asdict(), _milliseconds(before.first_at))


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)
