"""A simulated GOV.UK Notify / NotifyNL, as far as letters and e-mail go.

    python -m loadtests.providers.notify [--port 8032] [--key name-SERVICE-SECRET] [--control-port 8033]

It checks tokens as Notify does (JWT, HS256, issued within 30 seconds), takes e-mail and precompiled letters, tells of
notifications, calls who wants to hear what became of e-mails (`callback`), and misbehaves as the control API of all
stand-ins says (`services/demo/standins/control.py`; its name there is `notify`). References need not be unique. The
official client can talk to it.
"""

import argparse
import asyncio
import base64
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any
from uuid import uuid4

import aiohttp
import jwt
import orjson
from aiohttp import web

from loadtests.providers.misbehaving import SimulatedProvider, run_alone
from services.demo.standins.faults import Fault

__all__ = ["MADE_UP_KEY", "NotifyServer", "main"]

SERVICE, SECRET = "26785a09-ab16-4eb0-8407-a37497a57506", "3d844edf-8d35-48ac-975b-e847b4f122b0"
MADE_UP_KEY = f"made_up-{SERVICE}-{SECRET}"
_CLOCK = 30  # seconds that a caller's clock may differ
_PAGE = 250
_AGAIN = 503  # whoever answers so is called again
_CALLS_AGAIN = 1.0  # seconds; Notify itself waits for five minutes


