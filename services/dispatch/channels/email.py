"""E-mail over SMTP: a blind provider. A mail that may have been sent and was not answered is unknown, never repeated.

A few connections are kept open. Everything up to the end of the message's data can be repeated, as the
server has promised nothing yet (RFC 5321, 4.1.1.4 and 4.2.5). From the final dot on only its answer counts.
"""

import asyncio
import logging
import ssl
from collections.abc import Callable
from functools import lru_cache

import aiosmtplib
from aiosmtplib.protocol import PERIOD_REGEX

from services.core.channel import Channel
from services.core.clock import Clock
from services.core.mailbox import mailbox
from services.dispatch.blame import Blame, blame_of_smtp, blame_of_smtp_session, enhanced_code
from services.dispatch.channels.delivery import Delivery
from services.dispatch.config import EmailConfig, SmtpAddress
from services.dispatch.domain import MESSAGES_A_BATCH, Work
from services.dispatch.outcomes import REFUSED_BY_PROVIDER, Ending, HandOver, Outage, Result
from services.dispatch.provider import Provider, ProviderClass, Traits
from services.rendering.contact import Contact
from services.rendering.messages.email import Answers, Letterbox, Mail

__all__ = ["TRAITS", "Smtp", "open_provider"]

logger = logging.getLogger(__name__)

# The machine's own name is nobody's business (RFC 2606), and a relay of one's own takes any.
_NAMELESS = "heraut.invalid"
# Each waits for four answers a message; eight hide a server's latency of some milliseconds, and relays allow them.
_CONNECTIONS = 8
# RFC 5321 (4.5.3.2) allows minutes for each answer. A relay of one's own answers in seconds. One that hangs longer
# holds up a round, and a mail whose data it has is unknown.
_COMMAND_TIMEOUT = 30.0
_DATA_TIMEOUT = 120.0


def _domain(contact: Contact) -> str:
    """Return the domain that somebody's mail goes to."""
    return contact.email.rpartition("@")[2].lower()


TRAITS = Traits(
    channel=Channel.EMAIL,
    name="smtp",
    provider_class=ProviderClass.BLIND,
    rounds_at_once=2,  # one on the wire, one on its way from or to the database
    batch_size=MESSAGES_A_BATCH,
    domain=_domain,
)

_ACCEPTED = Result(Ending.ACCEPTED)
_NOT_NOW = Result(Ending.NOT_NOW, blame=Blame.LATER)
_UNKNOWN = Result(Ending.UNKNOWN, "no-answer")
_NO_RECIPIENT = Result(Ending.REFUSED, "no-recipient")
_REFUSED = Result(Ending.REFUSED, REFUSED_BY_PROVIDER, Blame.RECIPIENT)
_ON_FAILURE = ["NOTIFY=FAILURE"]  # what is only late need not be reported
_CLOSING = 421  # the server closes the connection
# It closed the connection, or fell silent, at this recipient: put off, as by any other answer that is for now.
_CLOSED = Result(Ending.NOT_NOW, "closed", Blame.LATER)
# Recipients in a row at which it may do so before it counts as away: one each for the connections.
_CLOSED_IN_A_ROW = _CONNECTIONS


def open_provider(config: EmailConfig, clock: Clock) -> Provider:
    """Return the mail server that the settings name."""
    answers = Answers(config.smtp_replies or "", config.smtp_bounces or "")
    return Smtp(
        config.smtp_url,
        clock,
        plaintext="smtp" in config.allow_plaintext,
        answers=answers,
        own_name=config.smtp_own_name or _NAMELESS,
    )


class _ProviderDownError(Exception):
    """The server cannot take mail from us now, and surely did not take the mail that was being sent."""


class Smtp:
    """Hands e-mails over to one SMTP server."""

    traits = TRAITS

    def __init__(
        self,
        address: SmtpAddress,
        clock: Clock,
        *,
        connections: int = _CONNECTIONS,
        command_timeout: float = _COMMAND_TIMEOUT,
        data_timeout: float = _DATA_TIMEOUT,
        tls_context: ssl.SSLContext | None = None,
        plaintext: bool = False,
        answers: Answers = Answers(),  # noqa: B008 - it is frozen
        own_name: str = _NAMELESS,
    ) -> None:
        """With `plaintext`, mail may go out without TLS beyond this machine. `own_name` is said at EHLO."""
        self._address = address
        self._clock = clock
        self._letterbox = Letterbox(answers)
        self._own_name = own_name
        self._timeouts = (command_timeout, data_timeout)
        self._tls_context = tls_context
        self._start_tls = address.start_tls(plaintext=plaintext)
        self._free: asyncio.Queue[_Connection] = asyncio.Queue()
        for _ in range(connections):
            self._free.put_nowait(_Connection(self._client, data_timeout))
        self._connections = connections

    def _client(self) -> aiosmtplib.SMTP:
        address = self._address
        return aiosmtplib.SMTP(
            hostname=address.host,
            port=address.port,
            username=address.user,
            password=address.password,
            use_tls=address.tls,
            start_tls=self._start_tls,
            tls_context=self._tls_context,
            timeout=self._timeouts[0],
            local_hostname=self._own_name,
        )

    async def hand_over(self, work: Work, go: Callable[[], bool]) -> HandOver:
        """Send the mails over the connections that are free."""
        delivery = Delivery(work, go)
        closings = _Closings(delivery)
        async with asyncio.TaskGroup() as group:
            for _ in range(min(self._connections, len(work.contacts))):
                group.create_task(self._work_off(delivery, closings))
        closings.end()
        return HandOver(delivery.results, delivery.outage)

    async def close(self) -> None:
        """Take leave of the server."""
        while not self._free.empty():
            await self._free.get_nowait().quit()

    async def _work_off(self, delivery: Delivery, closings: "_Closings") -> None:
        connection = await self._free.get()
        try:
            while (row := delivery.next_row()) is not None:
                await self._send(connection, delivery, row)
                closings.saw(delivery.results[row])
        except _ProviderDownError:
            delivery.outage = Outage()
        finally:
            self._free.put_nowait(connection)

    async def _send(self, connection: "_Connection", delivery: Delivery, row: int) -> None:
        if mailbox(delivery.work.contacts[row].email) is None:
            delivery.ended(row, _NO_RECIPIENT)
        elif mail := delivery.made(row, self._mail):
            delivery.ended(row, await connection.send(mail))

    def _mail(self, work: Work, row: int) -> Mail | None:
        return self._letterbox.mail(work, row, self._clock.now())


