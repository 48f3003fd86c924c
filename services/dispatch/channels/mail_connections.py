"""Connections to one mail server: opened when they are needed, kept, ended after so many mails, fewer where it wants.

Everything up to the end of the message's data can be repeated, as the server has promised nothing yet (RFC 5321,
4.1.1.4 and 4.2.5). From the final dot on only its answer counts. One command is under way at a time on a connection, as
the library knows no PIPELINING (RFC 2920).
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from functools import lru_cache

import aiosmtplib
from aiosmtplib.protocol import PERIOD_REGEX

from services.core.clock import Clock
from services.dispatch.blame import Blame, blame_of_smtp, blame_of_smtp_session, enhanced_code
from services.dispatch.channels.domains import SLOWER
from services.dispatch.outcomes import REFUSED_BY_PROVIDER, Ending, Result
from services.rendering.messages.email import Mail

__all__ = ["CLOSED", "CrowdedError", "MailConnection", "MailConnections", "ServerDownError"]

logger = logging.getLogger(__name__)

HasTurn = Callable[[], Awaitable[bool]]  # waits, and tells whether a mail may begin: asked right before it goes

_ACCEPTED = Result(Ending.ACCEPTED)
_NOT_NOW = Result(Ending.NOT_NOW, blame=Blame.LATER)
_UNKNOWN = Result(Ending.UNKNOWN, "no-answer")
_REFUSED = Result(Ending.REFUSED, REFUSED_BY_PROVIDER, Blame.RECIPIENT)
_ON_FAILURE = ["NOTIFY=FAILURE"]  # what is only late need not be reported
# An answer for now that is about how much the domain is sent: 4.7.x is policy, as large hosts say it of whoever sends
# too fast, and as greylists do; these say that host or mailbox is too busy (RFC 3463).
_TOO_BUSY = frozenset({"4.2.1", "4.3.2", "4.4.5"})
_CLOSING = 421  # the server closes the connection
# It closed the connection, or fell silent, at this recipient: put off, as by any other answer that is for now.
CLOSED = Result(Ending.NOT_NOW, "closed", Blame.LATER)
_TOO_BIG = 552, "5.3.4"
_TRY_ONE_MORE = 60.0  # seconds after which a server that wanted fewer connections is tried with one more


class ServerDownError(Exception):
    """The server cannot take mail from us now, and surely did not take the mail that was being sent."""


class CrowdedError(ServerDownError):
    """The server takes no connection more than those that are open; the mail was surely not taken."""


class MailConnections:
    """The connections to one server; each is with one mail at a time."""

    def __init__(
        self, make: Callable[[], aiosmtplib.SMTP], clock: Clock, *, most: int, mails: int | None, patience: float
    ) -> None:
        """`most` connections at a time, each ended after so many `mails`. `patience`: for the answer to a mail."""
        self._clock = clock
        self._all = [MailConnection(make, patience, mails) for _ in range(most)]
        self._free: asyncio.Queue[MailConnection] = asyncio.Queue()
        self._retired: list[MailConnection] = []
        self._try_at = 0.0
        for connection in self._all:
            self._free.put_nowait(connection)

    def __len__(self) -> int:
        return len(self._all) - len(self._retired)

    async def take(self) -> "MailConnection":
        """Return a connection that is free, once there is one."""
        if self._retired and self._clock.monotonic() >= self._try_at:
            self._try_at = self._clock.monotonic() + _TRY_ONE_MORE
            self._free.put_nowait(self._retired.pop())
        return await self._free.get()

    def give_back(self, connection: "MailConnection") -> None:
        """Let others have a connection, unless it is done without."""
        if connection not in self._retired:
            self._free.put_nowait(connection)

    async def send(self, connection: "MailConnection", mail: Mail, has_turn: HasTurn) -> Result | None:
        """Send one mail in its turn; returns None where it may not begin any more.

        Raises ServerDownError, or CrowdedError where other connections are open and work.
        """
        try:
            return await connection.send(mail, has_turn)
        except ServerDownError:
            await asyncio.gather(*(other.settled.wait() for other in self._all))  # all may begin at the same moment
            if any(other.is_open for other in self._all if other is not connection):
                raise CrowdedError from None
            self._restore()
            raise

    def retire(self, connection: "MailConnection") -> None:
        """Do without a connection for a while. Others are open: one of them does its work."""
        self._retired.append(connection)
        self._try_at = self._clock.monotonic() + _TRY_ONE_MORE
        logger.warning("the mail server takes no more connections", extra={"connections": len(self)})

    def _restore(self) -> None:
        """Have all again: a server that is away says nothing of how many it takes."""
        while self._retired:
            self._free.put_nowait(self._retired.pop())

    async def close(self) -> None:
        """Take leave of the server."""
        while not self._free.empty():
            await self._free.get_nowait().quit()


class MailConnection:
    """One connection, opened when it is needed and kept."""

    def __init__(self, make: Callable[[], aiosmtplib.SMTP], data_timeout: float, mails: int | None = None) -> None:
        """After so many `mails` it is ended, and a new one is opened for the next; None = never."""
        self._make = make
        self._data_timeout = data_timeout
        self._most, self._sent = mails, 0
        self._client: aiosmtplib.SMTP | None = None
        self.settled = asyncio.Event()  # it is not being opened
        self.settled.set()

    @property
    def is_open(self) -> bool:
        """Whether there is a session with the server."""
        return self._client is not None and self._client.is_connected

    async def send(self, mail: Mail, has_turn: HasTurn) -> Result | None:
        """Send one mail in its turn. Raises ServerDownError where it surely was not taken, nor would others be."""
        if self._most is not None and self._sent >= self._most:
            await self.quit()
        kept = self._client is not None
        try:
            return await self._try(mail, has_turn)
        except ServerDownError:
            if not kept:
                raise
            # A server may close a connection that stood idle: a fresh one tells whether it is down.
            return await self._try(mail, has_turn)

    async def _try(self, mail: Mail, has_turn: HasTurn) -> Result | None:
        try:
            client = await self._open()
            if _most_bytes(client) < len(mail.body):
                return _judge_session(*_TOO_BIG)
            if not await has_turn():
                return None
            self._sent += 1
            await client.mail(mail.sender, options=_options(client, mail))
        except aiosmtplib.SMTPResponseException as answer:
            self._drop()
            return _judge_session(answer.code, answer.message)
        except (aiosmtplib.SMTPException, OSError) as error:
            self._drop()
            logger.warning("the mail server does not take mail", extra={"error_class": type(error).__name__})
            raise ServerDownError from None
        try:
            return await _announce(client, mail) or await self._hand_over(client, mail)
        except (aiosmtplib.SMTPException, OSError):
            self._drop()
            return CLOSED

    async def _open(self) -> aiosmtplib.SMTP:
        if self._client is None:
            client = self._make()
            self.settled.clear()
            try:
                await client.connect()
                self._client, self._sent = client, 0
            finally:
                self.settled.set()
        return self._client

    async def _hand_over(self, client: aiosmtplib.SMTP, mail: Mail) -> Result:
        """Send the data: from here on only the server's answer tells."""
        protocol = client.protocol
        if protocol is None:
            self._drop()
            return CLOSED
        try:
            protocol.write(PERIOD_REGEX.sub(b"..", mail.body) + b".\r\n")
            answer = await protocol.read_response(timeout=self._data_timeout)
        except (aiosmtplib.SMTPException, OSError):
            self._drop()
            return _UNKNOWN
        if answer.code == _CLOSING:
            self._drop()
            return CLOSED
        if 200 <= answer.code < 300:
            return _ACCEPTED
        return _judge(answer.code, answer.message)

    def _drop(self) -> None:
        if self._client:
            self._client.close()
            self._client = None

    async def quit(self) -> None:
        """End the session politely, if there is one."""
        if self._client:
            with contextlib.suppress(aiosmtplib.SMTPException, OSError):
                await self._client.quit(timeout=1.0)  # politeness is worth a second
            self._drop()


