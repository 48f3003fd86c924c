"""Whether a reference is of a notice of ours: what a reader may ask without saying who they are."""

from collections.abc import Callable, Sequence

from services.kit.errors import RetryableError
from services.kit.postgres import Connection, Pool
from services.kit.vault import KeyRing
from services.tracking.domain import Verdict
from services.tracking.store import Store
from services.wire.incidents import Incidents
from services.wire.references import References

__all__ = ["Verifications"]


class Verifications:
    """Tells genuine references from others, and nothing else of them. Nothing of a question is kept."""

    def __init__(
        self, pool: Pool, store: Store, keys: KeyRing, incidents: Incidents, is_ready: Callable[[], bool]
    ) -> None:
        self._pool, self._store, self._incidents, self._is_ready = pool, store, incidents, is_ready
        # Of every version: the reader does not know which incident it is, and each keeps the key that it began with.
        self._references = {version: References(key) for version, key in keys.peppers["reference"].items()}

    async def of(self, reference: str) -> Verdict:
        """Return what is known of a reference. Raises RetryableError where it may be of a notice not heard of yet."""
        try:
            beginnings = [(one, one.beginning_of(reference)) for one in self._references.values()]
        except ValueError:
            return Verdict.MISTYPED
        async with self._pool.acquire() as connection:
            if await self._is_known(connection, reference, beginnings):
                return Verdict.GENUINE
        if not self._knows_all():
            # To call a genuine letter false would do harm: whoever holds it would do nothing of what it advises.
            raise RetryableError("It cannot be told now. Ask again in a moment.", after=5.0)
        return Verdict.UNKNOWN

    async def _is_known(
        self, connection: Connection, reference: str, beginnings: Sequence[tuple[References, bytes]]
    ) -> bool:
        """Tell whether it is the reference of a notice, under any version of the key.

        Hardly anybody asks about what was committed within the last seconds: nothing is read on for all others.
        """
        read_until = self._store.blocks.read_until
        if await self._is_read(connection, reference, beginnings):
            return True
        await self._store.catch_up(connection)
        if self._store.blocks.read_until == read_until:  # else another may have read on meanwhile
            return False
        return await self._is_read(connection, reference, beginnings)

    async def _is_read(
        self, connection: Connection, reference: str, beginnings: Sequence[tuple[References, bytes]]
    ) -> bool:
        found = await self._store.find_beginnings(connection, [beginning for _, beginning in beginnings])
        return any(
            references.is_of(reference, notice)
            for references, beginning in beginnings
            for notice in found
            if notice.startswith(beginning)
        )

    def _knows_all(self) -> bool:
        """Tell whether all that was handed over is heard of here, and the key of each reference is here."""
        versions = {i.key_versions.reference for key, i in self._incidents.items() if key[0] == "incident"}
        return self._is_ready() and self._incidents.loaded.is_set() and versions <= self._references.keys()
