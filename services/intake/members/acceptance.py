"""The transaction that takes chunks: members, vault, what is rejected, totals, blocks. All of it, or none.

Locks are taken in one order: the stage of the matching and the cohort (shared), members by key, the incident's matches,
identities by key, vault, totals, uses, rejections, references; the caller writes the log's heads last. Accepted and
rejected records are counted under the lock of the cohort's totals: two uploads of one cohort write their members side
by side, and count them one after the other.
"""

import secrets
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import asyncpg
from notification.topics import MEMBERS_ACCEPTED, TOTALS_CHANGED

from services.intake.codec import BlockHeader, encode_members
from services.intake.context import SOURCE, Context
from services.intake.domain import (
    Accepted,
    Block,
    Chunk,
    Classified,
    Counts,
    Rejected,
    accepted_of,
    blocks_of,
    classify,
    uses_of,
)
from services.intake.homes import Home
from services.intake.identities.matching import Matching, Taken
from services.intake.identities.moving import moved_outputs
from services.intake.members.chunks import shown_ref
from services.intake.records.sealed_refs import NONCE_BYTES, RefPlace
from services.intake.store import CohortRow, TotalsState
from services.kit.eventlog import Output
from services.kit.postgres import Connection
from services.kit.vault import Payloads
from services.wire.totals import encode_totals

__all__ = ["Acceptance"]


class _Found(NamedTuple):
    """A chunk whose members are written, and not matched yet."""

    chunk: Chunk
    held: CohortRow
    matching: int
    classified: Classified


class _Written(NamedTuple):
    """A chunk whose members are written, and not counted yet."""

    chunk: Chunk
    held: CohortRow
    classified: Classified
    blocks: Sequence[Block]
    moves: Mapping[bytes, Home]


