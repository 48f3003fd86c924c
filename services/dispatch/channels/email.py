"""E-mail over SMTP: a blind provider. A mail that may have been sent and was not answered is unknown, never repeated.

A few connections are kept open (`mail_connections.py`). What a receiving domain is sent at a time has limits of its own
(`domains.py`): those of the settings, and those that its answers ask for.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Mapping
from types import MappingProxyType

import aiosmtplib

from services.core.channel import Channel
from services.core.clock import Clock
from services.core.mailbox import mailbox
from services.dispatch.channels.delivery import Delivery
from services.dispatch.channels.domains import SLOWER, DomainLimits, Lane, domain_of
from services.dispatch.channels.mail_connections import CLOSED, CrowdedError, MailConnections, ServerDownError
from services.dispatch.domain import MESSAGES_A_BATCH, Work
from services.dispatch.mail_config import EmailConfig, Limit, SmtpAddress
from services.dispatch.outcomes import Ending, HandOver, Outage, Result
from services.dispatch.provider import HeldBack, Provider, ProviderClass, Traits
from services.kit.certificate import calling
from services.rendering.messages.email import Answers, Letterbox, Mail

__all__ = ["TRAITS", "Smtp", "open_provider"]

# The machine's own name is nobody's business (RFC 2606), and a relay of one's own takes any.
_NAMELESS = "heraut.invalid"
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
    domain=domain_of,
)

_NO_RECIPIENT = Result(Ending.REFUSED, "no-recipient")
# Recipients in a row at which the server may close the connection before it counts as away: one each for the usual
# connections.
_CLOSED_IN_A_ROW = _CONNECTIONS
_SLOWING = frozenset({id(SLOWER), id(CLOSED)})
_NO_LIMITS: Mapping[str, Limit] = MappingProxyType({})


def open_provider(config: EmailConfig, clock: Clock) -> Provider:
    """Return the provider of e-mail that the settings name. Raises ConfigError where a certificate cannot be used."""
    answers = Answers(config.smtp_replies or "", config.smtp_bounces or "", config.mail_from or "")
    if config.mail_api_url and config.mail_api_token and config.email_provider == "mail-api":
        from services.dispatch.channels.mail_api import open_mail_api  # noqa: PLC0415 - most have a mail server

        return open_mail_api(config, clock, answers)
    if config.email_provider == "notify":
        from services.dispatch.channels.notify import open_notify_emails  # noqa: PLC0415 - most have a mail server

        return open_notify_emails(config, clock)
    if config.smtp_url is None:
        raise TypeError("settings without a provider of e-mail")
    return Smtp(
        config.smtp_url,
        clock,
        tls_context=calling(config.smtp_ca, "HERAUT_SMTP_CA"),
        plaintext="smtp" in config.allow_plaintext,
        answers=answers,
        own_name=config.smtp_own_name or _NAMELESS,
        connections=config.smtp_connections,
        mails=config.smtp_mails,
        limits=config.smtp_domains or _NO_LIMITS,
    )


class Smtp:
    """Hands e-mails over to one SMTP server."""

    traits = TRAITS

    def __init__(
        self,
        address: SmtpAddress,
        clock: Clock,
        *,
        connections: int = _CONNECTIONS,
        mails: int | None = None,
        limits: Mapping[str, Limit] = _NO_LIMITS,
        command_timeout: float = _COMMAND_TIMEOUT,
        data_timeout: float = _DATA_TIMEOUT,
        tls_context: ssl.SSLContext | None = None,
        plaintext: bool = False,
        answers: Answers = Answers(),  # noqa: B008 - it is frozen
        own_name: str = _NAMELESS,
    ) -> None:
        """With `plaintext`, mail may go out without TLS beyond this machine. `own_name` is said at EHLO.

        A connection is ended after so many `mails`; None = the server ends it. `limits` are those of domains.
        """
        self._address = address
        self._clock = clock
        self._letterbox = Letterbox(answers)
        self._own_name = own_name
        self._timeouts = (command_timeout, data_timeout)
        self._tls_context = tls_context
        self._start_tls = address.start_tls(plaintext=plaintext)
        self._domains = DomainLimits(limits, clock)
        self._connections = MailConnections(self._client, clock, most=connections, mails=mails, patience=data_timeout)

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
        self._domains.share.part = work.share
        delivery = Delivery(work, go)
        closings, aside = _Closings(delivery), deque[int]()
        async with asyncio.TaskGroup() as group:
            for _ in range(min(len(self._connections), len(work.contacts))):
                group.create_task(self._work_off(delivery, closings, aside))
        closings.end()
        return delivery.handed_over()

    def held_back(self) -> HeldBack:
        """Return what waits for the limits of receiving domains."""
        return self._domains.held_back()

    async def close(self) -> None:
        """Take leave of the server."""
        await self._connections.close()

    async def _work_off(self, delivery: Delivery, closings: "_Closings", aside: deque[int]) -> None:
        """Send what its domain has a place for now; then what was put aside, each once there is a place."""
        while (row := delivery.next_row()) is not None:
            if self._lane(delivery, row).is_full:
                aside.append(row)
            else:
                await self._send(delivery, row, closings, aside)
        while aside and delivery.goes_on:
            await self._send(delivery, aside.popleft(), closings, aside)

    async def _send(self, delivery: Delivery, row: int, closings: "_Closings", aside: deque[int]) -> None:
        """Send one mail in its domain's turn, or put it back into the queue where that comes later."""
        if mailbox(delivery.work.contacts[row].email) is None:
            delivery.ended(row, _NO_RECIPIENT)
            return
        lane = self._lane(delivery, row)
        async with lane.place():
            wait, back = lane.turn(delivery.work.round.key(row))
            if back:
                delivery.ended(row, back)
                return
            if wait:
                await asyncio.sleep(wait)
            result = await self._sent(delivery, row, aside)
        if result:
            lane.saw(result, slows=id(result) in _SLOWING)
            closings.saw(result)
            delivery.ended(row, result)

    async def _sent(self, delivery: Delivery, row: int, aside: deque[int]) -> Result | None:
        """Send one mail over the next free connection; returns None where it did not begin, or cannot be made."""
        connection = await self._connections.take()
        try:
            mail = delivery.made(row, self._mail) if delivery.goes_on else None
            return await self._connections.send(connection, mail, delivery.has_turn) if mail else None
        except CrowdedError:
            aside.append(row)
            self._connections.retire(connection)
        except ServerDownError:
            delivery.outage = Outage()
        finally:
            self._connections.give_back(connection)
        return None

    def _lane(self, delivery: Delivery, row: int) -> Lane:
        return self._domains.lane(domain_of(delivery.work.contacts[row]))

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
        self._answered = self._answered or result is not CLOSED
        self._in_a_row = self._in_a_row + 1 if result is CLOSED else 0
        if self._in_a_row >= _CLOSED_IN_A_ROW:
            self._delivery.outage = Outage()

    def end(self) -> None:
        """Leave the server alone as well where it closed at two recipients or more and answered about none."""
        if self._in_a_row > 1 and not self._answered:
            self._delivery.outage = self._delivery.outage or Outage()
