"""Pauses in the stage's transactions: who goes on after one, and what had begun when it came, reported once."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, Protocol

from services.core.status import AttemptState
from services.dispatch.codec import encode_observed
from services.dispatch.counting import Moved
from services.dispatch.domain import Batch, Key, Round
from services.dispatch.outcomes import AttemptOutcome
from services.dispatch.pauses import Pause, Pauses
from services.dispatch.provider import Traits
from services.dispatch.rounds import gathered
from services.dispatch.settling import SettlingStore
from services.kit.eventlog import Output
from services.kit.postgres import Connection
from services.wire.recalls import Recalled

__all__ = ["PauseStore", "Pausing"]

# Batches that are looked through in one tick where nobody may go on, about a thousand people.
_LOOK: Final = 64
# After so many ticks all are looked at again: another process, or a transaction that began before a pause ended, may
# have set some aside meanwhile.
_TICKS_TO_TRUST: Final = 10


class PauseStore(SettlingStore, Protocol):
    """What pauses need of the store."""

    async def keep_known(self, connection: Connection, known: Mapping[int, Sequence[int]]) -> None:
        """Note how far deduplication knows intake's blocks, of each partition, as it said in some."""
        ...

    async def read_known(self, connection: Connection, partitions: Collection[int]) -> dict[int, Sequence[int]]:
        """Return how far deduplication knows intake's blocks, of each partition, as it said in these."""
        ...

    async def see_pauses(self, connection: Connection, partitions: Collection[int], pauses: Sequence[Pause]) -> bool:
        """Note pauses in partitions; tells whether any was new."""
        ...

    async def unreported_pauses(self, connection: Connection, partitions: Collection[int]) -> list[tuple[Pause, int]]:
        """Return pauses of which it was not reported what had begun, with the partition."""
        ...

    async def begun(self, connection: Connection, pause: Pause, partition: int) -> list[Key]:
        """Return the attempts that were noted."""
        ...

    async def report_pause(self, connection: Connection, pause: Pause, partition: int) -> None:
        """Note that it is reported what had begun."""
        ...

    async def all_open_intents(self, connection: Connection, partition: int) -> list[Batch]:
        """Return all batches whose hand-over was begun and is not settled."""
        ...

    async def paused_batches(self, connection: Connection, partition: int, after: int, limit: int) -> list[Batch]:
        """Return batches that are paused, and whose number is higher; they are locked."""
        ...


class Pausing:
    """Sets aside what may not begin, lets it go on afterwards, and reports what had begun."""

    def __init__(self, store: PauseStore, pauses: Pauses, traits: Traits, busy: Collection[int]) -> None:
        """`busy`: the batches that this process is handing over, whose end is not known yet."""
        self._store = store
        self._pauses = pauses
        self._traits = traits
        self._busy = busy
        # By partition: under which pauses it was looked at, and up to which batch nobody may go on. A look that let
        # somebody go on is not remembered, so that nothing has to be forgotten when its transaction is rolled back.
        self._looked: dict[int, tuple[object, int | None]] = {}  # None = all of them
        self._ticks = 0
        # Which pauses are noted of which partitions, as it is committed.
        self._seen: tuple[frozenset[Pause], tuple[int, ...]] = frozenset(), ()

    async def hear(self, connection: Connection, blocks: Iterable[Recalled]) -> None:
        """Note how far deduplication has come, by blocks whose recalls, and all before them, are written down."""
        known: dict[int, tuple[int, ...]] = {}
        for block in blocks:
            if block.known:
                known[block.partition] = max(block.known, known.get(block.partition, ()))
        if known:
            await self._store.keep_known(connection, known)

    async def learn(self, connection: Connection, partitions: Sequence[int]) -> None:
        """Learn how far deduplication has come where the end of a pause waits for it."""
        if self._pauses.waits(partitions):
            self._pauses.learn(await self._store.read_known(connection, partitions))

    async def set_aside(
        self, connection: Connection, partition: int, queued: Sequence[Batch], now: datetime, moved: Moved
    ) -> None:
        """Set aside those of the queue that may not begin."""
        held = [batch for batch in queued if self._pauses.holds(batch.notices, partition)]
        for one in gathered(partition, held, now):
            stays = [not row for row in self._pauses.held(one.notices, partition)]
            await self._move(connection, one, AttemptState.TAKEN, stays, now=now, moved=moved)

    async def tick(
        self, connection: Connection, partitions: Sequence[int], now: datetime, moved: Moved
    ) -> list[Output]:
        """Let those go on whose pause has ended, and report what had begun when others came."""
        self._ticks += 1
        if self._ticks % _TICKS_TO_TRUST == 0:
            self._looked.clear()
        await self.learn(connection, partitions)
        for partition in partitions:
            await self._go_on(connection, partition, now, moved)
        await self._see(connection, partitions)
        outputs: list[Output] = []
        for pause, partition in await self._store.unreported_pauses(connection, partitions):
            outputs += await self._report(connection, pause, partition)
        return outputs

    async def _see(self, connection: Connection, partitions: Sequence[int]) -> None:
        """Note pauses, those too that were over before a tick saw them, until all are found noted and committed."""
        pauses = self._pauses.ever()
        if not pauses or self._seen == (pauses, tuple(partitions)):
            return
        if not await self._store.see_pauses(connection, partitions, sorted(pauses)):
            self._seen = pauses, tuple(partitions)

    async def _go_on(self, connection: Connection, partition: int, now: datetime, moved: Moved) -> None:
        signature = self._pauses.signature(partition)
        before, after = self._looked.get(partition, (None, 0))
        if before != signature:
            after = 0
        if after is None:
            return
        batches = await self._store.paused_batches(connection, partition, after, _LOOK)
        going_on = 0
        for one in gathered(partition, batches, now):
            stays = self._pauses.held(one.notices, partition)
            going_on += await self._move(connection, one, AttemptState.PAUSED, stays, now=now, moved=moved)
        if not going_on:
            self._looked[partition] = signature, batches[-1].number if batches else None

    async def _move(
        self,
        connection: Connection,
        one: Round,
        state: AttemptState,
        stays: Sequence[bool],
        *,
        now: datetime,
        moved: Moved,
    ) -> int:
        """Move a round between the queue and the pause, less those that stay; returns how many moved."""
        outcomes = [
            AttemptOutcome(state if stay else _OTHER[state], tries=tries)
            for stay, tries in zip(stays, one.tries, strict=True)
        ]
        shared = {outcome: outcome for outcome in outcomes}
        done = await self._store.record(connection, one, [shared[outcome] for outcome in outcomes], now, state)
        moved.add(one, done, +1 if state is AttemptState.TAKEN else -1)
        return len(done)

    async def _report(self, connection: Connection, pause: Pause, partition: int) -> list[Output]:
        """Report what had begun, once it is known of all that this process is handing over."""
        begun = set(await self._store.begun(connection, pause, partition))
        for batch in await self._store.all_open_intents(connection, partition):
            notices = batch.notices
            if notices.incident_id != pause.incident_id:
                continue
            rows = zip(notices.ids, notices.attempts, notices.carriers, strict=True)
            keys = [(notice, attempt) for notice, attempt, carriers in rows if pause.concerns(carriers)]
            if keys and batch.number in self._busy:
                return []
            begun.update(keys)
        await self._store.report_pause(connection, pause, partition)
        return [encode_observed(pause, self._traits.channel, partition, sorted(begun))]


_OTHER: Final = {AttemptState.TAKEN: AttemptState.PAUSED, AttemptState.PAUSED: AttemptState.TAKEN}
