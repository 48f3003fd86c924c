"""What stand-ins that speak HTTP share: they listen behind a door, and may break a connection off."""

import asyncio
import ssl
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Self

from aiohttp import web
from aiohttp.typedefs import Middleware

from services.demo.standins.door import Door, Listener

__all__ = ["HttpServer", "broken_off"]

_LARGEST = 20_000_000  # bytes of a request: a letter


class HttpServer(ABC):
    """A server with a door. What it answers, say its routes; `url` is its address while it listens."""

    def __init__(self) -> None:
        self.url = ""
        self.door = Door(self._listen, "127.0.0.1")
        self._tls: ssl.SSLContext | None = None

    @abstractmethod
    def routes(self) -> Sequence[web.RouteDef]:
        """Return what it answers."""

    def middlewares(self) -> Sequence[Middleware]:
        """Return what comes before all of it."""
        return ()

    @asynccontextmanager
    async def serve(
        self, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
    ) -> AsyncIterator[Self]:
        """Listen while the context lasts, at a free port where it is 0; the same one when served again."""
        self._tls = tls
        app = web.Application(client_max_size=_LARGEST, middlewares=self.middlewares())
        app.add_routes(self.routes())
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        self.door = Door(self._listen, host, port or self.door.port)
        await self.door.open()
        self.url = f"http{'s' if tls else ''}://{host}:{self.door.port}"
        try:
            yield self
        finally:
            self.door.end()
            self.door.close()
            await self._runner.cleanup()

    async def _listen(self, host: str, port: int) -> tuple[Listener, int]:
        make, loop = self._runner.server or asyncio.Protocol, asyncio.get_running_loop()
        server = await loop.create_server(make, host, port, ssl=self._tls)
        return server, server.sockets[0].getsockname()[1]


def broken_off(request: web.Request) -> web.StreamResponse:
    """Break the connection; what is answered reaches nobody."""
    if request.transport:
        request.transport.abort()
    return web.Response(status=503)
