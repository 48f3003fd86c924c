"""What all tests of the whole have in common."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.kit.postgres.embedded import EmbeddedPostgres


@pytest.fixture(autouse=True)
def no_database_left(tmp_path: Path) -> Iterator[None]:
    """Destroy the database of the test's data directory: root's lies elsewhere, where nobody would look for it."""
    yield
    asyncio.run(EmbeddedPostgres(tmp_path).destroy())
