"""The mail server that bounces are sent on to: it hears what became of mails, and says yes once that is kept for good.

An operator lets the mail server of the bounce domain pass it on here. So nothing lies in files that two programs share,
and what cannot be kept now stays with a mail server, which asks again for days.
"""

import asyncio
import logging
import ssl
from collections.abc import Sequence
from typing import cast

from aiosmtpd.smtp import SMTP, Envelope, Session

from services.core.channel import Channel
from services.core.clock import Clock
from services.core.receipts import Receipt, ReceiptKind, ReceiptReason
from services.core.return_path import ReturnTag, read_return_address
from services.dispatch.blame import Blame
from services.dispatch.bounces.keeping import keep
from services.dispatch.bounces.reports import Ignored, Report, read_report
from services.dispatch.metrics import DispatchMetrics
from services.kit.stage import StageHandle
from services.kit.vault import KeyRing
from services.wire.references import References

__all__ = ["Bounces"]

logger = logging.getLogger(__name__)

# A report has the headers of our mail, or all of it: some tens of kilobytes. What is longer is no report of ours.
_MOST_BYTES = 2_000_000
_SECONDS = 60.0  # that a client may be silent: mail servers answer at once
_CONNECTIONS = 50  # of mail servers that pass on: a few each
_TAKEN, _LATER = "250 2.0.0 OK", "451 4.3.0 it cannot be kept now"
_NO_MAILBOX = "550 5.1.1 no such mailbox"
_OURS = frozenset({Blame.SENDER, Blame.PROVIDER, Blame.CONTENT})


class Bounces:
    """What is heard of mails, at the mailbox of bounces and at each mail's own address there."""

    def __init__(
        self,
        mailbox: str,
        keys: KeyRing,
        *,
        stage: StageHandle,
        channel: Channel,
        clock: Clock,
        metrics: DispatchMetrics,
    ) -> None:
        self._mailbox, self._stage, self._channel = mailbox, stage, channel
        self._clock, self._metrics = clock, metrics
        self.port = 0  # that it listens at
        self._references = [References(key) for key in keys.peppers.get("reference", {}).values()]

    async def serve(
        self, host: str, port: int, stop: asyncio.Event, *, own_name: str, tls: ssl.SSLContext | None, must: bool
    ) -> None:
        """Listen until `stop`; `must`: nothing is taken without TLS."""
        connections: set[object] = set()

        def protocol() -> SMTP:
            return _Server(self, connections, own_name, tls, must=must)

        async with await asyncio.get_running_loop().create_server(protocol, host, port) as server:
            self.port = server.sockets[0].getsockname()[1]
            await stop.wait()

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: Sequence[str]
    ) -> str:
        """Take what comes to the mailbox, or to an address that we gave a mail. Nobody else can send anything here."""
        if self._proved(address) is None and address.lower() != self._mailbox.lower():
            self._metrics.reported("forged")
            return _NO_MAILBOX
        envelope.rcpt_tos.append(address)
        return _TAKEN

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Read a report, and keep what it says before it is acknowledged."""
        content = envelope.content
        report = await asyncio.to_thread(read_report, content if isinstance(content, bytes) else b"")
        if isinstance(report, Ignored):
            self._metrics.reported(report.value)
            return _TAKEN
        tags = [tag for address in (*envelope.rcpt_tos, *report.addresses) if (tag := self._proved(address))]
        if not tags:
            self._metrics.reported("forged")
            return _TAKEN
        return await self._keep(report, sorted(set(tags)))

    def _proved(self, address: str) -> ReturnTag | None:
        """Return whose mail an address is of; None where we did not give it."""
        tag = read_return_address(self._mailbox, address)
        if tag is None:
            return None
        named = (references.of_all([tag.notice])[0] for references in self._references)
        return tag if any(tag.is_proved_by(reference) for reference in named) else None

    async def _keep(self, report: Report, tags: Sequence[ReturnTag]) -> str:
        at = int(self._clock.now().timestamp() * 1000)
        receipts = [
            Receipt(tag.notice, int(self._channel), tag.attempt, report.kind, at, report.reason) for tag in tags
        ]
        if not await keep(self._stage, receipts):
            return _LATER
        self._tell(report)
        return _TAKEN

    def _tell(self, report: Report) -> None:
        self._metrics.reported(_kind(report))
        if report.blame in _OURS:
            logger.error("a mail came back through no fault of its recipient", extra={"blame": report.blame})


def _kind(report: Report) -> str:
    if report.kind is not ReceiptKind.BOUNCED:
        return report.kind.name.lower()
    words = {ReceiptReason.HARD: "bounced-hard", ReceiptReason.SOFT: "bounced-soft"}
    return words.get(report.reason, "bounced-ours")


class _Server(SMTP):
    """One connection, unless there are too many."""

    def __init__(
        self, handler: Bounces, connections: set[object], own_name: str, tls: ssl.SSLContext | None, *, must: bool
    ) -> None:
        super().__init__(
            handler,
            hostname=own_name,
            ident="mail",
            data_size_limit=_MOST_BYTES,
            timeout=_SECONDS,
            enable_SMTPUTF8=True,
            tls_context=tls,
            require_starttls=must,
        )
        self._connections = connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a connection, or say that there are too many."""
        if self.transport is None and len(self._connections) >= _CONNECTIONS:
            cast("asyncio.Transport", transport).write(b"421 4.3.2 too many connections\r\n")
            transport.close()
            return
        self._connections.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        """Let go of a connection."""
        if self in self._connections:
            self._connections.discard(self)
            super().connection_lost(error)
