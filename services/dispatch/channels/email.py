"""E-mail over SMTP: a blind provider. A mail that may have been sent and was not answered is unknown, never repeated.

A few connections are kept open. Everything up to the end of the message's data can be repeated, as the
server has promised nothing yet (RFC 5321, 4.1.1.4 and 4.2.5). From the final dot on only its answer counts.
"""

import asyncio
import logging
import ssl
from collections.abc import Callable

import aiosmtplib
from aiosmtplib.protocol import PERIOD_REGEX

from services.core.channel import Channel
from services.core.clock import Clock
from services.dispatch.channels.delivery import Delivery
from services.dispatch.channels.email_message import Letterbox, Mail
from services.dispatch.config import EmailConfig, SmtpAddress
from services.dispatch.domain import MESSAGES_A_BATCH, Work
from services.dispatch.outcomes import Ending, HandOver, Outage, Result
from services.dispatch.provider import Provider, ProviderClass, Traits

__all__ = ["TRAITS", "Smtp", "open_provider"]

logger = logging.getLogger(__name__)

# Each waits for four answers a message; eight hide a server's latency of some milliseconds, and relays allow them.
_CONNECTIONS = 8
# RFC 5321 (4.5.3.2) allows minutes for each answer. A relay of one's own answers in seconds. One that hangs longer
# holds up a round, and a mail whose data it has is unknown.
_COMMAND_TIMEOUT = 30.0
_DATA_TIMEOUT = 120.0

TRAITS = Traits(
    channel=Channel.EMAIL,
    name="smtp",
    provider_class=ProviderClass.BLIND,
    rounds_at_once=2,  # one on the wire, one on its way from or to the database
    batch_size=MESSAGES_A_BATCH,
)

_ACCEPTED = Result(Ending.ACCEPTED)
_NOT_NOW = Result(Ending.NOT_NOW)
_UNKNOWN = Result(Ending.UNKNOWN, "no-answer")
_NO_RECIPIENT = Result(Ending.REFUSED, "no-recipient")
_REFUSED = Result(Ending.REFUSED, "refused-by-provider")
_CLOSING = 421  # the server as a whole is going away


def open_provider(config: EmailConfig, clock: Clock) -> Provider:
    """Return the mail server that the settings name."""
    return Smtp(config.smtp_url, clock)


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
    ) -> None:
        self._address = address
        self._clock = clock
        self._letterbox = Letterbox()
        self._timeouts = (command_timeout, data_timeout)
        self._tls_context = tls_context
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
            start_tls=address.start_tls,
            tls_context=self._tls_context,
            timeout=self._timeouts[0],
            local_hostname="heraut.invalid",  # the machine's own name is nobody's business (RFC 2606)
        )

    async def hand_over(self, work: Work, go: Callable[[], bool]) -> HandOver:
        """Send the mails over the connections that are free."""
        delivery = Delivery(work, go)
        async with asyncio.TaskGroup() as group:
            for _ in range(min(self._connections, len(work.contacts))):
                group.create_task(self._work_off(delivery))
        return HandOver(delivery.results, delivery.outage)

    async def close(self) -> None:
        """Take leave of the server."""
        while not self._free.empty():
            await self._free.get_nowait().quit()

    async def _work_off(self, delivery: Delivery) -> None:
        connection = await self._free.get()
        try:
            while (row := delivery.next_row()) is not None:
                await self._send(connection, delivery, row)
        except _ProviderDownError:
            delivery.outage = Outage()
        finally:
            self._free.put_nowait(connection)

    async def _send(self, connection: "_Connection", delivery: Delivery, row: int) -> None:
        work = delivery.work
        mail = self._letterbox.mail(work, row, self._clock.now())
        delivery.results[row] = _NO_RECIPIENT if mail is None else await connection.send(mail)


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
            refusal = await _announce(client, mail)
        except (aiosmtplib.SMTPException, OSError) as error:
            self._drop()
            logger.warning("the mail server does not take mail", extra={"error_class": type(error).__name__})
            raise _ProviderDownError from None
        return refusal or await self._hand_over(client, mail)

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
            raise _ProviderDownError
        try:
            protocol.write(PERIOD_REGEX.sub(b"..", mail.body) + b".\r\n")
            answer = await protocol.read_response(timeout=self._data_timeout)
        except (aiosmtplib.SMTPException, OSError):
            self._drop()
            return _UNKNOWN
        if answer.code == _CLOSING:
            self._drop()
            raise _ProviderDownError
        return _judge(answer.code)

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
    """Say from whom, to whom, and that data follows; returns what to record where this recipient is not wanted."""
    await client.mail(mail.sender)
    try:
        await client.rcpt(mail.recipient)
    except aiosmtplib.SMTPRecipientRefused as refused:
        if refused.code == _CLOSING:
            raise
        await client.rset()
        return _judge(refused.code)
    answer = await client.execute_command(b"DATA")
    if answer.code == aiosmtplib.SMTPStatus.start_input:
        return None
    if answer.code == _CLOSING or answer.code >= 500:
        raise aiosmtplib.SMTPDataError(answer.code, "")
    await client.rset()
    return _NOT_NOW


def _judge(code: int) -> Result:
    if 200 <= code < 300:
        return _ACCEPTED
    return _NOT_NOW if 400 <= code < 500 else _REFUSED
