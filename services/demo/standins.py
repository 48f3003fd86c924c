"""Stand-ins for the providers, to try Heraut out: a mail server and a portal that record what they took.

    python -m services.demo.standins --records DIR [--host H] [--smtp-port N] [--portal-port N] [--ready-file F]

They behave as real ones do: the portal takes each Idempotency-Key once and does not know closed accounts, and the mail
server refuses mailboxes that are gone. The check reads their records.
"""

import argparse
import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

import orjson
import uvloop
from aiohttp import web
from aiosmtpd.smtp import SMTP, Envelope, Session

from services.demo.made_up.people import CLOSED_PORTAL, DEAD_MAILBOX
from services.demo.provider_records import EMAIL_FILE, PORTAL_FILE, ProviderRecords, read_provider_records
from services.kit.files import write_atomically
from services.kit.process import configure_logs, serve_http, stop_on_signals

__all__ = ["MailHandler", "main", "portal_app"]


class MailHandler:
    """The mail server's answers (the handler of aiosmtpd)."""

    def __init__(self, records: ProviderRecords) -> None:
        self._records = records

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Refuse a mailbox that is gone with a permanent error; take any other."""
        if address.startswith(DEAD_MAILBOX):
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
        if str(message.get("recipient", "")).startswith(CLOSED_PORTAL):
            return web.Response(status=404)
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


async def _serve(arguments: argparse.Namespace) -> None:
    arguments.records.mkdir(parents=True, exist_ok=True)
    stop = asyncio.Event()
    stop_on_signals(stop)
    mail, portal = (ProviderRecords(arguments.records / name) for name in (EMAIL_FILE, PORTAL_FILE))
    seen = {record["key"] for record in read_provider_records(arguments.records / PORTAL_FILE)}
    handler = MailHandler(mail)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _smtp(handler), arguments.host, arguments.smtp_port)
    async with server, serve_http(portal_app(portal, seen), arguments.host, arguments.portal_port) as portal_url:
        host, port = server.sockets[0].getsockname()[:2]
        _tell({"smtp": f"smtp://{host}:{port}", "portal": portal_url}, arguments.ready_file)
        async with asyncio.TaskGroup() as group:
            group.create_task(mail.sync_regularly(stop))
            group.create_task(portal.sync_regularly(stop))
    mail.close()
    portal.close()


def _smtp(handler: MailHandler) -> SMTP:
    # No limit on the size of a message. Without a host name the library would look one up, which may take seconds.
    return SMTP(handler, hostname="standins", enable_SMTPUTF8=True, data_size_limit=None, timeout=300)


def _tell(addresses: dict[str, str], ready_file: Path | None) -> None:
    """Print the addresses, and write them to the ready file where one is wanted."""
    text = orjson.dumps(addresses).decode()
    print(text, flush=True)  # noqa: T201 - a program of its own says where it listens
    if ready_file:
        write_atomically(ready_file, text)


def main(argv: Sequence[str] | None = None) -> None:
    """Run both stand-ins until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m services.demo.standins")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--smtp-port", type=int, default=0, help="0 = any free port")
    parser.add_argument("--portal-port", type=int, default=0, help="0 = any free port")
    parser.add_argument("--records", type=Path, required=True, help="folder of the record files")
    parser.add_argument("--ready-file", type=Path, help="where to write the addresses listened at")
    configure_logs("standins", "warning")
    uvloop.run(_serve(parser.parse_args(argv)))


if __name__ == "__main__":
    main()
