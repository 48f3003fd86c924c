"""The mail server's stand-in: it takes what it can, and misbehaves as told."""

import asyncio
import re
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import cast

from aiosmtpd.smtp import SMTP, Envelope, Session

from services.demo.provider_records import ProviderRecords
from services.demo.standins.door import Door, Listener
from services.demo.standins.faults import Fault, Faults

__all__ = ["MailServer"]

_MESSAGE_ID = re.compile(rb"^Message-ID:[ \t]*(\S+)", re.IGNORECASE | re.MULTILINE)
_AWAY = "421 4.3.2 away"  # nobody hears it: the connection is broken


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


def _nobody(_address: str) -> bool:
    return False


class MailServer:
    """A real SMTP server. With `records` each message is written there before it answers, and none is kept here."""

    def __init__(self, records: ProviderRecords | None = None, refuses: Callable[[str], bool] = _nobody) -> None:
        self._records, self._refuses = records, refuses
        self.faults = Faults()
        self.taken: list[tuple[str, bytes]] = []
        self.senders: list[str] = []  # where those that were taken go back to
        self.greeted: set[str] = set()  # names that clients said of themselves
        self.options: set[str] = set()  # of DSN, at MAIL and RCPT
        self.offers_dsn = False
        self.most_connections = 0  # at a time; 0 = any number
        self.open: set[SMTP] = set()
        self.crowded = 0  # connections that were one too many
        self.sessions: list[int] = []  # mails of each session
        self.size = 33_554_432  # what it says of how long a mail may be; 0 = nothing
        self.slowness = 0.0  # seconds that each mail takes
        self.under_way: Counter[str] = Counter()  # mails of each domain that are being taken
        self.most_under_way: Counter[str] = Counter()
        self.asked: list[str] = []  # recipients that were not taken
        self.recipients: dict[str, str] = {}  # address, or @domain -> what is answered at RCPT
        self.everybody = ""  # what is answered at RCPT whoever it is; "" = as `recipients` says
        self.sender = ""  # what is answered at MAIL; "" = welcome
        self.after_data = ""  # "close" or "hang" once the data is here; else an answer such as "451 later"
        self.reached = asyncio.Event()
        self.figures: Counter[str] = Counter()
        self._times: Counter[str] = Counter()
        self._tls: ssl.SSLContext | None = None
        self.door = Door(self._listen, "127.0.0.1")

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.door.port

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Take the sender, or answer as told."""
        self.greeted.add(session.host_name or "")
        if self.door.shut:
            _break(server)
            return _AWAY
        if not self.sender:
            envelope.mail_from = address
        return self.sender or "250 OK"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Take the recipient, or answer as told; after a 421 the server closes, as RFC 5321 says."""
        of_domain = self.recipients.get(f"@{address.rpartition('@')[2]}")
        answer = self.everybody or self.recipients.get(address) or of_domain
        if not answer and (self._refuses(address) or self.faults.hits(Fault.REFUSED, address)):
            answer = "550 5.1.1 no such mailbox"
        if answer := answer or self._failing(address):
            if self._records is None:
                self.asked.append(address)
            if answer.startswith("421"):
                asyncio.get_running_loop().call_soon(cast("asyncio.Transport", server.transport).close)
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    def _failing(self, address: str) -> str:
        """Return what a recipient is answered whom a fault hits; empty where none does."""
        if not self.faults.shares:
            return ""
        self._times[address] += 1
        time_of_it = self._times[address]
        if self.faults.hits(Fault.TOO_MANY, address, time_of_it):
            return "451 4.7.1 too many, later"
        return "421 4.3.2 going down" if self.faults.hits(Fault.ERROR, address, time_of_it) else ""

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
        self.figures["requests"] += 1
        if self.door.shut:
            _break(server)
            return _AWAY
        if self.after_data[:1].isdigit():
            return self.after_data
        await self._take_time(server, envelope.rcpt_tos[0].rpartition("@")[2])
        content = envelope.content
        body = content.encode() if isinstance(content, str) else content or b""
        key = _key(body, envelope)
        if self.faults.hits(Fault.LATENCY, key):
            await asyncio.sleep(self.faults.latency)
        self._keep(envelope, body)
        if self.after_data == "close" or self.faults.hits(Fault.ANSWER_LOST, key):
            _break(server)
        if self.after_data == "hang":
            await asyncio.sleep(5)
        return "250 OK"

    async def _take_time(self, server: SMTP, domain: str) -> None:
        if isinstance(server, _Server):
            self.sessions[server.number] += 1
        self.under_way[domain] += 1
        self.most_under_way[domain] = max(self.most_under_way[domain], self.under_way[domain])
        if self.slowness:
            await asyncio.sleep(self.slowness)
        self.under_way[domain] -= 1

    def _keep(self, envelope: Envelope, body: bytes) -> None:
        """Take a message: once for each recipient."""
        self.figures["taken"] += len(envelope.rcpt_tos)
        if self._records is None:
            self.senders.append(envelope.mail_from or "")
            self.taken.append((envelope.rcpt_tos[0], body))
            return
        text = body.decode("utf-8", "replace")
        for recipient in envelope.rcpt_tos:
            addresses = {"recipient": recipient, "sender": envelope.mail_from or ""}
            self._records.append({"at": time.time_ns() // 1_000_000, **addresses, "message": text})

    async def _listen(self, host: str, port: int) -> tuple[Listener, int]:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: self._session(loop), host, port, ssl=self._tls)
        return server, server.sockets[0].getsockname()[1]

    def _session(self, loop: asyncio.AbstractEventLoop) -> SMTP:
        # Without a host name the library would look one up, which may take seconds.
        size = self.size or None
        return _Server(self, hostname="standins", enable_SMTPUTF8=True, data_size_limit=size, timeout=300, loop=loop)

    @asynccontextmanager
    async def serve(
        self, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
    ) -> AsyncIterator["MailServer"]:
        """Listen while the context lasts; the same port when served again."""
        self._tls = tls
        self.door = Door(self._listen, host, port or self.door.port)
        await self.door.open()
        try:
            yield self
        finally:
            self.door.end()
            self.door.close()


def _break(server: SMTP) -> None:
    cast("asyncio.Transport", server.transport).abort()


def _key(body: bytes, envelope: Envelope) -> str:
    found = _MESSAGE_ID.search(body)
    return found[1].decode("ascii", "replace") if found else envelope.rcpt_tos[0]
