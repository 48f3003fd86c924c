"""Fixtures of the end-to-end tests."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.kit.postgres.embedded import EmbeddedPostgres


@pytest.fixture(autouse=True)
def no_database_left(tmp_path: Path) -> Iterator[None]:
    """Destroy the database of the test's data directory; as root its files are in another folder."""
    yield
    asyncio.run(EmbeddedPostgres(tmp_path).destroy())
