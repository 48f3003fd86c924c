"""When to look for open intents: hand-overs that were begun, are not settled and that nobody here carries. Pure."""

from collections.abc import Mapping

__all__ = ["Rechecks"]

_EVERY = 2.0  # seconds between two looks into a partition: one index probe each


class Rechecks:
    """The partitions that are owned, and when to look next into each; times are those of a monotonic clock."""

    def __init__(self) -> None:
        self._epochs: dict[int, int] = {}
        self._at: dict[int, float] = {}

    @property
    def epochs(self) -> Mapping[int, int]:
        """The epochs of the partitions that are owned."""
        return self._epochs

    def follow(self, epochs: Mapping[int, int]) -> None:
        """Learn what is owned now. A partition that was taken over since is looked into at once."""
        self._at = {
            partition: self._at[partition] if self._epochs.get(partition) == epoch else 0.0
            for partition, epoch in epochs.items()
        }
        self._epochs = dict(epochs)

    def due(self, now: float) -> list[int]:
        """Return the partitions to look into."""
        return [partition for partition, at in self._at.items() if at <= now]

    def looked(self, partition: int, now: float) -> None:
        """Take note that a partition is looked into now."""
        self._at[partition] = now + _EVERY

    def at_once(self, partition: int) -> None:
        """Look into a partition as soon as possible."""
        self._at[partition] = 0.0

    def no_later_than(self, partition: int, at: float) -> None:
        """Look into a partition at this time or before, if it is owned still."""
        if partition in self._at:
            self._at[partition] = min(at, self._at[partition])