def _options(client: aiosmtplib.SMTP, mail: Mail) -> list[str]:
    """Return what is said of a mail beside its sender, as far as the server wants to hear it."""
    size = [f"SIZE={len(mail.body)}"] if client.supports_extension("size") else []  # RFC 1870
    # A report on this mail comes without its text, and names the attempt (RFC 3461).
    named = ["RET=HDRS", f"ENVID={mail.envelope_id}"] if client.supports_extension("dsn") else []
    return [*size, *named]


def _most_bytes(client: aiosmtplib.SMTP) -> float:
    """Return how long a mail may be, as the server says; it may say nothing, or 0 (RFC 1870, 4)."""
    said = client.esmtp_extensions.get("size", "")
    return float(said) if said.isascii() and said.isdigit() and int(said) else float("inf")


async def _announce(client: aiosmtplib.SMTP, mail: Mail) -> Result | None:
    """Say to whom, and that data follows; returns what to record where the server does not want it.

    Raises an error of the library where the server closes the connection or falls silent.
    """
    try:
        await client.rcpt(mail.recipient, options=_ON_FAILURE if client.supports_extension("dsn") else [])
    except aiosmtplib.SMTPRecipientRefused as refused:
        if refused.code == _CLOSING:
            raise
        await client.rset()
        return _judge(refused.code, refused.message)
    answer = await client.execute_command(b"DATA")
    if answer.code == aiosmtplib.SMTPStatus.start_input:
        return None
    if answer.code == _CLOSING:
        raise aiosmtplib.SMTPDataError(answer.code, "")
    await client.rset()
    return _judge(answer.code, answer.message)


def _judge(code: int, text: str) -> Result:
    """Return what to record of an answer about a recipient or a message that is no acceptance."""
    enhanced = enhanced_code(text)
    blame = blame_of_smtp(code, enhanced)
    if blame is Blame.LATER:
        return SLOWER if enhanced.startswith("4.7.") or enhanced in _TOO_BUSY else _NOT_NOW
    return _REFUSED if blame is Blame.RECIPIENT else _held(code, enhanced, blame)


def _judge_session(code: int, text: str) -> Result:
    """Return what to record of an answer before any recipient. Raises ServerDownError where it is for now."""
    enhanced = enhanced_code(text)
    blame = blame_of_smtp_session(code, enhanced)
    if blame is Blame.LATER:
        logger.warning("the mail server does not take mail", extra={"answer": _answer(code, enhanced)})
        raise ServerDownError
    return _held(code, enhanced, blame)


@lru_cache(maxsize=256)  # rows that share a result are recorded together
def _held(code: int, enhanced: str, blame: Blame) -> Result:
    return Result(Ending.HELD, _answer(code, enhanced), blame)


def _answer(code: int, enhanced: str) -> str:
    return f"smtp-{code} {enhanced}".rstrip()
