"""Where a stand-in listens. Its door may be shut for a while: who knocks is refused, and who is inside is put out."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

__all__ = ["Door", "Listener"]


class Listener(Protocol):
    """What listens at a port, as asyncio's servers and asyncssh's acceptors do."""

    def close(self) -> None:
        """Listen no more."""
        ...


class Door:
    """Opens at the same port again."""

    def __init__(self, listen: Callable[[str, int], Awaitable[tuple[Listener, int]]], host: str, port: int = 0) -> None:
        """`listen` begins to listen at a host and a port (0 = any free one), and returns the port too."""
        self._listen = listen
        self._host = host
        self.port = port
        self.shut = False  # from `close` to `open`: who is inside meanwhile is to be put out
        self._listener: Listener | None = None
        self._opening: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Listen, unless it does."""
        if self._listener is None:
            self._listener, self.port = await self._listen(self._host, self.port)
        self.shut = False

    def close(self) -> None:
        """Listen no more, until `open`."""
        self.shut = True
        if self._listener:
            self._listener.close()
            self._listener = None

    def shut_for(self, seconds: float) -> None:
        """Listen no more for so long. A second time in between begins anew."""
        self.close()
        self.end()
        self._opening = asyncio.create_task(self._open_after(seconds), name="a stand-in's outage")

    def end(self) -> None:
        """Do not open by itself any more."""
        if self._opening:
            self._opening.cancel()
            self._opening = None

    async def _open_after(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self.open()
