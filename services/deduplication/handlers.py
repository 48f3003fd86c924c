"""Deduplication's part of its stage: read who is known, decide, write, send on what may go out."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Final, NamedTuple

from notification import topics

from services.core.channel import CHANNELS
from services.core.clock import Clock
from services.core.cohort import Cohort
from services.core.incident import Incident
from services.core.ledger import COUNTERS
from services.core.policy import OnIdentityConflict
from services.deduplication.batch import Block, Effects, decide_again, decide_batch, persons_of
from services.deduplication.codec import (
    TOPICS,
    WRITER,
    Work,
    encode_held,
    encode_readdressed,
    encode_released,
    encode_superseded,
    read,
)
from services.deduplication.domain import NoticeIds, Terms
from services.deduplication.homes import Homes, Moved
from services.deduplication.moving import decide_moved
from services.deduplication.pacing import Limited, Pacing
from services.deduplication.permissions import check_partitions, permissions_in
from services.deduplication.recalling import courses_of, over, recalls
from services.deduplication.store import BEFORE_ALL, SETS_OF_CHANNELS, Cohorts, Place, Store
from services.deduplication.taken import STAGE, reached_in, taken_before
from services.kit.clock import SystemClock
from services.kit.eventlog import Output, Record, read_heads
from services.kit.postgres import Connection
from services.kit.stage import TotalsRow, move_totals, read_taken
from services.kit.vault import KeyRing, KeyVersionError
from services.wire.incidents import Incidents
from services.wire.recalls import Answers
from services.wire.totals import encode_totals, highest

__all__ = ["STAGE", "TOPICS", "DeduplicationHandler"]

logger = logging.getLogger(__name__)

# At most so many people are decided again in one tick: that takes about a fifth of a second, far below a lease.
PERSONS_A_TICK: Final = 5_000
# After so many ticks, about a minute, every incident is looked at again: a partition that was lost and won back between
# two ticks has rows that another process decided.
_TICKS_TO_TRUST: Final = 60
# So many times 20,000 rows are looked through in one tick where nobody of a cancelled cohort is found.
_LOOKS_A_TICK: Final = 2
_LOAD_SECONDS: Final = 10.0  # then the stage logs that it waits, and tries the blocks again


class _Control(NamedTuple):
    """What held people depend on: once it changes, they are decided again."""

    usable: int
    released: frozenset[int]
    hold_conflicts: bool
    paused: frozenset[int]


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
    ) -> None:
        """Make a handler; `partitions` is how many this installation has."""
        self._incidents = incidents
        self._keys = keys
        self._count = count
        self._partitions = partitions
        self._store = store or Store()
        self._homes = Homes(self._store, partitions)
        self._pacing = Pacing(self._store, clock or SystemClock())
        # By the incident's number and the partition: the control under which nobody was found who could be set free. A
        # look that found somebody is not remembered, so that nothing has to be forgotten when its transaction is rolled
        # back.
        self._idle: dict[tuple[int, int], _Control] = {}
        # By the incident's number, the partitions and the cancelled cohorts: how far its rows were looked through for
        # members of these cohorts, None = all of them. Only rows that nobody was found in count, for the same reason.
        self._looked_through: dict[tuple[int, frozenset[int], frozenset[int]], Place | None] = {}
        self._looked_at: Sequence[int] = ()  # the partitions of the last tick
        self._ticks = 0
        self._keyless: set[str] = set()  # incidents of which it was said that their key is missing

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
                self._ids_of(known)
        # People of these blocks are members of other cohorts too, and an old version may name a channel that is
        # compromised now.
        async with asyncio.timeout(_LOAD_SECONDS):
            await self._incidents.loaded.wait()

    async def apply(self, connection: Connection, work: Sequence[Work | Answers]) -> Sequence[Output]:
        """Decide about everybody in these blocks, write it down, and return the blocks that may go out."""
        taken = await taken_before(connection, work)
        heard = [one for one in work if isinstance(one, Answers)]
        effects = await self._hear(connection, heard, taken)
        effects += await self._take(connection, [one for one in work if isinstance(one, Work)], taken)
        totals = [one.totals for one in work if isinstance(one, Work) and one.totals]
        return [*await self._finish(connection, effects, totals), *over(heard)]

    async def _hear(self, connection: Connection, heard: Sequence[Answers], taken: dict[int, int]) -> list[Effects]:
        """Decide again about people of whose notices it was heard how far they came, and write it down."""
        numbers = await self._store.cohorts(connection, {one.incident_id for one in heard}) if heard else {}
        effects = []
        for incident_id, (number, _) in sorted(numbers.items()):
            of_it = [one for one in heard if one.incident_id == incident_id]
            courses = courses_of(of_it)
            persons = sorted(set(chain.from_iterable(one.pseudonyms for one in of_it)))
            persons = await self._homes.followed(connection, number, persons)
            dossiers = await self._store.read(connection, number, persons)
            places = {one.partition for one in of_it} | {one.partition for one in dossiers.values()}
            reached = await reached_in(connection, taken, places)
            for terms, partitions, _ in self._terms(incident_id, numbers, reached):
                self._note_decided(terms, partitions)
                here = [one for one in dossiers.values() if one.partition in partitions]
                effects.append(await self._written(connection, decide_again(here, terms, courses)))
        return effects

    async def _take(self, connection: Connection, work: Sequence[Work], taken: dict[int, int]) -> list[Effects]:
        """Decide about everybody in these blocks, and write it down."""
        numbers = await self._store.number(connection, {(b.incident_id, b.cohort_id) for b in _blocks(work)})
        effects = []
        for incident_id, (number, _) in sorted(numbers.items()):
            theirs = [one for one in work if one.block.incident_id == incident_id]
            async for step in self._homes.steps(connection, number, theirs):
                if isinstance(step, Moved):
                    decided = await self._decide_moved(connection, incident_id, numbers, step, taken)
                else:
                    decided = await self._decide_blocks(connection, incident_id, numbers, step, taken)
                effects += [await self._written(connection, one) for one in decided]
        return effects

    async def _decide_blocks(
        self, connection: Connection, incident_id: str, numbers: Cohorts, blocks: Sequence[Block], taken: dict[int, int]
    ) -> list[Effects]:
        number, cohorts = numbers[incident_id]
        known = await self._homes.read(connection, number, persons_of(blocks))
        effects = []
        reached = await reached_in(connection, taken, {block.partition for block in blocks})
        for terms, partitions, _ in self._terms(incident_id, numbers, reached):
            self._note_decided(terms, partitions)
            pairs = [(block, cohorts[block.cohort_id]) for block in blocks if block.partition in partitions]
            effects.append(decide_batch(pairs, known, terms))
        return effects

    async def _decide_moved(
        self, connection: Connection, incident_id: str, numbers: Cohorts, moved: Moved, taken: dict[int, int]
    ) -> list[Effects]:
        effects = []
        reached = await reached_in(connection, taken, {one.partition for one in moved.after.values()})
        for terms, partitions, _ in self._terms(incident_id, numbers, reached):
            self._note_decided(terms, partitions)
            here = {home: one for home, one in moved.after.items() if one.partition in partitions}
            effects.append(decide_moved(moved.before, here, terms))
        return effects

    async def tick(self, connection: Connection, partitions: Sequence[int]) -> Sequence[Output]:
        """Decide again about people whom a release, a cancellation or other channels change, some thousands at once."""
        if not self._incidents.loaded.is_set():
            return ()
        self._ticks += 1
        if self._looked_at != tuple(partitions):
            self._looked_through.clear()
        if self._ticks % _TICKS_TO_TRUST == 0 or self._looked_at != tuple(partitions):
            self._idle.clear()
        self._looked_at = tuple(partitions)
        left = PERSONS_A_TICK
        effects = []
        numbers = await self._store.cohorts(connection)
        taken = await read_taken(connection, STAGE, topics.MEMBERS_ACCEPTED, WRITER, partitions)
        known = [one for one in sorted(numbers) if self._can_decide(one)]
        for terms, places, limited in chain.from_iterable(self._terms(one, numbers, taken) for one in known):
            persons = await self._of_cancelled(connection, terms, places, left)
            if not persons:
                persons = await self._affected(connection, terms, places, left)
            if persons:
                await self._store.share(connection, terms.number)
                dossiers = await self._store.read(connection, terms.number, persons)
                here = [one for one in dossiers.values() if one.partition in places]
                effects.append(await self._written(connection, decide_again(here, terms)))
                left -= len(persons)
            elif limited.cohorts:
                paced, looked_at = await self._pacing.let_go(connection, limited, left)
                effects += [await self._written(connection, paced)] if paced else []
                left -= looked_at
            if left <= 0:
                break
        return await self._finish(connection, effects, [])

    def _can_decide(self, incident_id: str) -> bool:
        """Tell whether an incident is known, with the key of its ids; that a key is missing is said once."""
        incident: Incident | None = self._incidents.get(("incident", incident_id))
        if incident is None:
            return False
        try:
            self._ids_of(incident)
        except KeyVersionError as error:
            if incident_id not in self._keyless:
                logger.error("nobody of an incident is looked at: %s", error, extra={"incident_id": incident_id})  # noqa: TRY400 - no bug, its traceback says nothing
                self._keyless.add(incident_id)
            return False
        return True

    def _ids_of(self, incident: Incident) -> NoticeIds:
        """Return the maker of the incident's ids, under the key that it began with. Raises KeyVersionError."""
        _, key = self._keys.pepper("notice", incident.key_versions.notice)
        return NoticeIds(key, incident.incident_id)

    async def _affected(
        self, connection: Connection, terms: Terms, partitions: Collection[int], limit: int
    ) -> list[bytes]:
        control = _control(terms)
        places = [one for one in partitions if self._idle.get((terms.number, one)) != control]
        if not places:
            return []
        persons = await self._store.waiting_for_release(connection, terms.released, places, limit)
        if not persons:
            others = [mask for mask in SETS_OF_CHANNELS if mask != terms.usable]
            persons = await self._store.decided_with_channels(connection, terms.cohorts, others, places, limit)
        if not persons and not terms.hold_conflicts:
            persons = await self._store.held_by_policy(connection, terms.cohorts, places, limit)
        if not persons:
            persons = await self._store.waiting_for_turn(connection, terms.released, CHANNELS, places, limit)
        if not persons:
            going_on = terms.cohorts.keys() - set(terms.paused)
            persons = await self._store.held_by_pause(connection, going_on, places, limit)
        if not persons:
            self._idle.update(((terms.number, one), control) for one in places)
        return persons

    async def _of_cancelled(
        self, connection: Connection, terms: Terms, partitions: Collection[int], limit: int
    ) -> list[bytes]:
        """Return people with members of cancelled cohorts who were decided before that was known here."""
        if not terms.cancelled:
            return []
        key = terms.number, frozenset(partitions), frozenset(terms.cancelled)
        for _ in range(_LOOKS_A_TICK):
            after = self._looked_through.get(key, BEFORE_ALL)
            if after is None:
                break
            persons, last = await self._store.of_cancelled(connection, terms, partitions, after, limit)
            if persons:
                return persons
            self._looked_through[key] = last
        return []

    def _note_decided(self, terms: Terms, partitions: Collection[int]) -> None:
        """Have people looked at again who are held under another control than the one that nobody waited under."""
        for one in partitions:
            if self._idle.get((terms.number, one)) != _control(terms):
                self._idle.pop((terms.number, one), None)

    def _terms(
        self, incident_id: str, numbers: Cohorts, taken: Mapping[int, int]
    ) -> Iterator[tuple[Terms, Collection[int], Limited]]:
        """Return the terms of an incident, with the partitions that they hold in, and what limits hold back there.

        `taken` says of each partition how far intake's blocks are known: a release holds from where it was given.
        """
        number, cohorts = numbers[incident_id]
        incident: Incident | None = self._incidents.get(("incident", incident_id))
        assert incident is not None  # noqa: S101 - `ready` waited for it, and `tick` skips one that is not known
        known = self._known(incident_id, cohorts)
        terms = Terms(
            incident_id=incident_id,
            number=number,
            version=incident.version,
            usable=int(incident.usable_mask),
            cohorts={cohort: cohort_id for cohort_id, cohort in cohorts.items()},
            released=(),
            ids=self._ids_of(incident),
            correction=incident.policy.correction,
            hold_conflicts=incident.policy.on_identity_conflict is OnIdentityConflict.HOLD,
            cancelled=frozenset(number for number, one in known.items() if one.cancelled),
        )
        for here, partitions in permissions_in(known, taken, paced=incident.policy.pace.limits).items():
            ruled = replace(terms, released=here.released, paused=here.paused, limited=here.limited)
            limited = {number: known[number] for number in here.limited}
            yield ruled, partitions, Limited(incident, limited, ruled, partitions)

    def _known(self, incident_id: str, numbers: Mapping[str, int]) -> dict[int, Cohort]:
        """Return those of an incident's cohorts that were heard of, by number.

        Raises ConfigError where one was released on another number of partitions than this process has.
        """
        found = ((number, self._incidents.get(("cohort", incident_id, one))) for one, number in numbers.items())
        known = {number: cohort for number, cohort in found if cohort is not None}
        for cohort in known.values():
            check_partitions(cohort, self._partitions)
        return known

    async def _written(self, connection: Connection, effects: Effects) -> Effects:
        await self._store.write(connection, effects)
        return effects

    async def _finish(
        self, connection: Connection, effects: Sequence[Effects], intake: Sequence[TotalsRow]
    ) -> list[Output]:
        """Write counts, after all rows (owners of other partitions share them); return the blocks."""
        for one in effects:
            self._count(one.entered)
        moved = _moves(effects)
        rows = highest(intake)
        for partition in sorted(moved):
            rows += await move_totals(connection, moved[partition], str(partition), COUNTERS[STAGE], stage=STAGE)
        outputs = [output for one in effects for output in _outputs(one)]
        if any(one.unsettled for one in effects):
            heads = await read_heads(connection, STAGE, topics.MEMBERS_HELD, self._partitions)
            outputs += _held(effects, list(heads))
        if rows:
            outputs.append(Output(topics.TOTALS_CHANGED, 0, encode_totals(rows)))
        return outputs


