"""A workbench for dispatch: real PostgreSQL and vault, a stage that owns what the test says, real servers."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
from notification.topics import MEMBERS_ACCEPTED
from notification.v1 import dispatch_pb2
from prometheus_client import CollectorRegistry

from services.core.channel import Channel
from services.core.clock import Clock
from services.core.incident import Incident
from services.core.notices import Notices
from services.core.status import AttemptState
from services.dispatch.breaker import Breaker
from services.dispatch.codec import encode_block
from services.dispatch.domain import Taken, Work
from services.dispatch.handlers import DispatchHandler
from services.dispatch.metrics import DispatchMetrics
from services.dispatch.outcomes import HandOver
from services.dispatch.provider import Provider, Traits
from services.dispatch.rates import Cap
from services.dispatch.rejected.carrying_out import CarryingOut
from services.dispatch.rejected.deciding import Decisions
from services.dispatch.run_store import RunStore
from services.dispatch.sending.references import ReferencesByIncident
from services.dispatch.sending.sender import Sender
from services.dispatch.sending.unsealing import VaultPayloads
from services.dispatch.store import Store
from services.dispatch.turn_store import turns_of
from services.kit.clock import SystemClock
from services.kit.errors import LostOwnershipError
from services.kit.eventlog import Output, append_outputs
from services.kit.postgres import Pool
from services.kit.stage import News
from services.kit.vault import Payloads, Vault
from services.kit.vault.key_files import create_keys
from services.wire.testing import FakeIncidents
from tests.unit.dispatch.people import REFERENCES, TRAITS, an_incident

KEEP_RECALLS = timedelta(days=44)
PARTITIONS = 2  # of the installation, where it matters


class Transaction:
    """A transaction as the stage gives it."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.outputs: list[Output] = []

    def emit(self, outputs: Sequence[Output]) -> None:
        """Add blocks."""
        self.outputs.extend(outputs)


class OwnedStage:
    """Stands in for the running stage: real transactions, and ownership as the test says."""

    def __init__(self, pool: Pool, channel: Channel, partitions: Collection[int] = (0,)) -> None:
        self.pool = pool
        self.name = f"dispatch-{channel.label}"
        self.owned_epochs = dict.fromkeys(partitions, 1)
        self.is_healthy = True
        self.standing_still: dict[int, str] = {}
        self.refuse: Callable[[], bool] = lambda: False
        self.told = News()

    def owned(self) -> frozenset[int]:
        """Return what is owned."""
        return frozenset(self.owned_epochs)

    def epochs(self) -> Mapping[int, int]:
        """Return the epochs."""
        return self.owned_epochs

    def healthy(self) -> bool:
        """Tell what the test says."""
        return self.is_healthy

    def news(self) -> asyncio.Event:
        """Return an event that is set whenever something is committed."""
        return self.told.subscribe()

    def stand_still(self, partition: int, reason: str) -> None:
        """Own a partition no more, and remember why."""
        self.owned_epochs.pop(partition)
        self.standing_still[partition] = reason

    @contextmanager
    def hold(self, partitions: Collection[int]) -> Iterator[None]:
        """Hold nothing: no one else is here."""
        if not self.owned() >= set(partitions):
            raise LostOwnershipError("not ours")
        yield

    @asynccontextmanager
    async def fenced(self, partitions: Collection[int]) -> AsyncIterator[Transaction]:
        """Open a real transaction."""
        if self.refuse() or not self.owned() >= set(partitions):
            raise LostOwnershipError("not ours")
        async with self.pool.acquire() as connection, connection.transaction():
            transaction = Transaction(connection)
            yield transaction
            await append_outputs(connection, self.name, transaction.outputs)
        self.told.spread()


class CutOff:
    """A provider in front of which the process dies: before it takes a round, or after, with its answer unread."""

    def __init__(self, inner: Provider, *, after: bool) -> None:
        self.inner = inner
        self.traits = inner.traits
        self.reached = asyncio.Event()
        self._after = after

    async def hand_over(self, work: Work, go: Callable[[], bool]) -> HandOver:
        """Hand over or not, and never come back."""
        if self._after:
            await self.inner.hand_over(work, go)
        self.reached.set()
        await asyncio.Event().wait()
        raise AssertionError

    async def close(self) -> None:
        """Let go of what the provider holds."""
        await self.inner.close()


class ShiftedClock(SystemClock):
    """A clock that is ahead by so much."""

    def __init__(self, later: timedelta) -> None:
        self._later = later

    def now(self) -> datetime:
        """Return the time."""
        return super().now() + self._later


