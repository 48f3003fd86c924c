"""When the bell is rung: only where readers may be asleep, as commits that ring wait for each other.

In a stream nobody rings. Readers look by themselves for a while after they found something: who found blocks half a
second ago looks again within 0.3 s (`pace.py`).
"""

import time
from collections.abc import Callable, Collection

__all__ = ["Silence"]


class Silence:
    """When this process last wrote to each topic. A write that was rolled back counts: it is tried again."""

    def __init__(self, seconds: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Make it; `seconds`: after so long without a block a topic is silent."""
        self._seconds = seconds
        self._monotonic = monotonic
        self._written: dict[str, float] = {}

    def broken_by(self, topics: Collection[str]) -> list[str]:
        """Return those of the topics that were silent until now, as blocks of all of them are written."""
        now = self._monotonic()
        silent_since = now - self._seconds
        broken = [topic for topic in topics if self._written.get(topic, float("-inf")) < silent_since]
        self._written.update(dict.fromkeys(topics, now))
        return broken
