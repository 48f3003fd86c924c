"""The room's tables in memory."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from services.core.notices import Notices
from services.kit.postgres import Connection
from services.routing.came_back import CameBack
from services.routing.readdressing import Address, GivenUp
from services.routing.store import Store
from services.wire.recalls import Recall

__all__ = ["KEEP", "MemoryStore"]

KEEP = timedelta(days=44)  # recalls that are over


class MemoryStore(Store):
    """Keeps what the store writes."""

    def __init__(self) -> None:
        self.given_up: dict[bytes, GivenUp] = {}
        self.moved: dict[bytes, Address] = {}
        self.recalls: dict[bytes, Recall] = {}
        self.forgot_before: datetime | None = None
        self.over: set[bytes] = set()  # recalls of which it is known how they ended
        self.backs: dict[tuple[bytes, int], CameBack] = {}

    async def exhausted(self, connection: Connection, notices: Collection[bytes]) -> dict[bytes, GivenUp]:  # noqa: ARG002
        """Return those of these notices that were given up."""
        return {notice: self.given_up[notice] for notice in notices if notice in self.given_up}

    async def addresses(self, connection: Connection, notices: Collection[bytes]) -> dict[bytes, Address]:  # noqa: ARG002
        """Return the new addresses that are known for these notices."""
        return {notice: self.moved[notice] for notice in notices if notice in self.moved}

    async def came_back(self, connection: Connection, members: Collection[bytes]) -> dict[bytes, list[CameBack]]:  # noqa: ARG002
        """Return what came back of these members."""
        found: dict[bytes, list[CameBack]] = {}
        for one in self.backs.values():
            if one.member in members:
                found.setdefault(one.member, []).append(one)
        return found

    async def keep_came_back(self, connection: Connection, heard: Sequence[CameBack]) -> None:  # noqa: ARG002
        """Note it; of those that are known the highest version stays."""
        for one in heard:
            known = self.backs.setdefault(one[:2], one)
            if one.version > known.version:
                self.backs[one[:2]] = one

    async def keep_exhausted(self, connection: Connection, kept: Sequence[GivenUp]) -> None:  # noqa: ARG002
        """Write how notices were given up."""
        self.given_up.update({one.notice: one for one in kept})

    async def keep_recalls(self, connection: Connection, recalls: Sequence[Recall]) -> None:  # noqa: ARG002
        """Remember."""
        self.recalls = {one.notice: one for one in recalls} | self.recalls

    async def end_recalls(self, connection: Connection, recalls: Sequence[Recall], now: datetime) -> None:  # noqa: ARG002
        """Note that these are over."""
        await self.keep_recalls(connection, recalls)
        self.over.update(one.notice for one in recalls)

    async def forget_recalls(
        self,
        connection: Connection,  # noqa: ARG002
        partitions: Collection[int],  # noqa: ARG002
        before: datetime,
        limit: int,  # noqa: ARG002
    ) -> int:
        """Forget nothing, and note from before when."""
        self.forgot_before = before
        return 0

    async def recalled_exhausted(
        self,
        connection: Connection,  # noqa: ARG002
        notices: Collection[bytes],
    ) -> list[tuple[Recall, Notices]]:
        """Return what was recalled, and given up."""
        here = [one for one in sorted(notices) if one in self.recalls.keys() - self.over and one in self.given_up]
        return [(self.recalls[one], self.given_up[one].columns) for one in here if not self.given_up[one].answered]

    async def recalled(self, connection: Connection, notices: Collection[bytes]) -> frozenset[bytes]:  # noqa: ARG002
        """Return those that were recalled."""
        return frozenset(notices) & self.recalls.keys()

    async def stop_exhausted(self, connection: Connection, notices: Collection[bytes]) -> None:  # noqa: ARG002
        """Have no new attempt made."""
        self.given_up.update({one: replace(self.given_up[one], answered=True) for one in notices})

    async def keep_addresses(self, connection: Connection, heard: Sequence[Address]) -> None:  # noqa: ARG002
        """Write new addresses; of those that are known the highest version stays."""
        for one in heard:
            if one.notice not in self.moved or one.version > self.moved[one.notice].version:
                self.moved[one.notice] = one