@dataclass
class Bench:
    """One channel's table, vault and stage."""

    channel: Channel
    pool: Pool
    intake: Pool
    vault: Vault
    stage: OwnedStage
    clock: SystemClock = field(default_factory=SystemClock)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    incident: Incident = field(default_factory=an_incident)
    references: ReferencesByIncident = REFERENCES
    slots: dict[bytes, int] = field(default_factory=dict)  # of members: where their data lies
    breaker: Breaker = field(default_factory=Breaker)
    further: list[Incident] = field(default_factory=list)  # incidents and versions that are known beside `incident`
    busy: set[int] = field(default_factory=set)  # batches that the sender is handing over
    since: datetime = datetime.min.replace(tzinfo=UTC)  # the channel has handed over to its provider
    beats: int = 0  # how often a sender looked
    caps: Sequence[Cap] = ()  # of the provider
    per_day: int | None = None
    partitions: int = 1  # of the channel
    may_go: Callable[[], bool] = lambda: True  # whether the channel goes on
    found: Callable[[], bool] = lambda: False  # whether letters may come that were found in print files
    of_provider: Traits | None = None  # the traits of its provider, where they are others than nearly always

    def __post_init__(self) -> None:
        self.incidents = FakeIncidents(self.incident)
        self.store, self.runs = Store(self.channel), RunStore()
        self.metrics = DispatchMetrics(self.registry, self.channel, "test")

    async def seal(self, notices: Notices, payloads: Sequence[dict[str, Any]]) -> None:
        """Put people's data into the vault, as intake does."""
        packed = list(map(orjson.dumps, payloads))
        group = Payloads(notices.members, notices.versions, notices.pseudonyms, packed)
        async with self.intake.acquire() as connection, connection.transaction():
            (slots,) = await self.vault.store(connection, notices.incident_id, [group])
        self.slots.update(zip(notices.members, slots, strict=True))

    async def take(self, notices: Notices, partition: int = 0) -> None:
        """Queue attempts, as the handler does."""
        now = datetime.now(UTC)
        notices.slots = [self.slots.get(member, 0) for member in notices.members]
        batches = self.handler().batches(Taken(partition, notices, encode_block(notices)))
        async with self.pool.acquire() as connection, connection.transaction():
            await self.store.take(connection, batches, now, now)
        self.stage.told.spread()

    def handler(self, clock: Clock | None = None) -> DispatchHandler:
        """Return the handler of a process of its own."""
        clock = clock or self.clock
        return DispatchHandler(
            traits=self.traits,
            store=self.store,
            incidents=self.known(),
            clock=clock,
            metrics=self.metrics,
            unknown_after=timedelta(hours=72),
            breaker=self.breaker,
            keep_recalls=KEEP_RECALLS,
            decided=CarryingOut(self.store, self.traits, clock),
            busy=self.busy,
        )

    @property
    def traits(self) -> Traits:
        """Return the traits of the channel's provider."""
        return self.of_provider or TRAITS[self.channel]

    @property
    def decisions(self) -> Decisions:
        """Return what writes down what operators decide."""
        return Decisions(self.store, self.traits, self.clock, PARTITIONS)

    async def acknowledge(self, *blocks: int) -> None:
        """Let intake write so many blocks of members to each partition, as it does before it answers."""
        outputs = [Output(MEMBERS_ACCEPTED, at, b"block") for at, count in enumerate(blocks) for _ in range(count)]
        async with self.intake.acquire() as connection, connection.transaction():
            await append_outputs(connection, "intake", outputs)

    def known(self) -> FakeIncidents:
        """Return the table of incidents and cohorts, the same for all."""
        for one in (self.incident, *self.further):
            self.incidents.put(one)
        return self.incidents

    def sender(self, provider: Provider) -> Sender:
        """Return a sender of a process of its own."""
        return Sender(
            stage=self.stage,
            pool=self.pool,
            store=self.store,
            payloads=VaultPayloads(self.pool, self.vault, self.clock),
            incidents=self.known(),
            references=self.references,
            provider=provider,
            clock=self.clock,
            metrics=self.metrics,
            breaker=self.breaker,
            busy=self.busy,
            turns=turns_of(provider.traits, self.caps, self.per_day),
            may_go=self.may_go,
            found=self.found,
            beat=self._beat,
            since=self.since,
            partitions=self.partitions,
        )

    async def tick(self, later: timedelta = timedelta()) -> None:
        """Let a process tick that has looked on for long, at a time so much later."""
        handler = self.handler(ShiftedClock(later))
        handler._ticked = dict.fromkeys(self.stage.owned(), self.clock.monotonic())
        await self.tick_of(handler)

    async def tick_of(self, handler: DispatchHandler) -> None:
        """Let this handler tick."""
        async with self.stage.fenced(self.stage.owned()) as transaction:
            transaction.emit(await handler.tick(transaction.connection, sorted(self.stage.owned())))

    async def waited(self) -> None:
        """Let the breaker's window pass for refusals."""
        await self.tick(timedelta(seconds=self.breaker.policy.window + 1))

    async def send(self, provider: Provider, *, until: Callable[[], Any] | None = None) -> None:
        """Let a sender work until nothing is open, or until the test says."""
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group, asyncio.timeout(30):
            group.create_task(self.sender(provider).run(stop))
            while not (await until() if until else await self.nothing_open()):  # noqa: ASYNC110 - a table has no event
                await asyncio.sleep(0.01)
            stop.set()
            self.stage.told.spread()

    async def die_in(self, provider: Provider, *, after: bool) -> None:
        """Let a sender work until it hands a round over, and kill it there."""
        cut = CutOff(provider, after=after)
        task = asyncio.create_task(self.sender(cut).run(asyncio.Event()))
        await asyncio.wait_for(cut.reached.wait(), 30)
        task.cancel()
        await asyncio.wait([task])

    async def until_looked(self) -> None:
        """Let a sender look at its queue some times."""
        beats = self.beats
        while self.beats < beats + 5:
            self.stage.told.spread()
            await asyncio.sleep(0.01)

    def _beat(self) -> None:
        self.beats += 1

    async def nothing_open(self) -> bool:
        """Tell whether every attempt is settled, unknown, or refused and not told yet."""
        states = await self.states()
        return bool(states) and not {AttemptState.TAKEN, AttemptState.INTENT} & states.keys()

    async def states(self) -> dict[AttemptState, int]:
        """Return the number of attempts in each state."""
        rows = await self.pool.fetch(
            "select state, count(*) from attempts join batches using (batch) where channel = $1 group by 1",
            self.channel,
        )
        return {AttemptState(row["state"]): row["count"] for row in rows}

    async def attempted(self) -> dict[AttemptState, list[bytes]]:
        """Return what the log says of the attempts: outcome -> notices."""
        found: defaultdict[AttemptState, list[bytes]] = defaultdict(list)
        for value in await self._blocks("heraut.deliveries.attempted.v1"):
            block = dispatch_pb2.DeliveriesAttempted.FromString(value)
            for at, outcome in enumerate(block.outcomes):
                found[AttemptState(outcome)].append(block.ids[at * 16 : at * 16 + 16])
        return {outcome: sorted(ids) for outcome, ids in found.items()}

    async def refused(self) -> list[tuple[str, bytes, bytes]]:
        """Return what went back to routing: reason, ids, masks of channels tried."""
        blocks = [
            dispatch_pb2.DeliveriesRefused.FromString(value)
            for value in await self._blocks("heraut.deliveries.refused.v1")
        ]
        return [(block.reason, block.notices.ids, block.notices.tried) for block in blocks]

    async def _blocks(self, topic: str) -> list[bytes]:
        rows = await self.pool.fetch("select block from log.log where topic = $1 order by seq", topic)
        return [row["block"] for row in rows]

    def paused(self, reason: str) -> float:
        """Return the gauge of what is paused for a reason."""
        labels = {"channel": self.channel.label, "reason": reason}
        return self.registry.get_sample_value("dispatch_channel_paused", labels) or 0.0

    async def taken_back(self) -> list[bytes]:
        """Return whose refusals were taken back, as they are listed."""
        return sorted(row["notice"] for row in await self.pool.fetch("select notice from taken_back"))

    def gauge(self, name: str, **labels: str) -> float:
        """Return a gauge of the channel."""
        return self.registry.get_sample_value(name, {"channel": self.channel.label} | labels) or 0.0

    def standing(self, name: str) -> float:
        """Return a figure of what is queued or under way."""
        found = [self.gauge(f"dispatch_{name}", state=state) for state in ("queued", "under-way")]
        return max(found) if name.endswith("seconds") else sum(found)

    def count(self, outcome: str) -> float:
        """Return the counter of an outcome."""
        labels = {"channel": self.channel.label, "provider": "test", "outcome": outcome}
        return self.registry.get_sample_value("dispatch_attempts_total", labels) or 0.0


def make_bench(channel: Channel, pool: Pool, intake: Pool, folder: Path) -> Bench:
    """Put a workbench together."""
    vault = Vault(create_keys(folder / "keys"))
    return Bench(channel, pool, intake, vault, OwnedStage(pool, channel))


def a_payload(**changes: str) -> dict[str, Any]:
    """Return somebody's data as intake seals it."""
    return {
        "initials": "J.",
        "familyName": "Berg",
        "street": "Dorpsstraat",
        "houseNumber": "1",
        "postcode": "1234AB",
        "city": "Ons Dorp",
        "email": "p@mail.example",
        "portalId": "p",
    } | changes