@dataclass
class NotifyServer(SimulatedProvider):
    """Keeps what it takes."""

    key: str = MADE_UP_KEY
    kept: list[dict[str, Any]] = field(default_factory=list)
    pdfs: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)  # references that somebody asked for
    bad: dict[str, tuple[int, str, str]] = field(default_factory=dict)  # e-mail address -> status, error, message

    callback: tuple[str, str] | None = None  # where it tells that an e-mail was delivered, and the token it shows there

    def __post_init__(self) -> None:
        super().__post_init__()
        self._telling: set[asyncio.Task[None]] = set()

    def routes(self) -> Sequence[web.RouteDef]:
        """Return what it answers."""
        return [
            web.post("/v2/notifications/email", self._email),
            web.post("/v2/notifications/letter", self._letter),
            web.get("/v2/notifications", self._list),
            web.get("/v2/notifications/{id}", self._one),
            web.get("/v2/notifications/{id}/pdf", self._pdf),
        ]

    def failed(self, status: int, headers: Mapping[str, str]) -> web.Response:
        """Return an error as Notify has it."""
        return _failed(status, _KINDS.get(status, "Exception"), "made up", headers)

    def refused(self) -> web.Response:
        """Return that an address is none: all that Notify says of a recipient at once."""
        return _failed(400, "ValidationError", "email_address Not a valid email address")

    def becomes(self, reference: str, status: str) -> None:
        """Let what has this reference have another status."""
        for one in self.kept:
            if one["reference"] == reference:
                one["status"] = status

    async def _email(self, request: web.Request) -> web.Response:
        if fault := self._stranger(request):
            return fault
        asked = orjson.loads(await request.read())
        if wrong := _missing(asked, "email_address", "template_id"):
            return wrong
        if refused := self.bad.get(asked["email_address"]):
            return _failed(*refused)
        return self._keep("email", "sending", asked)

    async def _letter(self, request: web.Request) -> web.Response:
        if fault := self._stranger(request):
            return fault
        asked = orjson.loads(await request.read())
        if wrong := _missing(asked, "reference", "content"):
            return wrong
        pdf = base64.b64decode(asked["content"], validate=True)
        if not pdf.startswith(b"%PDF"):
            return _failed(400, "BadRequestError", "Letter content is not a valid PDF")
        return self._keep("letter", "pending-virus-check", asked, pdf)

    def _keep(self, kind: str, status: str, asked: dict[str, Any], pdf: bytes = b"") -> web.Response:
        name = str(uuid4())
        asked.pop("content", None)
        self.kept.append({"id": name, "type": kind, "status": status, "at": time.time(), "reference": None} | asked)
        if pdf:
            self.pdfs[name] = pdf
        elif self.callback:
            self._telling.add(task := asyncio.create_task(self._tell(self.kept[-1], *self.callback)))
            task.add_done_callback(self._telling.discard)
        told = {"id": name, "reference": asked.get("reference"), "uri": f"{self.url}/v2/notifications/{name}"}
        return web.json_response(told | {"postage": asked.get("postage", "second")} if pdf else told, status=201)

    async def _tell(self, one: dict[str, Any], url: str, token: str) -> None:
        """Call to say that an e-mail was delivered: once, or as a fault wants it; again while it cannot be heard."""
        lost, double = (self.faults.hits(fault, one["id"]) for fault in (Fault.RECEIPT_LOST, Fault.RECEIPT_DOUBLE))
        one["status"] = "delivered"
        at = datetime.fromtimestamp(one["at"], UTC).isoformat()
        said = {name: one[name] for name in ("id", "reference", "status")} | {"notification_type": one["type"]}
        said |= {"to": one["email_address"], "created_at": at, "completed_at": at}
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as http:
            for _ in range(0 if lost else 2 if double else 1):
                while await _status(http, url, said) == _AGAIN:
                    await asyncio.sleep(_CALLS_AGAIN)
                self.figures["told"] += 1

    async def _list(self, request: web.Request) -> web.Response:
        if fault := self._stranger(request):
            return fault
        wanted = {"reference": "reference", "status": "status", "template_type": "type"}
        query = {own: request.query[name] for name, own in wanted.items() if name in request.query}
        self.asked += [query["reference"]] if "reference" in query else []
        found = [one for one in reversed(self.kept) if query.items() <= one.items()]
        ids = [one["id"] for one in found]
        start = ids.index(request.query["older_than"]) + 1 if request.query.get("older_than") in ids else 0
        page = found[start : start + _PAGE]
        links = {"current": str(request.url)}
        links |= {"next": f"{self.url}/v2/notifications?older_than={page[-1]['id']}"} if page else {}
        return web.json_response({"notifications": page, "links": links})

    async def _one(self, request: web.Request) -> web.Response:
        if fault := self._stranger(request):
            return fault
        found = [one for one in self.kept if one["id"] == request.match_info["id"]]
        return web.json_response(found[0]) if found else _failed(404, "NoResultFound", "No result found")

    async def _pdf(self, request: web.Request) -> web.Response:
        if fault := self._stranger(request):
            return fault
        found = self.pdfs.get(request.match_info["id"])
        return web.Response(body=found, content_type="application/pdf") if found else _failed(404, "NoResultFound", "-")

    def _stranger(self, request: web.Request) -> web.Response | None:
        """Check the token as Notify does."""
        shown = request.headers.get("Authorization", "").removeprefix("Bearer ")
        try:
            claims = jwt.decode(shown, self.key[-36:], algorithms=["HS256"], options={"verify_iat": False})
        except jwt.InvalidTokenError:
            return _failed(403, "AuthError", "Invalid token: signature, api token not found")
        if claims.get("iss") != self.key[-73:-37]:
            return _failed(403, "AuthError", "Invalid token: service not found")
        if abs(time.time() - claims.get("iat", 0)) > _CLOCK:
            return _failed(403, "AuthError", "Error: Your system clock must be accurate to within 30 seconds")
        return None


async def _status(http: aiohttp.ClientSession, url: str, said: dict[str, Any]) -> int:
    async with http.post(url, json=said) as answer:
        return answer.status


_KINDS = {400: "BadRequestError", 403: "AuthError", 429: "RateLimitError"}


def _failed(status: int, kind: str, message: str, headers: Mapping[str, str] = MappingProxyType({})) -> web.Response:
    said = {"status_code": status, "errors": [{"error": kind, "message": message}]}
    return web.json_response(said, status=status, headers=headers)


def _missing(asked: dict[str, Any], *names: str) -> web.Response | None:
    lacking = [name for name in names if not asked.get(name)]
    return _failed(400, "ValidationError", f"{lacking[0]} is a required property") if lacking else None


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.providers.notify")
    parser.add_argument("--port", type=int, default=8032)
    parser.add_argument("--key", default=MADE_UP_KEY)
    parser.add_argument("--control-port", type=int, help="where it is told how to misbehave")
    arguments = parser.parse_args()
    run_alone("notify", NotifyServer(key=arguments.key), arguments)


if __name__ == "__main__":
    main()
