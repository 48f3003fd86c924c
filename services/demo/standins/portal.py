"""The portal's stand-in: it honours Idempotency-Key, and misbehaves as told."""

import asyncio
import re
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any, Final
from uuid import uuid4

import orjson
from aiohttp import web

from services.demo.provider_records import ProviderRecords
from services.demo.standins.door import Door, Listener
from services.demo.standins.faults import Fault, Faults

__all__ = ["PortalServer"]


def _nobody(_recipient: str) -> bool:
    return False


class PortalServer:
    """A real portal: it takes each key once, and says of closed accounts that they are gone.

    With `records` each message that it takes is written there before it answers, and of messages nothing else is kept;
    `seen` are the keys that it took in an earlier life.
    """

    def __init__(
        self,
        records: ProviderRecords | None = None,
        seen: set[str] | None = None,
        refuses: Callable[[str], bool] = _nobody,
    ) -> None:
        self._records, self._refuses = records, refuses
        self.faults = Faults()
        self.taken: dict[str, bytes] = dict.fromkeys(seen or (), b"")
        self.requests: list[tuple[str, bytes]] = []
        self.arrivals: list[float] = []  # when requests came, on a monotonic clock
        self.answers: list[Any] = []  # what to do with the next requests: (status, headers), "close" or "hang"
        self.everybody: int | None = None  # the status that every request gets; None = as the rest says
        self.refused: set[str] = set()
        self.authorizations: set[str | None] = set()  # what callers showed
        self.delay = 0.0  # seconds before each answer
        self.words = ""  # a message with this in its body is answered 422
        self.reached = asyncio.Event()
        self.figures: Counter[str] = Counter()
        self._times: Counter[str] = Counter()
        self._tls: ssl.SSLContext | None = None
        self.door = Door(self._listen, "127.0.0.1")
        self.url = ""

    async def take(self, request: web.Request) -> web.StreamResponse:
        """Take a message, or misbehave."""
        self.figures["requests"] += 1
        key, body = request.headers.get("Idempotency-Key"), await request.read()
        if self.door.shut:
            return _broken_off(request)
        if not key:
            return web.Response(status=400)
        self._note(request, key, body)
        await asyncio.sleep(self.delay)
        return self._scripted(body) or await self._answer(request, key, body)

    async def store(self, request: web.Request) -> web.StreamResponse:
        """Take a message as a store of FBS does: under an id of its own, however often it comes."""
        self.figures["requests"] += 1
        body = await request.read()
        if self.door.shut:
            return _broken_off(request)
        key = sha256(body).hexdigest()
        self._note(request, key, body)
        if self.everybody or not _is_for_fbs(orjson.loads(body)):
            return web.Response(status=self.everybody or 400)
        if (failed := await self._failed(key)) is not None:
            return failed
        self._keep(uuid4().hex, body)
        lost = self.faults.hits(Fault.ANSWER_LOST, key, self._times[key])
        return _broken_off(request) if lost else web.json_response({"berichtId": uuid4().hex}, status=201)

    def _note(self, request: web.Request, key: str, body: bytes) -> None:
        if self._records is None:
            self.arrivals.append(time.monotonic())
            self.requests.append((key, body))
        self.authorizations.add(request.headers.get("Authorization"))
        self.reached.set()

    def _scripted(self, body: bytes) -> web.StreamResponse | None:
        """Return what a test said that everybody, or this message, is answered."""
        if self.everybody:
            return web.Response(status=self.everybody)
        message = orjson.loads(body)
        recipient = str(message.get("recipient", ""))
        if recipient in self.refused or self._refuses(recipient):
            return web.Response(status=410)
        return web.Response(status=422) if self.words and self.words in message["body"] else None

    async def _answer(self, request: web.Request, key: str, body: bytes) -> web.StreamResponse:
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, tuple):
            return web.Response(status=answer[0], headers=answer[1])
        if (failed := await self._failed(key)) is not None:
            return failed
        lost = self.faults.hits(Fault.ANSWER_LOST, key, self._times[key])
        known = self._keep(key, body)
        if answer == "close" or lost:
            return _broken_off(request)
        if answer == "hang":
            await asyncio.sleep(5)
        return web.Response(status=409 if known else 201)

    async def _failed(self, key: str) -> web.StreamResponse | None:
        """Return what a message is answered that a fault hits before it is taken."""
        faults = self.faults
        if not faults.shares:
            return None
        self._times[key] += 1
        time_of_it = self._times[key]
        if faults.hits(Fault.LATENCY, key, time_of_it):
            await asyncio.sleep(faults.latency)
        if faults.hits(Fault.REFUSED, key):
            return web.Response(status=410)
        if faults.hits(Fault.TOO_MANY, key, time_of_it):
            return web.Response(status=429, headers={"Retry-After": str(faults.retry_after)})
        return web.Response(status=503) if faults.hits(Fault.ERROR, key, time_of_it) else None

    def _keep(self, key: str, body: bytes) -> bool:
        """Take a message; tell whether its key was there before."""
        if key in self.taken:
            self.figures["repeated"] += 1
            return True
        self.taken[key] = b"" if self._records else body
        self.figures["taken"] += 1
        if self._records:
            self._records.append({"at": time.time_ns() // 1_000_000, "key": key, **orjson.loads(body)})
        return False

    async def _listen(self, host: str, port: int) -> tuple[Listener, int]:
        make, loop = self._runner.server or asyncio.Protocol, asyncio.get_running_loop()
        server = await loop.create_server(make, host, port, ssl=self._tls)
        return server, server.sockets[0].getsockname()[1]

    @asynccontextmanager
    async def serve(
        self, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
    ) -> AsyncIterator["PortalServer"]:
        """Listen while the context lasts; the same port when served again."""
        self._tls = tls
        app = web.Application()
        app.add_routes([web.post("/messages", self.take), web.post("/berichten", self.store)])
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


_OIN: Final = re.compile(r"[0-9]{20}", re.ASCII)
_NUMBERS: Final = {"BSN": 9, "RSIN": 9, "KVK": 8, "OIN": 20}  # digits
_LONGEST: Final = 1 << 20  # bytes


def _is_for_fbs(message: Any) -> bool:
    """Tell whether a store of FBS takes this message."""
    try:
        to, subject, content = message["ontvanger"], message["onderwerp"], message["inhoud"]
        named = _OIN.fullmatch(message["afzender"]) and to["waarde"].isdigit()
        fits = len(to["waarde"]) == _NUMBERS[to["type"]] and 1 <= len(subject) <= 255
        return bool(named and fits and 1 <= len(content.encode()) <= _LONGEST)
    except (KeyError, TypeError, AttributeError):
        return False


def _broken_off(request: web.Request) -> web.StreamResponse:
    """Break the connection; what is answered reaches nobody."""
    if request.transport:
        request.transport.abort()
    return web.Response(status=503)
