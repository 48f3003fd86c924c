"""The stage: what every room is, between the blocks that it reads and the blocks that it gives out.

Exactly-once effects on logs that deliver at least once: positions, effects and outgoing blocks move in one
transaction that first proves that this process still owns the partition. How, is in `blockloop` (batches),
`ownership` (leases and epochs), `takeover` (what a new owner reads), `relay` (Kafka) and `outbox`.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from services.kit.errors import LostOwnershipError, RetryableError
from services.kit.eventlog import EventLog
from services.kit.postgres import Connection, Pool
from services.kit.retry import backoff, pause_until
from services.kit.stage.assignment import Territory
from services.kit.stage.failpoints import Steps, Unwatched
from services.kit.stage.leases import Holding, Leases, LostEpochsError
from services.kit.stage.loop import BlockLoop, is_passing
from services.kit.stage.metrics import StageMetrics
from services.kit.stage.port import Fenced, Handler, StageHandle, StagePolicy
from services.kit.stage.publisher import Relay

__all__ = ["Connection", "Fenced", "Handler", "Stage", "StageHandle", "StagePolicy"]


logger = logging.getLogger(__name__)

# An owner that has nothing to commit learns within this time that it is one no more.
_IDLE_CHECK_SECONDS = 2.0
# Others were faster at taking leases: by then they are done.
_SHORT_SECONDS = 0.2
_WATCH_SECONDS = 1.0


class Stage:
    """One stage of one process: takes partitions, works on their blocks, and gives them back whole."""

    def __init__(
        self,
        *,
        name: str,
        topics: Sequence[str],
        partitions: int,
        pool: Pool,
        log: EventLog,
        handler: Handler[Any],
        policy: StagePolicy,
        metrics: StageMetrics,
        relay: bool,
        foreign_topics: Sequence[str] = (),
        steps: Steps | None = None,
    ) -> None:
        """Make a stage; nothing happens until `run`.

        `topics` and `foreign_topics` (which carry no sequences of ours) are read; `relay` tells that the log is
        outside the database, so that blocks must be published and positions are offsets.
        """
        self._name = name
        self._pool = pool
        self._log = log
        self._handler = handler
        self._policy = policy
        self._metrics = metrics
        self._steps = steps = steps or Unwatched()
        self._territory = Territory(pool, name, metrics, steps)
        self._leases = Leases(pool, name, partitions, policy.lease)
        self._relay = Relay(pool, log, name, steps, mark_every=policy.mark_every) if relay else None
        self._turn = asyncio.Lock()
        self._blocks = BlockLoop(
            stage=name,
            topics=list(dict.fromkeys((*topics, *foreign_topics))),
            partitions=partitions,
            holder=self._leases.holder,
            pool=pool,
            event_log=log,
            handler=handler,
            territory=self._territory,
            relay=self._relay,
            policy=policy,
            metrics=metrics,
            steps=steps,
            turn=self._turn,
        )
        self._surplus_since: dict[int, float] = {}
        self._heard_database = float("-inf")

    def owned(self) -> frozenset[int]:
        """Return the partitions that this process owns now."""
        return self._territory.owned()

    def epochs(self) -> Mapping[int, int]:
        """Return the epoch of each owned partition."""
        return self._territory.epochs_of(self.owned())

    @asynccontextmanager
    async def fenced(self, partitions: Collection[int]) -> AsyncIterator[Fenced]:
        """Open a transaction on these owned partitions.

        Raises LostOwnershipError, with nothing written, where one of them is not ours any more.
        """
        try:
            async with self._territory.transaction(partitions, "job") as fenced:
                yield fenced
        except LostEpochsError as error:
            self._territory.disown(error.epochs)  # where the lease is still ours, it is taken over afresh
            raise
        self._heard_database = time.monotonic()

    @contextmanager
    def hold(self, partitions: Collection[int]) -> Iterator[None]:
        """Keep these partitions here as long as the context lasts, within the drain time-out."""
        with self._territory.hold(partitions):
            yield

    def healthy(self) -> bool:
        """Tell whether log and database were heard from within a lease."""
        oldest = time.monotonic() - self._policy.lease
        return self._heard_database > oldest and self._blocks.heard_log > oldest

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`, then finish: the current transaction, what others hold, what is to be published.

        Leases are given away last, so that the next owner begins where this one ended, at once.
        """
        closing = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._keep_leases(stop, closing), name="leases")
                group.create_task(self._watch(closing), name="watch")
                if self._relay:
                    group.create_task(self._publish(self._relay, closing), name="relay")
                group.create_task(self._interrupt_at(stop), name="interrupt")
                ticks = group.create_task(self._tick(stop), name="ticks")
                await group.create_task(self._blocks.run(stop), name="blocks")
                await ticks
                await self._drain()
                closing.set()
                self._territory.committed.set()
            await self._leave()
        finally:
            self._territory.forget_all()

    async def _interrupt_at(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._territory.changed.set()

    async def _keep_leases(self, stop: asyncio.Event, closing: asyncio.Event) -> None:
        """Renew leases, take and give partitions, and notice what was lost, until everything is finished."""
        opened = False
        every = min(self._policy.lease / 3, _IDLE_CHECK_SECONDS)
        while not closing.is_set():
            seconds = every
            try:
                if not opened:
                    await self._leases.open()
                    opened = True
                await self._steps.reached("leases: refreshing")
                before = dict(self._territory.epochs)
                asked = time.monotonic()
                holding = await self._leases.refresh(acquire=not stop.is_set())
                self._heard_database = asked
                self._note(before, holding)
                await self._give_away(holding.surplus)
                seconds = _SHORT_SECONDS if holding.short else every
            except Exception as error:
                if not is_passing(error):
                    raise
                logger.warning("leases not renewed", extra={"stage": self._name}, exc_info=True)
            await pause_until(closing, seconds)

    def _note(self, before: Mapping[int, int], holding: Holding) -> None:
        """Compare what the database says with what we think; `before` is what we thought when we asked."""
        territory = self._territory
        lost = {
            partition
            for partition, epoch in before.items()
            if territory.epochs.get(partition) == epoch and holding.epochs.get(partition) != epoch
        }
        if lost:
            logger.warning("partitions were lost", extra={"stage": self._name, "count": len(lost)})
            territory.forget(lost)
        territory.want(frozenset(holding.epochs) - holding.surplus)
        if territory.wanted - territory.epochs.keys():
            # A take-over is under way, or it failed because the lease had run out just then: then it begins again.
            territory.changed.set()

    async def _give_away(self, surplus: Collection[int]) -> None:
        """Give away what is beyond our share, once nothing of it is under way, or it has been for too long."""
        now = time.monotonic()
        self._surplus_since = {partition: self._surplus_since.get(partition, now) for partition in surplus}
        late = now - self._policy.drain_timeout
        idle = [
            partition
            for partition, since in self._surplus_since.items()
            if partition not in self._territory.begun and (since < late or not self._territory.is_held(partition))
        ]
        if idle:
            self._territory.forget(idle)
            await self._leases.release(idle)
            logger.info("gave partitions away", extra={"stage": self._name, "count": len(idle)})

    async def _tick(self, stop: asyncio.Event) -> None:
        """Give the room its ticks: about once a second, and at once again while they give outputs."""
        failures = 0
        while not stop.is_set():
            seconds = self._policy.tick_every
            try:
                if (partitions := sorted(self.owned())) and await self._tick_on(partitions):
                    seconds = 0.0
                failures = 0
            except Exception as error:
                if not isinstance(error, LostOwnershipError) and not is_passing(error):
                    raise
                logger.warning("a tick did not come through", extra={"stage": self._name}, exc_info=True)
                seconds = max(seconds, self._wait_after(failures))
                failures += 1
            await pause_until(stop, seconds)

    async def _tick_on(self, partitions: Sequence[int]) -> bool:
        """Tick; tells whether something came of it. A partition whose tick fails by itself stands still."""
        try:
            async with self._turn, self.fenced(partitions) as fenced:
                outputs = await self._handler.tick(fenced.connection, partitions)
                fenced.emit(outputs)
        except Exception as error:
            if isinstance(error, LostOwnershipError) or is_passing(error):
                raise
            if len(partitions) > 1:
                return any([await self._tick_on([partition]) for partition in partitions])
            logger.exception("our code fails in a tick", extra={"stage": self._name, "partition": partitions[0]})
            self._territory.stop(partitions[0], f"a tick raised {type(error).__name__}", wholly=True)
            return False
        return bool(outputs)

    async def _publish(self, relay: Relay, closing: asyncio.Event) -> None:
        """Publish what was committed: at once when it was by us, soon when by others."""
        while not closing.is_set():
            self._territory.committed.clear()
            try:
                published = await relay.publish_once()
            except LostEpochsError as error:
                logger.warning("%s", error, extra={"stage": self._name})
                self._territory.disown(error.epochs)
                published = 0
            except Exception as error:
                if not is_passing(error):
                    raise
                logger.warning("the log table cannot be read", extra={"stage": self._name}, exc_info=True)
                published, relay.failures = 0, relay.failures + 1
            for partition, reason in relay.holes.items():
                if partition not in self._territory.stopped:
                    logger.error(
                        "partition stands still: %s", reason, extra={"stage": self._name, "partition": partition}
                    )
                    self._territory.stop(partition, reason, wholly=True)
            if relay.failures:
                await pause_until(closing, self._wait_after(relay.failures))
            elif not published:
                await pause_until(self._territory.committed, self._policy.relay_every)

    async def _watch(self, closing: asyncio.Event) -> None:
        """Say how far behind we are, to people and to the log's retention."""
        while not closing.is_set():
            oldest = self._blocks.oldest()
            age = 0.0 if oldest is None else max(0.0, time.time() - oldest / 1000)
            self._metrics.oldest_unprocessed_seconds.set(age)
            try:
                await self._log.backlog()
                self._blocks.heard_log = time.monotonic()
                await self._log.note_progress(self._territory.cursors)
            except RetryableError as error:
                logger.warning("the log is away: %s", error, extra={"stage": self._name})
            await pause_until(closing, _WATCH_SECONDS)

    async def _drain(self) -> None:
        """Wait for those who hold partitions, then publish what is left; not for ever."""
        try:
            async with asyncio.timeout(self._policy.drain_timeout):
                await self._territory.wait_until_let_go()
                if self._relay:
                    await self._publish_all(self._relay)
        except TimeoutError:
            logger.warning("not drained in time", extra={"stage": self._name})
        except Exception as error:
            if not isinstance(error, LostOwnershipError) and not is_passing(error):
                raise

    async def _publish_all(self, relay: Relay) -> None:
        while await relay.publish_once() or relay.failures:
            if relay.failures:
                await asyncio.sleep(self._wait_after(relay.failures))

    async def _leave(self) -> None:
        try:
            await self._leases.leave()
        except Exception as error:
            if not is_passing(error):
                raise
            logger.warning("leases not given away, they run out", extra={"stage": self._name})

    def _wait_after(self, failures: int) -> float:
        policy = self._policy
        return backoff(failures, base=policy.backoff_base, cap=policy.backoff_cap, random=lambda: 1.0)