class _Closings:
    """Tells a recipient at which the server closes the connection from a server that does so at everybody."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery
        self._in_a_row = 0
        self._answered = False

    def saw(self, result: Result) -> None:
        """Learn from a row; a server that closes at so many in a row is left alone for a while."""
        self._answered = self._answered or result is not _CLOSED
        self._in_a_row = self._in_a_row + 1 if result is _CLOSED else 0
        if self._in_a_row >= _CLOSED_IN_A_ROW:
            self._delivery.outage = Outage()

    def end(self) -> None:
        """Leave the server alone as well where it closed at two recipients or more and answered about none."""
        if self._in_a_row > 1 and not self._answered:
            self._delivery.outage = self._delivery.outage or Outage()


class _Connection:
    """One connection, opened when it is needed and kept."""

    def __init__(self, make: Callable[[], aiosmtplib.SMTP], data_timeout: float) -> None:
        self._make = make
        self._data_timeout = data_timeout
        self._client: aiosmtplib.SMTP | None = None

    async def send(self, mail: Mail) -> Result:
        """Send one mail. Raises _ProviderDownError where it surely was not taken, and others would not be either."""
        kept = self._client is not None
        try:
            return await self._try(mail)
        except _ProviderDownError:
            if not kept:
                raise
            # A server may close a connection that stood idle: a fresh one tells whether it is down.
            return await self._try(mail)

    async def _try(self, mail: Mail) -> Result:
        try:
            client = await self._open()
            # A report on this mail comes without its text, and names the attempt (RFC 3461).
            named = ["RET=HDRS", f"ENVID={mail.envelope_id}"] if client.supports_extension("dsn") else []
            await client.mail(mail.sender, options=named)
        except aiosmtplib.SMTPResponseException as answer:
            self._drop()
            return _judge_session(answer.code, answer.message)
        except (aiosmtplib.SMTPException, OSError) as error:
            self._drop()
            logger.warning("the mail server does not take mail", extra={"error_class": type(error).__name__})
            raise _ProviderDownError from None
        try:
            return await _announce(client, mail) or await self._hand_over(client, mail)
        except (aiosmtplib.SMTPException, OSError):
            self._drop()
            return _CLOSED

    async def _open(self) -> aiosmtplib.SMTP:
        if self._client is None:
            client = self._make()
            await client.connect()
            self._client = client
        return self._client

    async def _hand_over(self, client: aiosmtplib.SMTP, mail: Mail) -> Result:
        """Send the data: from here on only the server's answer tells."""
        protocol = client.protocol
        if protocol is None:
            self._drop()
            return _CLOSED
        try:
            protocol.write(PERIOD_REGEX.sub(b"..", mail.body) + b".\r\n")
            answer = await protocol.read_response(timeout=self._data_timeout)
        except (aiosmtplib.SMTPException, OSError):
            self._drop()
            return _UNKNOWN
        if answer.code == _CLOSING:
            self._drop()
            return _CLOSED
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
            try:
                await self._client.quit(timeout=1.0)  # politeness is worth a second
            except (aiosmtplib.SMTPException, OSError):
                self._drop()


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
        return _NOT_NOW
    return _REFUSED if blame is Blame.RECIPIENT else _held(code, enhanced, blame)


def _judge_session(code: int, text: str) -> Result:
    """Return what to record of an answer before any recipient. Raises _ProviderDownError where it is for now."""
    enhanced = enhanced_code(text)
    blame = blame_of_smtp_session(code, enhanced)
    if blame is Blame.LATER:
        logger.warning("the mail server does not take mail", extra={"answer": _answer(code, enhanced)})
        raise _ProviderDownError
    return _held(code, enhanced, blame)


@lru_cache(maxsize=256)  # rows that share a result are recorded together
def _held(code: int, enhanced: str, blame: Blame) -> Result:
    return Result(Ending.HELD, _answer(code, enhanced), blame)


def _answer(code: int, enhanced: str) -> str:
    return f"smtp-{code} {enhanced}".rstrip()