def _control(terms: Terms) -> _Control:
    return _Control(terms.usable, frozenset(terms.released), terms.hold_conflicts, frozenset(terms.paused))


def _blocks(work: Iterable[Work | Answers]) -> list[Block]:
    return [one.block for one in work if isinstance(one, Work)]


def _moves(effects: Iterable[Effects]) -> dict[int, dict[str, Mapping[str, int]]]:
    """Return what changes in the counts: partition -> scope -> counter -> change."""
    moved: dict[int, dict[str, Counter[str]]] = {}
    for one in effects:
        for (partition, cohort), changes in one.moves.items():
            scope = f"{one.terms.incident_id}/{one.terms.cohorts[cohort]}"
            moved.setdefault(partition, {}).setdefault(scope, Counter()).update(changes)
    return {
        partition: {scope: changes for scope, changes in sorted(scopes.items()) if any(changes.values())}
        for partition, scopes in moved.items()
        if any(any(changes.values()) for changes in scopes.values())
    }


def _held(effects: Iterable[Effects], heads: list[int]) -> Iterator[Output]:
    """Return the blocks of what sources have to look at, numbered on from the `heads`: only we write this topic."""
    for one in effects:
        for partition, said in sorted(one.unsettled.items()):
            for block in encode_held(one.terms.incident_id, said, heads[partition]):
                heads[partition] += 1
                yield Output(topics.MEMBERS_HELD, partition, block)


def _outputs(effects: Effects) -> Iterable[Output]:
    terms = effects.terms
    released = (
        Output(topics.NOTICES_RELEASED, partition, block)
        for partition, notices in sorted(effects.notices.items())
        for block in encode_released(notices)
    )
    superseded = (
        Output(topics.NOTICES_SUPERSEDED, partition, block)
        for partition, rows in sorted(effects.superseded.items())
        for block in encode_superseded(terms.incident_id, rows, terms.cohorts)
    )
    readdressed = (
        Output(topics.NOTICES_READDRESSED, partition, block)
        for partition, rows in sorted(effects.readdressed.items())
        for block in encode_readdressed(terms.incident_id, rows)
    )
    return chain(released, superseded, readdressed, recalls(effects))
