"""The portal's stand-in: it honours Idempotency-Key, and misbehaves as told."""

import asyncio
import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any, Final
from uuid import uuid4

import orjson
from aiohttp import web

from services.demo.provider_records import ProviderRecords
from services.demo.standins.faults import Fault, Faults
from services.demo.standins.http_server import HttpServer, broken_off

__all__ = ["PortalServer"]


def _nobody(_recipient: str) -> bool:
    return False


class PortalServer(HttpServer):
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
        super().__init__()
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

    def routes(self) -> Sequence[web.RouteDef]:
        """Return what it answers: as a portal, and as a store of FBS."""
        return [web.post("/messages", self.take), web.post("/berichten", self.store)]

    async def take(self, request: web.Request) -> web.StreamResponse:
        """Take a message, or misbehave."""
        self.figures["requests"] += 1
        key, body = request.headers.get("Idempotency-Key"), await request.read()
        if self.door.shut:
            return broken_off(request)
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
            return broken_off(request)
        key = sha256(body).hexdigest()
        self._note(request, key, body)
        if self.everybody or not _is_for_fbs(orjson.loads(body)):
            return web.Response(status=self.everybody or 400)
        if (failed := await self._failed(key)) is not None:
            return failed
        self._keep(uuid4().hex, body)
        lost = self.faults.hits(Fault.ANSWER_LOST, key, self._times[key])
        return broken_off(request) if lost else web.json_response({"berichtId": uuid4().hex}, status=201)

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
            return broken_off(request)
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
