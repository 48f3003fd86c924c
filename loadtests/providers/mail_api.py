"""A simulated mail provider over HTTP, in the shape of Postmark's.

    python -m loadtests.providers.mail_api [--port 8031] [--token made-up]

It takes mail (`POST /email`), is asked for it (`GET /messages/outbound`), and is told over `PUT /control` how to
misbehave (`misbehaving.py`; `findable_after` is how many seconds a mail cannot be found yet).
"""

import argparse
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import orjson
from aiohttp import web

from loadtests.providers.misbehaving import Misbehaviour, add_control

__all__ = ["MailApiServer", "main"]


@dataclass(slots=True)
class _Misbehaviour(Misbehaviour):
    findable_after: float = 0.0


@dataclass
class MailApiServer:
    """Keeps what it takes. `refused` are addresses that it takes no mail for (its code 406)."""

    token: str = "made-up"  # noqa: S105 - of a simulator
    said: _Misbehaviour = field(default_factory=_Misbehaviour)
    taken: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)  # attempts that somebody asked for
    url: str = ""

    def app(self) -> web.Application:
        """Return the server's routes."""
        app = web.Application()
        app.add_routes([web.post("/email", self._take), web.get("/messages/outbound", self._find)])
        add_control(app, self.said, lambda status: {"ErrorCode": 0, "Message": f"made-up {status}"})
        return app

    @asynccontextmanager
    async def serve(self) -> AsyncIterator["MailApiServer"]:
        """Listen on a free port of this machine while the context lasts."""
        runner = web.AppRunner(self.app(), access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        if fault := self._stranger(request):
            return fault
        mail = orjson.loads(await request.read())
        if mail["To"] in self.refused:
            return web.json_response({"ErrorCode": 406, "Message": "inactive recipient"}, status=422)
        self.taken.append((time.monotonic(), mail))
        return web.json_response({"To": mail["To"], "MessageID": str(uuid4()), "ErrorCode": 0, "Message": "OK"})

    async def _find(self, request: web.Request) -> web.Response:
        if fault := self._stranger(request):
            return fault
        wanted = {name.removeprefix("metadata_"): value for name, value in request.query.items() if "_" in name}
        self.asked += wanted.values()
        known = time.monotonic() - self.said.findable_after
        found = [{"Metadata": mail["Metadata"], "Status": "Sent"} for at, mail in self.taken if at <= known]
        found = [one for one in found if one["Metadata"].items() >= wanted.items()]
        return web.json_response({"TotalCount": len(found), "Messages": found[: int(request.query["count"])]})

    def _stranger(self, request: web.Request) -> web.Response | None:
        if request.headers.get("X-Postmark-Server-Token") == self.token:
            return None
        return web.json_response({"ErrorCode": 10, "Message": "bad token"}, status=401)


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.providers.mail_api")
    parser.add_argument("--port", type=int, default=8031)
    parser.add_argument("--token", default="made-up")
    arguments = parser.parse_args()
    web.run_app(MailApiServer(arguments.token).app(), host="127.0.0.1", port=arguments.port)


if __name__ == "__main__":
    main()
