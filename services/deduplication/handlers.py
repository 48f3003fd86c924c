"""Deduplication's part of its stage: read who is known, decide, write, send on what may go out."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from itertools import chain
from types import MappingProxyType
from typing import Final

from notification import topics

from services.core.clock import Clock
from services.core.incident import Incident
from services.core.ledger import COUNTERS
from services.deduplication import synthetic
from services.deduplication.announcing import Announcing
from services.deduplication.batch import Block, Effects, decide_again, decide_batch, persons_of
from services.deduplication.codec import TOPICS, Work, read
from services.deduplication.domain import Course
from services.deduplication.dossier import Dossier
from services.deduplication.homes import Homes, Moved
from services.deduplication.judgements import Judged
from services.deduplication.judging import Judging, runs_of
from services.deduplication.moving import decide_moved
from services.deduplication.outputs import count_held, held_of, moves_of, outputs_of
from services.deduplication.pacing import Pacing
from services.deduplication.permissions import Reached
from services.deduplication.recalling import courses_of, over
from services.deduplication.ruling import Ruling
from services.deduplication.store import Cohorts, Store
from services.deduplication.strangers import Strangers
from services.deduplication.taken import STAGE, taken_before
from services.deduplication.ticking import Ticking
from services.kit.clock import SystemClock
from services.kit.eventlog import Output, Record
from services.kit.forgetting import Forgetting
from services.kit.postgres import Connection
from services.kit.stage import TotalsRow, move_totals
from services.kit.tracing import Causes
from services.kit.vault import KeyRing
from services.wire.incidents import Incidents
from services.wire.recalls import Answers
from services.wire.totals import encode_totals, highest

__all__ = ["STAGE", "TOPICS", "DeduplicationHandler"]

_LOAD_SECONDS: Final = 10.0  # then the stage logs that it waits, and tries the blocks again


class DeduplicationHandler:
    """The use case; see the room's README for the rules."""

    def __init__(
        self,
        incidents: Incidents,
        count: Callable[[Mapping[str, int]], None],
        partitions: int,
        keys: KeyRing,
        *,
        store: Store | None = None,
        clock: Clock | None = None,
        strangers: Strangers | None = None,
    ) -> None:
        """Make a handler; `partitions` is how many this installation has."""
        self._incidents = incidents
        self._count = count
        self._partitions = partitions
        self._store = store or Store()
        self._strangers = strangers or Strangers()
        self._judging = Judging(self._store)
        self._homes = Homes(self._store, self._judging, partitions)
        self._ruling = Ruling(incidents, keys, partitions)
        clock = clock or SystemClock()
        self._pacing = Pacing(self._store, self._judging, clock)
        self._ticking = Ticking(
            self._store, self._ruling, self._judging, self._pacing, self._homes, partitions=partitions
        )
        self._announcing = Announcing(self._store, incidents, clock, partitions)
        self._synthetic = Forgetting(clock, synthetic.KEPT)

    def decode(self, record: Record) -> Work | Answers:
        """Read one block. Raises InvalidMessage."""
        return read(record)

    async def ready(self, work: Sequence[Work | Answers]) -> None:
        """Wait until the versions of incidents and cohorts that the blocks were accepted under are known here.

        Raises KeyVersionError where this process lacks the key of an incident's ids: its blocks wait.
        """
        wanted: dict[tuple[str, ...], int] = {}
        for one in work:
            if isinstance(one, Answers):
                wanted.setdefault(("incident", one.incident_id), 1)
        for block in _blocks(work):
            incident, cohort = ("incident", block.incident_id), ("cohort", block.incident_id, block.cohort_id)
            wanted[incident] = max(block.incident_version, wanted.get(incident, 0))
            wanted[cohort] = max(block.cohort_version, wanted.get(cohort, 0))
        for key, version in wanted.items():
            known = await self._incidents.wait_for(key, version)
            if isinstance(known, Incident):
                self._ruling.ids_of(known)
        # People of these blocks are members of other cohorts too, and an old version may name a channel that is
        # compromised now.
        async with asyncio.timeout(_LOAD_SECONDS):
            await self._incidents.loaded.wait()

    async def apply(self, connection: Connection, work: Sequence[Work | Answers]) -> Sequence[Output]:
        """Decide about everybody in these blocks, write it down, and return the blocks that may go out."""
        taken = await taken_before(connection, work, self._partitions)
        heard = [one for one in work if isinstance(one, Answers) and not one.asks]
        effects = await self._hear(connection, heard, taken)
        effects += await self._take(connection, [one for one in work if isinstance(one, Work)], taken)
        totals = [one.totals for one in work if isinstance(one, Work) and one.totals]
        outputs = [*await self._finish(connection, effects, totals), *over(heard)]
        asked = {one.partition for one in work if isinstance(one, Answers) and one.asks}
        return [*outputs, *await self._announcing.asked(connection, asked)]

    async def _hear(self, connection: Connection, heard: Sequence[Answers], taken: Sequence[int]) -> list[Effects]:
        """Decide again about people of whose notices it was heard how far they came, and write it down."""
        numbers = await self._store.cohorts(connection, {one.incident_id for one in heard}) if heard else {}
        effects = []
        for incident_id, (number, _) in sorted(numbers.items()):
            of_it = [one for one in heard if one.incident_id == incident_id]
            persons = sorted(set(chain.from_iterable(one.pseudonyms for one in of_it)))
            persons = await self._homes.followed(connection, number, persons)
            courses = courses_of(of_it)
            decided = self._decide_again(connection, incident_id, numbers, persons, taken, courses=courses)
            effects += [await self._written(connection, one) async for one in decided]
            await self._pacing.hear(connection, number, courses)
        return effects

    async def _judge(
        self, connection: Connection, numbers: Cohorts, block: Block, judged: Judged, taken: Sequence[int]
    ) -> list[Effects]:
        """Take what an operator says of records, and decide again about the people that it is about."""
        incident_id, (number, _) = block.incident_id, numbers[block.incident_id]
        persons = await self._homes.followed(connection, number, judged.pseudonyms, block.partition)
        await self._store.put_judgement(connection, number, judged)
        self._judging.note(number)
        return [one async for one in self._decide_again(connection, incident_id, numbers, persons, taken)]

    async def _decide_again(
        self,
        connection: Connection,
        incident_id: str,
        numbers: Cohorts,
        persons: Sequence[bytes],
        taken: Sequence[int],
        *,
        courses: Mapping[bytes, Course] = MappingProxyType({}),
    ) -> AsyncIterator[Effects]:
        """Decide again about people of whom something else than a record was heard; nobody moves meanwhile."""
        number, _ = numbers[incident_id]
        dossiers = await self._store.read(connection, number, persons)
        reached = self._reached(number, {one.partition for one in dossiers.values()}, taken)
        for terms, partitions, _ in self._ruling.terms(incident_id, numbers, reached):
            self._ticking.note_decided(terms, partitions)
            here = [one for one in dossiers.values() if one.partition in partitions]
            yield decide_again(here, await self._judging.under(connection, terms, here), courses)

    async def _take(self, connection: Connection, work: Sequence[Work], taken: Sequence[int]) -> list[Effects]:
        """Decide about everybody in these blocks, and write it down."""
        numbers = await self._store.number(connection, {(b.incident_id, b.cohort_id) for b in _blocks(work)})
        effects = []
        for incident_id in sorted(numbers):
            for run in runs_of(one for one in work if one.block.incident_id == incident_id):
                async for taken_up in self._take_run(connection, incident_id, numbers, run, taken):
                    effects += taken_up
        return effects

    async def _take_run(
        self, connection: Connection, incident_id: str, numbers: Cohorts, run: Sequence[Work], taken: Sequence[int]
    ) -> AsyncIterator[list[Effects]]:
        """Decide step by step, each once the one before is written; what is returned is written."""
        if judged := run[0].judged:
            decided = await self._judge(connection, numbers, run[0].block, judged, taken)
            yield [await self._written(connection, one) for one in decided]
            return
        async for step in self._homes.steps(connection, numbers[incident_id][0], run):
            if isinstance(step, Moved):
                decided = await self._decide_moved(connection, incident_id, numbers, step, taken)
                yield [await self._written(connection, one) for one in decided]
            else:
                yield await self._take_blocks(connection, incident_id, numbers, step, taken)

    async def _take_blocks(
        self, connection: Connection, incident_id: str, numbers: Cohorts, blocks: Sequence[Block], taken: Sequence[int]
    ) -> list[Effects]:
        """Decide about everybody in these blocks, and write it down: as if all were new, where that is likely."""
        number, _ = numbers[incident_id]
        # Of people who moved, what is left under the old home may be nothing but notices.
        if self._strangers.are_likely(number) and not self._homes.is_tied(number):
            effects = await self._decide_blocks(connection, incident_id, numbers, blocks, taken, known={})
            if await self._store.write_new(connection, effects):
                return effects
            self._strangers.were_known(number)
        known = await self._homes.read(connection, number, persons_of(blocks))
        self._strangers.looked(number, somebody=bool(known))
        effects = await self._decide_blocks(connection, incident_id, numbers, blocks, taken, known=known)
        return [await self._written(connection, one) for one in effects]

    async def _decide_blocks(
        self,
        connection: Connection,
        incident_id: str,
        numbers: Cohorts,
        blocks: Sequence[Block],
        taken: Sequence[int],
        *,
        known: Mapping[bytes, Dossier],
    ) -> list[Effects]:
        number, cohorts = numbers[incident_id]
        effects = []
        reached = self._reached(number, {block.partition for block in blocks}, taken)
        for terms, partitions, _ in self._ruling.terms(incident_id, numbers, reached):
            self._ticking.note_decided(terms, partitions)
            pairs = [(block, cohorts[block.cohort_id]) for block in blocks if block.partition in partitions]
            ruled = await self._judging.under(connection, terms, known.values(), [block for block, _ in pairs])
            effects.append(decide_batch(pairs, known, ruled))
        return effects

    async def _decide_moved(
        self, connection: Connection, incident_id: str, numbers: Cohorts, moved: Moved, taken: Sequence[int]
    ) -> list[Effects]:
        effects = []
        places = {one.partition for one in moved.after.values()}
        reached = self._reached(numbers[incident_id][0], places, taken)
        for terms, partitions, _ in self._ruling.terms(incident_id, numbers, reached):
            self._ticking.note_decided(terms, partitions)
            here = {home: one for home, one in moved.after.items() if one.partition in partitions}
            ruled = await self._judging.under(connection, terms, here.values())
            effects.append(decide_moved(moved.before, here, ruled))
        return effects

    def _reached(self, incident: int, partitions: Collection[int], taken: Sequence[int]) -> Reached:
        """Return how far intake's blocks are known; call it with the incident's people locked."""
        return Reached(sorted(partitions), taken, self._homes.is_tied(incident))

    async def tick(self, connection: Connection, partitions: Sequence[int]) -> Sequence[Output]:
        """Decide again about people whom a release, a cancellation or other channels change, some thousands at once."""
        if not self._incidents.loaded.is_set():
            return ()
        await self._synthetic.look(partial(synthetic.forget_synthetic, connection, partitions))
        decided = await self._ticking.decided(connection, partitions)
        outputs = await self._finish(connection, decided, [], self._incidents.led_to)
        return [*outputs, *await self._announcing.due(connection, partitions)]

    async def _written(self, connection: Connection, effects: Effects) -> Effects:
        await self._store.write(connection, effects)
        return effects

    async def _finish(
        self,
        connection: Connection,
        effects: Sequence[Effects],
        intake: Sequence[TotalsRow],
        led_to: Callable[[str], Causes] = lambda _: (),
    ) -> list[Output]:
        """Write counts, after all rows (owners of other partitions share them); return the blocks.

        `led_to`: what the blocks of an incident follow from, where that is not what was read.
        """
        for one in effects:
            self._count(one.entered)
        moved = moves_of(effects)
        rows = highest(intake)
        for partition in sorted(moved):
            rows += await move_totals(connection, moved[partition], str(partition), COUNTERS[STAGE], stage=STAGE)
        outputs = [out.caused_by(led_to(one.terms.incident_id)) for one in effects for out in outputs_of(one)]
        if held := count_held(effects):
            outputs += held_of(effects, await self._store.block_numbers(connection, held))
        if rows:
            outputs.append(Output(topics.TOTALS_CHANGED, 0, encode_totals(rows)))
        return outputs


def _blocks(work: Iterable[Work | Answers]) -> list[Block]:
    return [one.block for one in work if isinstance(one, Work)]
