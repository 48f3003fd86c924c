"""What a process owns at this moment: epochs, positions, and partitions that stand still."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.kit.errors import LostOwnershipError
from services.kit.eventlog import Cursor, Output, TopicPartition, append_outputs
from services.kit.postgres import Pool
from services.kit.stage.failpoints import Steps
from services.kit.stage.leases import fence
from services.kit.stage.metrics import StageMetrics

if TYPE_CHECKING:
    from services.kit.postgres import Connection

__all__ = ["Territory", "Transaction"]


logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Standstill:
    """Why a partition stands still, and since when its oldest block waits."""

    reason: str
    at: int  # ms since 1970 of the block that it stands at, 0 where there is none
    wholly: bool  # nothing of it may be touched, ticks and relay included


class Transaction:
    """An open transaction that has compared its epochs; what it gives out is written just before the commit."""

    def __init__(self, connection: "Connection") -> None:
        self.connection = connection
        self.outputs: list[Output] = []

    def emit(self, outputs: Sequence[Output]) -> None:
        """Add blocks."""
        self.outputs.extend(outputs)


class Territory:
    """The partitions of one stage that this process holds. Everything here is memory, and forgotten at will."""

    def __init__(self, pool: Pool, stage: str, metrics: StageMetrics, steps: Steps) -> None:
        self._pool = pool
        self._stage = stage
        self._metrics = metrics
        self._steps = steps
        self._holds: Counter[int] = Counter()
        self.wanted: frozenset[int] = frozenset()  # leased and not to be given away
        self.epochs: dict[int, int] = {}  # what a transaction compares
        self.begun: frozenset[int] = frozenset()  # positions read, checked and assigned
        self.cursors: dict[TopicPartition, Cursor] = {}
        self.stopped: dict[int, Standstill] = {}
        self.changed = asyncio.Event()  # what is read must be settled anew
        self.let_go = asyncio.Event()
        self.committed = asyncio.Event()  # there may be rows to publish

    def owned(self) -> frozenset[int]:
        """Return the partitions that may be worked on."""
        usable = self.begun & self.wanted & self.epochs.keys()
        return frozenset(
            partition for partition in usable if not (partition in self.stopped and self.stopped[partition].wholly)
        )

    def epochs_of(self, partitions: Iterable[int]) -> dict[int, int]:
        """Return epochs to compare. Raises LostOwnershipError where one is not ours."""
        try:
            return {partition: self.epochs[partition] for partition in sorted(partitions)}
        except KeyError as error:
            raise LostOwnershipError(f"{self._stage}: partition {error} is not ours") from None

    def want(self, partitions: frozenset[int]) -> None:
        """Be told what is leased and may be kept."""
        if partitions != self.wanted:
            self.wanted = partitions
            self.changed.set()

    def forget(self, partitions: Collection[int]) -> None:
        """Forget everything about partitions: they are lost, or must be taken over anew."""
        gone = frozenset(partitions)
        for partition in gone:
            self.epochs.pop(partition, None)
            self.stopped.pop(partition, None)
        self.begun -= gone
        self.cursors = {at: cursor for at, cursor in self.cursors.items() if at.partition not in gone}
        self._show()
        self.changed.set()

    def disown(self, epochs: Mapping[int, int]) -> None:
        """Forget partitions that were found to have a newer owner, unless they were taken over anew meanwhile."""
        self.forget([partition for partition, epoch in epochs.items() if self.epochs.get(partition) == epoch])

    def forget_all(self) -> None:
        """Forget everything: the whole take-over comes next."""
        self.forget([*self.epochs])

    def begin(self, partitions: Collection[int], cursors: Mapping[TopicPartition, Cursor]) -> None:
        """Be told where these partitions stand; work on them begins, and nothing is stopped any more."""
        self.begun = frozenset(partitions)
        self.cursors = dict(cursors)
        self.stopped = {}
        self._show()

    def stop(self, partition: int, reason: str, *, at: int = 0, wholly: bool = False) -> None:
        """Let a partition stand still until a human looks; others go on."""
        self.stopped[partition] = Standstill(reason, at, wholly)
        self._show()

    @contextmanager
    def hold(self, partitions: Collection[int]) -> Iterator[None]:
        """Keep partitions from being given away."""
        if not self.owned().issuperset(partitions):
            raise LostOwnershipError(f"{self._stage}: some of partitions {sorted(partitions)} are not ours to hold")
        self._holds.update(partitions)
        try:
            yield
        finally:
            self._holds.subtract(partitions)
            self.let_go.set()

    async def wait_until_let_go(self) -> None:
        """Wait until nobody holds any partition."""
        while any(self._holds.values()):
            self.let_go.clear()
            await self.let_go.wait()

    def is_held(self, partition: int) -> bool:
        """Tell whether somebody has begun something that must be noted here."""
        return self._holds[partition] > 0

    @asynccontextmanager
    async def transaction(self, partitions: Collection[int], name: str) -> AsyncIterator[Transaction]:
        """Open a fenced transaction; blocks go last, then it commits. `name` goes before its steps.

        Raises LostOwnershipError before anything is written. Any other fault of the commit may mean that it
        was done and only its answer lost.
        """
        epochs = self.epochs_of(partitions)
        async with self._pool.acquire() as connection:
            async with connection.transaction():
                await fence(connection, self._stage, epochs)
                await self._steps.reached(f"{name}: fenced")
                fenced = Transaction(connection)
                yield fenced
                await self._steps.reached(f"{name}: applied")
                await append_outputs(connection, self._stage, fenced.outputs)
                await self._steps.reached(f"{name}: committing")
            await self._steps.reached(f"{name}: committed")
        if fenced.outputs:
            self.committed.set()

    def _show(self) -> None:
        self._metrics.stopped_partitions.set(len(self.stopped))
        self._metrics.owned_partitions.set(len(self.begun))
