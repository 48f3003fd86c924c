"""Tokens that open once: which were used, as every process of the installation knows it."""

import hashlib
from datetime import datetime
from pathlib import Path
from typing import Protocol

from services.kit.postgres import Pool, Queries

__all__ = ["SpentInDatabase", "SpentTokens", "token_digest"]

_QUERIES = Queries.load(Path(__file__).with_name("queries.sql"))


class SpentTokens(Protocol):
    """Where it is kept which tokens were used."""

    async def spend(self, digest: bytes, until: datetime) -> bool:
        """Note that a token is used up, and tell whether it was not before; nobody asks of it after `until`."""
        ...


class SpentInDatabase:
    """Keeps them in the database, which a room may only add to; those that are over go with the next ones."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def spend(self, digest: bytes, until: datetime) -> bool:
        """Note it in one statement."""
        return bool(await self._pool.fetchval(_QUERIES["spend"], digest, until))


def token_digest(subject: str, jti: str) -> bytes:
    """Return what a token is kept as: its id is unique for its machine alone, and may hold anything."""
    return hashlib.sha256(f"{len(subject)}:{subject}{jti}".encode()).digest()
