"""A collector that runs, and spans that come soon."""

from collections.abc import AsyncIterator

import pytest

from tests.integration.tracing.collector import Collector


@pytest.fixture
async def collector(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Collector]:
    """Return a collector; spans are sent every few hundredths of a second."""
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "30")
    async with Collector().serve() as running:
        yield running
