"""Stand-ins for the providers, to try Heraut out: a mail server, a portal and the like that record what they took.

    python -m services.demo.standins --records DIR [--host H] [--smtp-port N, and so for each] [--certificate F]
        [--ready-file F]

They behave as real ones do: the portal takes each Idempotency-Key once and says of closed accounts that they are gone,
and the mail server refuses mailboxes that are. The check reads their records.
"""

import argparse
import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final, Protocol

import orjson
import uvloop
from aiohttp import web
from aiosmtpd.smtp import SMTP, Envelope, Session

from services.core.channel import Channel
from services.demo.made_up.channels import CONTACTS
from services.demo.provider_records import ProviderRecords, read_provider_records, record_file
from services.kit.certificate import OwnPair, listening
from services.kit.files import write_atomically
from services.kit.process import configure_logs, serve_http, stop_on_signals

__all__ = ["STANDINS", "MailHandler", "StandIn", "main", "portal_app"]


class MailHandler:
    """The mail server's answers (the handler of aiosmtpd)."""

    def __init__(self, records: ProviderRecords) -> None:
        self._records = records

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Refuse a mailbox that is gone with a permanent error; take any other."""
        if CONTACTS[Channel.EMAIL].refuses(address):
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Record the message once for each recipient, then accept it."""
        content = envelope.content
        text = content if isinstance(content, str) else (content or b"").decode("utf-8", "replace")
        for recipient in envelope.rcpt_tos:
            self._records.append({"at": _now(), "recipient": recipient, "message": text})
        return "250 OK"


def portal_app(records: ProviderRecords, seen: set[str]) -> web.Application:
    """Return the portal, with the route `POST /messages`. `seen` holds the idempotency keys that it took before."""

    async def take(request: web.Request) -> web.Response:
        key = request.headers.get("Idempotency-Key")
        if not key:
            return web.Response(status=400)
        message = orjson.loads(await request.read())
        if CONTACTS[Channel.PORTAL].refuses(str(message.get("recipient", ""))):
            return web.Response(status=410)
        if key in seen:
            return web.Response(status=409)
        seen.add(key)
        records.append({"at": _now(), "key": key, **message})
        return web.Response(status=201)

    app = web.Application()
    app.add_routes([web.post("/messages", take)])
    return app


def _now() -> int:
    return time.time_ns() // 1_000_000


@asynccontextmanager
async def _mail_server(
    records: ProviderRecords, host: str, port: int, tls: ssl.SSLContext | None = None
) -> AsyncIterator[str]:
    handler = MailHandler(records)
    server = await asyncio.get_running_loop().create_server(lambda: _smtp(handler), host, port, ssl=tls)
    async with server:
        host, port = server.sockets[0].getsockname()[:2]
        yield f"smtp{'s' if tls else ''}://{host}:{port}"


def _smtp(handler: MailHandler) -> SMTP:
    # No limit on the size of a message. Without a host name the library would look one up, which may take seconds.
    return SMTP(handler, hostname="standins", enable_SMTPUTF8=True, data_size_limit=None, timeout=300)


def _portal(
    records: ProviderRecords, host: str, port: int, tls: ssl.SSLContext | None = None
) -> AbstractAsyncContextManager[str]:
    seen = {record["key"] for record in read_provider_records(records.path)}
    return serve_http(portal_app(records, seen), host, port, tls=tls)


class _Serve(Protocol):
    """Listens at a host and a port, under TLS where a context is given, and gives the address."""

    def __call__(
        self, records: ProviderRecords, host: str, port: int, tls: ssl.SSLContext | None = None
    ) -> AbstractAsyncContextManager[str]: ...


@dataclass(frozen=True, slots=True)
class StandIn:
    """The stand-in of one channel's provider.

    `setting` is the setting of Heraut for its address.
    """

    name: str
    setting: str
    serve: _Serve


STANDINS: Final[Mapping[Channel, StandIn]] = MappingProxyType(
    {
        Channel.EMAIL: StandIn("smtp", "HERAUT_SMTP_URL", _mail_server),
        Channel.PORTAL: StandIn("portal", "HERAUT_PORTAL_URL", _portal),
    }
)


async def _serve(arguments: argparse.Namespace) -> None:
    """Run all stand-ins until SIGTERM. Their addresses are told by the settings of Heraut that name them."""
    arguments.records.mkdir(parents=True, exist_ok=True)
    stop = asyncio.Event()
    stop_on_signals(stop)
    addresses: dict[str, str] = {}
    kept: list[ProviderRecords] = []
    file = arguments.certificate
    tls = listening(OwnPair(file, file, "--certificate")) if file else None
    async with AsyncExitStack() as running:
        for channel, one in STANDINS.items():
            records = ProviderRecords(record_file(arguments.records, channel))
            running.callback(records.close)
            kept.append(records)
            serving = one.serve(records, arguments.host, getattr(arguments, f"{one.name}_port"), tls)
            addresses[one.setting] = await running.enter_async_context(serving)
        _tell(addresses, arguments.ready_file)
        async with asyncio.TaskGroup() as group:
            for records in kept:
                group.create_task(records.sync_regularly(stop))


def _tell(addresses: dict[str, str], ready_file: Path | None) -> None:
    """Print the addresses, and write them to the ready file where one is wanted."""
    text = orjson.dumps(addresses).decode()
    print(text, flush=True)  # noqa: T201 - a program of its own says where it listens
    if ready_file:
        write_atomically(ready_file, text)


def main(argv: Sequence[str] | None = None) -> None:
    """Run all stand-ins until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m services.demo.standins")
    parser.add_argument("--host", default="127.0.0.1")
    for one in STANDINS.values():
        parser.add_argument(f"--{one.name}-port", type=int, default=0, help="0 = any free port")
    parser.add_argument("--records", type=Path, required=True, help="folder of the record files")
    parser.add_argument("--certificate", type=Path, help="file of key and certificate; unset = in the open")
    parser.add_argument("--ready-file", type=Path, help="where to write the addresses listened at")
    configure_logs("standins", "warning")
    uvloop.run(_serve(parser.parse_args(argv)))


if __name__ == "__main__":
    main()
