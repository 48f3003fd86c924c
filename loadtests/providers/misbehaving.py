"""What simulated providers over HTTP share: they listen, and misbehave as the control API of all stand-ins says.

`services/demo/standins/control.py` has that API; a test may also write beforehand what becomes of the next requests.
"""

import argparse
import asyncio
from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from hashlib import sha256

import uvloop
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from services.demo.standins.control import control_app
from services.demo.standins.faults import Fault, Faults
from services.demo.standins.http_server import HttpServer, broken_off
from services.kit.process import serve_http, stop_on_signals

__all__ = ["Script", "SimulatedProvider", "run_alone"]


@dataclass(slots=True)
class Script:
    """What a test wrote beforehand.

    `statuses` are answered to the next requests instead of what they ask for, with `retry_after` where it is 429 or
    503. `lost` of what is taken next is taken, and its answer never comes. For `findable_after` seconds it does not
    tell of what it took.
    """

    statuses: list[int] = field(default_factory=list)
    lost: int = 0
    retry_after: str = ""
    findable_after: float = 0.0


@dataclass
class SimulatedProvider(HttpServer):
    """A provider that takes what is posted to it. What it is, say its routes."""

    faults: Faults = field(default_factory=Faults)
    figures: Counter[str] = field(default_factory=Counter)
    said: Script = field(default_factory=Script)

    def __post_init__(self) -> None:
        super().__init__()
        self._times: Counter[str] = Counter()  # how often each message came

    @abstractmethod
    def failed(self, status: int, headers: Mapping[str, str]) -> web.Response:
        """Return its answer that something is wrong with itself, or with how often it is asked."""

    @abstractmethod
    def refused(self) -> web.Response:
        """Return its answer that a recipient cannot be reached."""

    def middlewares(self) -> Sequence[Middleware]:
        """Return what makes it misbehave."""
        return [self._misbehaving()]

    def _misbehaving(self) -> Middleware:
        @web.middleware
        async def misbehave(request: web.Request, handler: Handler) -> web.StreamResponse:
            self.figures["requests"] += 1
            if self.door.shut:
                return broken_off(request)
            if self.said.statuses:
                return self._scripted(self.said.statuses.pop(0))
            if request.method != "POST":
                return await handler(request)
            key = sha256(await request.read()).hexdigest()
            return await self._hit(key) or await self._taken(request, handler, key)

        return misbehave

    def _scripted(self, status: int) -> web.Response:
        said = self.said.retry_after if status in {429, 503} else ""
        return self.failed(status, {"Retry-After": said} if said else {})

    async def _hit(self, key: str) -> web.Response | None:
        """Return what a message is answered that a fault hits before it is taken."""
        self._times[key] += 1
        time = self._times[key]
        if self.faults.hits(Fault.LATENCY, key, time):
            await asyncio.sleep(self.faults.latency)
        if self.faults.hits(Fault.REFUSED, key):
            return self.refused()
        if self.faults.hits(Fault.TOO_MANY, key, time):
            return self.failed(429, {"Retry-After": str(self.faults.retry_after)})
        return self.failed(503, {}) if self.faults.hits(Fault.ERROR, key, time) else None

    async def _taken(self, request: web.Request, handler: Handler, key: str) -> web.StreamResponse:
        answer = await handler(request)
        if answer.status >= 300:
            return answer
        self.figures["taken"] += 1
        if self.said.lost > 0:
            self.said.lost -= 1
            return broken_off(request)
        return broken_off(request) if self.faults.hits(Fault.ANSWER_LOST, key, self._times[key]) else answer


def run_alone(name: str, provider: SimulatedProvider, arguments: argparse.Namespace) -> None:
    """Serve until SIGTERM at `arguments.port`, and the control API at `arguments.control_port` where there is one."""

    async def run() -> None:
        stop = asyncio.Event()
        stop_on_signals(stop)
        async with AsyncExitStack() as running:
            await running.enter_async_context(provider.serve(port=arguments.port))
            if arguments.control_port is not None:
                app = control_app({name: provider})
                await running.enter_async_context(serve_http(app, "127.0.0.1", arguments.control_port))
            await stop.wait()

    uvloop.run(run())