class Acceptance:
    """Takes chunks inside a transaction that the caller opens and ends."""

    def __init__(self, context: Context) -> None:
        self._context, self._store = context, context.store
        self._matching = Matching(context)

    async def prepare(self, incident_id: str) -> None:
        """Do what has to be done outside a transaction before records on a match key alone are accepted."""
        await self._matching.prepare(incident_id)

    async def accept(
        self, connection: Connection, chunks: Sequence[Chunk], now: datetime
    ) -> tuple[list[Accepted], list[Output]]:
        """Write the effects of these chunks; returns what became of each, and the blocks to send."""
        found = [await self._find(connection, chunk) for chunk in chunks]
        found.sort(key=lambda each: each.chunk.scope)  # matches and totals are locked in one order
        written = [await self._write(connection, each, now) for each in found]
        outputs = [output for each in written for output in await self._count(connection, each, now)]
        accepted = {
            id(each.chunk): accepted_of(each.chunk, each.classified, shown_ref, cancelled=each.held.cohort.cancelled)
            for each in written
        }
        return [accepted[id(chunk)] for chunk in chunks], outputs

    async def _find(self, connection: Connection, chunk: Chunk) -> _Found:
        """Write a chunk's members; returns what is known of it."""
        matching = await self._matching.share(connection, chunk)
        held = await self._store.hold_cohort(connection, chunk.incident_id, chunk.cohort_id)
        assert held is not None  # noqa: S101 - the caller saw it, and cohorts are never deleted
        chunk.ref_block = await self._store.next_ref_block(connection)
        return _Found(chunk, held, matching, await self._write_members(connection, chunk, held))

    async def _write(self, connection: Connection, found: _Found, now: datetime) -> _Written:
        """Find out at whose home its people are, and write their data."""
        chunk, held, matching, classified = found
        homes, moves = await self._matching.change(connection, chunk, classified, Taken(matching, held.number, now))
        blocks = blocks_of(chunk, classified, self._context.partitions, homes)
        await self._seal(connection, chunk, blocks)
        return _Written(chunk, held, classified, blocks, moves)

    async def _write_members(self, connection: Connection, chunk: Chunk, held: CohortRow) -> Classified:
        """Write new and corrected members; returns what the rows turned out to be.

        Usually all are new, and one COPY writes them. A COPY that fails costs as much as one that works, so it is
        not tried where repeats are likely.
        """
        every = list(range(len(chunk.members)))
        if held.cohort.cancelled:  # it was open when the upload began
            return Classified(refused=every)
        if not chunk.likely_repeats and not held.cohort.sealed:
            try:
                async with connection.transaction():
                    await self._store.copy_members(connection, chunk, held.number)
                return Classified(new=every)
            except asyncpg.UniqueViolationError:
                pass
        classified = Classified()
        left = every
        while left:
            step = await self._look_up(connection, chunk, held, left)
            added = await self._store.add_members(connection, chunk, step.new, held.number)
            left = [row for row in step.new if chunk.members[row] not in added]  # another upload was first
            step.new = [row for row in step.new if chunk.members[row] in added]
            classified.join(step)
        corrected = classified.corrected, classified.versions, classified.contact_since
        await self._store.correct_members(connection, chunk, *corrected)
        await self._store.touch_members(connection, [chunk.members[row] for row in classified.same], chunk.upload)
        return classified

    async def _look_up(self, connection: Connection, chunk: Chunk, held: CohortRow, rows: Sequence[int]) -> Classified:
        stored = await self._store.lock_members(connection, [chunk.members[row] for row in rows])
        step = classify(chunk, rows, stored)
        if held.cohort.sealed and step.new:
            # A sealed cohort takes nobody new, but a record that was counted as rejected may still be mended.
            known = await self._store.rejected_before(connection, [chunk.members[row] for row in step.new])
            step.refused = [row for row in step.new if chunk.members[row] not in known]
            step.new = [row for row in step.new if chunk.members[row] in known]
        return step

    async def _seal(self, connection: Connection, chunk: Chunk, blocks: Sequence[Block]) -> None:
        """Put the data of the people of each block side by side into the vault, and note the places in the block."""
        bearing = [block for block in blocks if not block.is_retraction]
        groups = []
        for block in bearing:
            plaintexts = [chunk.contacts[row] for row in block.rows]
            groups.append(Payloads(block.members, block.versions, block.pseudonyms, plaintexts))
        if groups:
            stored = await self._context.vault.store(connection, chunk.incident_id, groups)
            for block, slots in zip(bearing, stored, strict=True):
                block.slots = list(slots)

    async def _count(self, connection: Connection, written: _Written, now: datetime) -> list[Output]:
        """Move the cohort's totals and rejections; returns the blocks that tell of the chunk."""
        chunk, held, classified, blocks, _ = written
        if held.cohort.cancelled or not (classified.new or classified.corrected or chunk.rejected):
            return []
        before = await self._store.lock_totals(connection, chunk.scope, now)
        if blocks:
            await self._store.grow_uses(connection, held.number, uses_of(blocks))
        mended: list[bool] = []
        if (before.counts.rejected or before.counts.discarded) and classified.new:
            new_members = [chunk.members[row] for row in classified.new]
            mended = await self._store.take_back_rejections(connection, new_members)
        told: dict[bytes, bool | None] = {}
        if rejected := await self._rejected(connection, chunk, held):
            told = await self._store.add_rejections(connection, rejected, held.number, chunk.ref_block, now)
        await self._keep_refs(connection, written, told)
        fresh = [bool(withdrawn) for withdrawn in told.values() if withdrawn is not False]
        counts = _moved(before.counts, len(classified.new), mended, fresh)
        if counts != before.counts:
            await self._store.move_totals(connection, chunk.scope, before.sequence + 1, counts)
        return self._outputs(written, before, counts, now)

    async def _rejected(self, connection: Connection, chunk: Chunk, held: CohortRow) -> list[Rejected]:
        """Return the rejected records that are to be written: nobody new of a sealed cohort.

        A sealed cohort's record that stays rejected may be so for other reasons now, which its source has to know.
        """
        records = list(chunk.rejected)
        if not records:
            return []
        if held.cohort.sealed:
            known = await self._store.still_rejected(connection, records)
            return [chunk.rejected[record] for record in records if record in known]
        accepted = await self._store.accepted_before(connection, records)
        return [chunk.rejected[record] for record in records if record not in accepted]

    async def _keep_refs(self, connection: Connection, written: _Written, rejected: Collection[bytes]) -> None:
        """Keep the memberRefs of all that carries the number of this chunk's block now, in one piece."""
        chunk, held, classified, *_ = written
        refs, lines = chunk.refs, chunk.lines
        if len(classified.new) < len(refs):
            rows = [*classified.new, *classified.corrected]
            refs, lines = [refs[row] for row in rows], [lines[row] for row in rows]
        refs = [*refs, *(chunk.rejected[record].member_ref for record in rejected)]
        lines = [*lines, *(chunk.rejected[record].line for record in rejected)]
        if refs:
            place = RefPlace(chunk.cohort_id, chunk.ref_block)
            seals = self._context.hashes.under(chunk.incident_id, chunk.key_versions).refs
            sealed = seals.seal(place, refs, lines, secrets.token_bytes(NONCE_BYTES))
            await self._store.add_ref_block(connection, place.number, held.number, sealed)

    def _outputs(self, written: _Written, before: TotalsState, counts: Counts, now: datetime) -> list[Output]:
        chunk, held, _, blocks, moves = written
        totals = before.row(SOURCE, chunk.scope, counts)
        header = BlockHeader(
            chunk.incident_id,
            chunk.incident_version,
            chunk.cohort_id,
            held.cohort.version,
            _milliseconds(now),
            totals,
        )
        outputs = moved_outputs(header, moves, self._context.partitions)
        outputs += [Output(MEMBERS_ACCEPTED, block.partition, encode_members(header, block)) for block in blocks]
        if counts != before.counts:
            outputs.append(Output(TOTALS_CHANGED, 0, encode_totals([totals])))
        return outputs


def _moved(before: Counts, new: int, mended: Sequence[bool], fresh: Sequence[bool]) -> Counts:
    """Return the totals after a chunk with so many new members.

    `mended` has an entry for each of these that was rejected before, `fresh` for each record that is rejected now and
    was not; both tell whether it had been withdrawn: then it had been received, and counted as accepted.
    """
    back = sum(mended) + sum(fresh)
    return Counts(
        received=before.received + new - len(mended) + len(fresh) - sum(fresh),
        rejected=before.rejected - (len(mended) - sum(mended)) + len(fresh),
        accepted=before.accepted + new - back,
        discarded=before.discarded - back,
    )


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)
