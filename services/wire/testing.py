"""Incidents and cohorts for tests: `Incidents` without a log."""

import asyncio
from typing import Any

from services.core.cohort import Cohort
from services.core.incident import Incident
from services.kit.tracing import Causes
from services.wire.incidents import entries_of

__all__ = ["FakeIncidents"]


class FakeIncidents:
    """Knows what the test put into it, from the beginning, and notes what was waited for."""

    def __init__(self, *known: Incident | Cohort) -> None:
        self._values: dict[tuple[str, ...], Any] = {}
        self.waited: list[tuple[tuple[str, ...], int]] = []
        self.loaded = asyncio.Event()
        self.loaded.set()
        self.changes = 0
        self.is_fresh = True
        for one in known:
            self.put(one)

    def put(self, known: Incident | Cohort) -> None:
        """Make a version known; the last one put holds."""
        self._values.update({entry.key: entry.value for entry in entries_of(known)})
        self.changes += 1

    def heard_within(self, seconds: float) -> bool:  # noqa: ARG002
        """Tell what the test says."""
        return self.is_fresh

    def led_to(self, name: str) -> Causes:  # noqa: ARG002
        """Return nothing: nobody traces."""
        return ()

    def get(self, key: tuple[str, ...]) -> Any | None:
        """Return what was put, None where nothing was."""
        return self._values.get(key)

    def items(self) -> list[tuple[tuple[str, ...], Any]]:
        """Return all that was put."""
        return list(self._values.items())

    async def wait_for(self, key: tuple[str, ...], version: int = 1) -> Any:
        """Return what was put. Raises KeyError where nothing was: nobody would ever put it."""
        self.waited.append((key, version))
        return self._values[key]
