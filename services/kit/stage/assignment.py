"""What a process holds at this moment: epochs, positions, and partitions that stand still."""

import asyncio
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from services.kit.errors import LostOwnershipError
from services.kit.eventlog import Cursor, TopicPartition
from services.kit.stage.metrics import StageMetrics

__all__ = ["Assignment", "Standstill"]


@dataclass(frozen=True, slots=True)
class Standstill:
    """Why a partition stands still, and since when its oldest block waits."""

    reason: str
    at: int  # ms since 1970 of the block that it stands at, 0 where there is none
    wholly: bool  # nothing of it may be touched, ticks and publishing included


class Assignment:
    """The partitions of one stage that this process holds. It is memory, which may be forgotten at any moment.

    Only its own methods change it. A partition is *wanted* while its lease is ours and not to be given away, *taken*
    once it has an epoch of ours, and *begun* once its positions are read and compared.
    """

    def __init__(self, stage: str, metrics: StageMetrics) -> None:
        self._stage = stage
        self._metrics = metrics
        self._wanted: frozenset[int] = frozenset()
        self._epochs: dict[int, int] = {}
        self._begun: frozenset[int] = frozenset()
        self._cursors: dict[TopicPartition, Cursor] = {}
        self._stopped: dict[int, Standstill] = {}
        self._holds: Counter[int] = Counter()
        self._changed = asyncio.Event()
        self._let_go = asyncio.Event()

    @property
    def epochs(self) -> Mapping[int, int]:
        """Return the epoch of each taken partition: what a transaction compares."""
        return self._epochs

    @property
    def begun(self) -> frozenset[int]:
        """Return the partitions whose blocks are worked on."""
        return self._begun

    @property
    def cursors(self) -> Mapping[TopicPartition, Cursor]:
        """Return the committed positions of the partitions that are begun."""
        return self._cursors

    @property
    def stopped(self) -> Mapping[int, Standstill]:
        """Return the partitions that stand still."""
        return self._stopped

    def owned(self) -> frozenset[int]:
        """Return the partitions that may be worked on."""
        usable = self._begun & self._wanted & self._epochs.keys()
        return frozenset(
            partition for partition in usable if not (partition in self._stopped and self._stopped[partition].wholly)
        )

    def epochs_of(self, partitions: Iterable[int]) -> dict[int, int]:
        """Return epochs to compare. Raises LostOwnershipError where a partition is not taken."""
        try:
            return {partition: self._epochs[partition] for partition in sorted(partitions)}
        except KeyError as error:
            raise LostOwnershipError(f"{self._stage}: partition {error} is not ours") from None

    # What the leases say.

    def reconcile(self, asked: Mapping[int, int], held: Mapping[int, int], keep: frozenset[int]) -> frozenset[int]:
        """Follow what the database says of our leases; returns the partitions that were lost, now forgotten.

        `asked` is `epochs` as it was when the database was asked: what was taken over since then is not lost. `held`
        are the epochs of the leases that are ours, `keep` those of them that are not to be given away.
        """
        lost = frozenset(
            partition
            for partition, epoch in asked.items()
            if self._epochs.get(partition) == epoch and held.get(partition) != epoch
        )
        if lost:
            self.forget(lost)
        self._want(keep)
        return lost

    def _want(self, partitions: frozenset[int]) -> None:
        if partitions != self._wanted:
            self._wanted = partitions
            self.interrupt()
        if self._wanted - self._epochs.keys():
            # A take-over is under way, or it failed because the lease had run out just then: then it begins again.
            self.interrupt()

    def forget(self, partitions: Collection[int]) -> None:
        """Forget everything about partitions: they are lost, or must be taken over anew."""
        gone = frozenset(partitions)
        for partition in gone:
            self._epochs.pop(partition, None)
            self._stopped.pop(partition, None)
        self._begun -= gone
        self._cursors = {at: cursor for at, cursor in self._cursors.items() if at.partition not in gone}
        self._show()
        self.interrupt()

    def disown(self, epochs: Mapping[int, int]) -> None:
        """Forget partitions that were found to have a newer owner, unless they were taken over anew meanwhile."""
        self.forget([partition for partition, epoch in epochs.items() if self._epochs.get(partition) == epoch])

    def forget_all(self) -> None:
        """Forget every partition that is taken: all of them are taken over next."""
        self.forget([*self._epochs])

    # What a take-over does.

    def start_over(self) -> frozenset[int]:
        """Return the partitions to be taken over, or kept: those wanted now. Work on all others ends.

        What changes from now on interrupts the work again.
        """
        self._changed.clear()
        self._begun &= self._wanted
        return self._wanted

    def take(self, epochs: Mapping[int, int]) -> None:
        """Note the epochs that were begun for us."""
        self._epochs.update(epochs)

    def begin(self, epochs: Mapping[int, int], cursors: Mapping[TopicPartition, Cursor]) -> bool:
        """Begin the work on taken partitions, each from its position; none of them stands still any more.

        Returns False, with nothing begun, where one of these epochs was lost meanwhile.
        """
        if not epochs.items() <= self._epochs.items():
            return False
        self._begun = frozenset(epochs)
        self._cursors = dict(cursors)
        self._stopped = {}
        self._show()
        return True

    # What the work does.

    def move(self, positions: Iterable[tuple[TopicPartition, Cursor]]) -> None:
        """Note positions that were committed."""
        self._cursors.update(positions)

    def stop(self, partition: int, reason: str, *, at: int = 0, wholly: bool = False) -> None:
        """Let a partition stand still until a human looks; others go on."""
        self._stopped[partition] = Standstill(reason, at, wholly)
        self._show()

    def interrupt(self) -> None:
        """Make the work on blocks begin again from a take-over."""
        self._changed.set()

    def is_interrupted(self) -> bool:
        """Tell whether a take-over is due."""
        return self._changed.is_set()

    async def wait_for_interruption(self) -> None:
        """Wait until a take-over is due."""
        await self._changed.wait()

    # What a room's own jobs do.

    @contextmanager
    def hold(self, partitions: Collection[int]) -> Iterator[None]:
        """Keep partitions from being given away. Raises LostOwnershipError where one of them is not owned."""
        if not self.owned().issuperset(partitions):
            raise LostOwnershipError(f"{self._stage}: some of partitions {sorted(partitions)} are not ours to hold")
        self._holds.update(partitions)
        try:
            yield
        finally:
            self._holds.subtract(partitions)
            self._let_go.set()

    def is_held(self, partition: int) -> bool:
        """Tell whether a job has begun something whose outcome must be noted here."""
        return self._holds[partition] > 0

    async def wait_until_let_go(self) -> None:
        """Wait until no job holds any partition."""
        while any(self._holds.values()):
            self._let_go.clear()
            await self._let_go.wait()

    def _show(self) -> None:
        self._metrics.stopped_partitions.set(len(self._stopped))
        self._metrics.owned_partitions.set(len(self._begun))
