"""Real servers that play providers, and misbehave as told."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import orjson
from aiohttp import web
from aiosmtpd.smtp import SMTP, Envelope, Session


class _Server(SMTP):
    """A server that knows the options of DSN (RFC 3461), which aiosmtpd does not, and takes so many connections."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, or say that there are too many."""
        mail_server: MailServer = self.event_handler
        if mail_server.most_connections and len(mail_server.open) >= mail_server.most_connections:
            mail_server.crowded += 1
            cast("asyncio.Transport", transport).write(b"421 4.7.0 too many connections\r\n")
            transport.close()
            return
        mail_server.open.add(self)
        mail_server.sessions.append(0)
        self.number = len(mail_server.sessions) - 1
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        """Let go of the connection."""
        mail_server: MailServer = self.event_handler
        if self in mail_server.open:
            mail_server.open.discard(self)
            super().connection_lost(error)

    async def smtp_MAIL(self, arg: str | None) -> None:  # noqa: N802 - aiosmtpd's name
        """Note the options, and take the rest."""
        await super().smtp_MAIL(self._without_options(arg))

    async def smtp_RCPT(self, arg: str | None) -> None:  # noqa: N802 - aiosmtpd's name
        """Note the options, and take the rest."""
        await super().smtp_RCPT(self._without_options(arg))

    def _without_options(self, arg: str | None) -> str | None:
        mail_server: MailServer = self.event_handler
        words = (arg or "").split()
        options = [word for word in words if word.startswith(("RET=", "ENVID=", "NOTIFY="))]
        mail_server.options.update(options)
        return " ".join(word for word in words if word not in options) if mail_server.offers_dsn else arg


class MailServer:
    """A real SMTP server that keeps what it takes, and misbehaves as told."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, bytes]] = []
        self.senders: list[str] = []  # where those that were taken go back to
        self.greeted: set[str] = set()  # names that clients said of themselves
        self.options: set[str] = set()  # of DSN, at MAIL and RCPT
        self.offers_dsn = False
        self.most_connections = 0  # at a time; 0 = any number
        self.open: set[SMTP] = set()
        self.crowded = 0  # connections that were one too many
        self.sessions: list[int] = []  # mails of each session
        self.size = 33_554_432  # what it says of how long a mail may be
        self.slowness = 0.0  # seconds that each mail takes
        self.under_way: Counter[str] = Counter()  # mails of each domain that are being taken
        self.most_under_way: Counter[str] = Counter()
        self.asked: list[str] = []  # recipients that were not taken
        self.recipients: dict[str, str] = {}  # address, or @domain -> what is answered at RCPT
        self.everybody = ""  # what is answered at RCPT whoever it is; "" = as `recipients` says
        self.sender = ""  # what is answered at MAIL; "" = welcome
        self.after_data = ""  # "close" or "hang" once the data is here; else an answer such as "451 later"
        self.reached = asyncio.Event()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Take the sender, or answer as told."""
        self.greeted.add(session.host_name or "")
        if not self.sender:
            envelope.mail_from = address
        return self.sender or "250 OK"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Take the recipient, or answer as told; after a 421 the server closes, as RFC 5321 says."""
        of_domain = self.recipients.get(f"@{address.rpartition('@')[2]}")
        if answer := self.everybody or self.recipients.get(address) or of_domain:
            self.asked.append(address)
            if answer.startswith("421"):
                asyncio.get_running_loop().call_soon(cast("asyncio.Transport", server.transport).close)
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, session: Session, _envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        """Offer what the server can do."""
        session.host_name = hostname
        responses = [line for line in responses if not line.startswith("250-SIZE")]
        responses.insert(1, f"250-SIZE {self.size}")
        return [*responses[:-1], *(["250-DSN"] if self.offers_dsn else []), responses[-1]]

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Take the message, or misbehave."""
        self.reached.set()
        if self.after_data[:1].isdigit():
            return self.after_data
        await self._take_time(server, envelope.rcpt_tos[0].rpartition("@")[2])
        content = envelope.content
        self.senders.append(envelope.mail_from or "")
        self.taken.append((envelope.rcpt_tos[0], content if isinstance(content, bytes) else b""))
        if self.after_data == "close":
            cast("asyncio.Transport", server.transport).abort()
        if self.after_data == "hang":
            await asyncio.sleep(5)
        return "250 OK"

    async def _take_time(self, server: SMTP, domain: str) -> None:
        self.sessions[cast("_Server", server).number] += 1
        self.under_way[domain] += 1
        self.most_under_way[domain] = max(self.most_under_way[domain], self.under_way[domain])
        if self.slowness:
            await asyncio.sleep(self.slowness)
        self.under_way[domain] -= 1

    @asynccontextmanager
    async def serve(self) -> AsyncIterator["MailServer"]:
        """Listen while the context lasts; the same port when served again."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: _Server(self, hostname="test", loop=loop, data_size_limit=self.size or None), "127.0.0.1", self.port
        )
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()


class PortalServer:
    """A real portal that honours Idempotency-Key, and misbehaves as told."""

    def __init__(self) -> None:
        self.taken: dict[str, bytes] = {}
        self.requests: list[tuple[str, bytes]] = []
        self.answers: list[Any] = []  # what to do with the next requests: (status, headers), "close" or "hang"
        self.everybody: int | None = None  # the status that every request gets; None = as the rest says
        self.refused: set[str] = set()
        self.authorizations: set[str | None] = set()  # what callers showed
        self.delay = 0.0  # seconds before each answer
        self.words = ""  # a message with this in its body is answered 422
        self.reached = asyncio.Event()
        self.url = ""

    async def take(self, request: web.Request) -> web.StreamResponse:
        """Take a message, or misbehave."""
        key, body = request.headers["Idempotency-Key"], await request.read()
        self.requests.append((key, body))
        self.authorizations.add(request.headers.get("Authorization"))
        self.reached.set()
        await asyncio.sleep(self.delay)
        if self.everybody:
            return web.Response(status=self.everybody)
        if orjson.loads(body)["recipient"] in self.refused:
            return web.Response(status=410)
        if self.words and self.words in orjson.loads(body)["body"]:
            return web.Response(status=422)
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, tuple):
            return web.Response(status=answer[0], headers=answer[1])
        known = key in self.taken
        self.taken.setdefault(key, body)
        if answer == "close" and request.transport:
            request.transport.close()
        if answer == "hang":
            await asyncio.sleep(5)
        return web.Response(status=409 if known else 201)

    @asynccontextmanager
    async def serve(self) -> AsyncIterator["PortalServer"]:
        """Listen while the context lasts."""
        app = web.Application()
        app.add_routes([web.post("/messages", self.take)])
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()
