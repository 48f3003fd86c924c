"""Opens the sealed contact data of a round, in one look-up."""

import logging
from collections.abc import Sequence

import orjson

from services.core.clock import Clock
from services.dispatch.codec import read_contact
from services.dispatch.domain import Round
from services.kit.postgres import Pool
from services.kit.vault import Unopened, Vault
from services.rendering.contact import Contact

__all__ = ["VaultPayloads"]

logger = logging.getLogger(__name__)


# Seconds after which data keys are asked for again, so that a key that was destroyed opens nothing any more.
_KEYS_KEPT = 60.0


class VaultPayloads:
    """The vault, as the sender uses it. The connection is let go of before anything is handed over."""

    def __init__(self, pool: Pool, vault: Vault, clock: Clock) -> None:
        self._pool = pool
        self._vault = vault
        self._clock = clock
        self._forget_at = 0.0

    async def contacts(self, one: Round) -> Sequence[Contact | None]:
        """Return one entry a row; None where the data is gone (erased) or does not open for this person."""
        if self._clock.monotonic() >= self._forget_at:
            self._vault.forget()
            self._forget_at = self._clock.monotonic() + _KEYS_KEPT
        notices = one.notices
        wanted = list(zip(notices.slots, notices.members, notices.versions, notices.pseudonyms, strict=True))
        async with self._pool.acquire() as connection:
            opened = await self._vault.fetch(connection, notices.incident_id, wanted)
        if Unopened.TAMPERED in opened:
            logger.error("payloads do not open for their persons", extra={"count": opened.count(Unopened.TAMPERED)})
        return [None if isinstance(payload, Unopened) else _read(payload) for payload in opened]


def _read(payload: bytes) -> Contact | None:
    """Read contact data; None where it cannot be read, so that the attempt is refused as if the data were gone."""
    try:
        return read_contact(payload)
    except (orjson.JSONDecodeError, AttributeError, TypeError):
        return None
