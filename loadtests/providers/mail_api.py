"""A simulated mail provider over HTTP, in the shape of Postmark's.

    python -m loadtests.providers.mail_api [--port 8031] [--token made-up] [--control-port 8033]

It takes mail (`POST /email`), is asked for it (`GET /messages/outbound`), and misbehaves as the control API of all
stand-ins says (`services/demo/standins/control.py`; its name there is `mail-api`).
"""

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import orjson
from aiohttp import web

from loadtests.providers.misbehaving import SimulatedProvider, run_alone

__all__ = ["MailApiServer", "main"]


@dataclass
class MailApiServer(SimulatedProvider):
    """Keeps what it takes. `inactive` are addresses that it takes no mail for (its code 406)."""

    token: str = "made-up"  # noqa: S105 - of a simulator
    taken: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    inactive: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)  # attempts that somebody asked for

    def routes(self) -> Sequence[web.RouteDef]:
        """Return what it answers."""
        return [web.post("/email", self._take), web.get("/messages/outbound", self._find)]

    def failed(self, status: int, headers: Mapping[str, str]) -> web.Response:
        """Return an error of its own."""
        return web.json_response({"ErrorCode": 0, "Message": f"made-up {status}"}, status=status, headers=headers)

    def refused(self) -> web.Response:
        """Return that it takes no mail for somebody."""
        return web.json_response({"ErrorCode": 406, "Message": "inactive recipient"}, status=422)

    async def _take(self, request: web.Request) -> web.Response:
        if fault := self._stranger(request):
            return fault
        mail = orjson.loads(await request.read())
        if mail["To"] in self.inactive:
            return self.refused()
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
    parser.add_argument("--control-port", type=int, help="where it is told how to misbehave")
    arguments = parser.parse_args()
    run_alone("mail-api", MailApiServer(token=arguments.token), arguments)


if __name__ == "__main__":
    main()
