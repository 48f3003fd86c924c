"""The table of stand-ins: real servers that play the providers, record what they took, and misbehave as told.

`python -m services.demo.standins` runs them. A further channel is a module here and a line in the table.
"""

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Protocol

from services.core.channel import Channel
from services.demo.made_up.channels import CONTACTS
from services.demo.provider_records import ProviderRecords, read_provider_records
from services.demo.standins.control import Controlled
from services.demo.standins.mail import MailServer
from services.demo.standins.portal import PortalServer

__all__ = ["CONTROL", "STANDINS", "StandIn"]

CONTROL: Final = "control"  # beside the settings, in what is told of addresses: where stand-ins are told what to do

Served = tuple[str, Controlled]  # the address, and the server behind it


@asynccontextmanager
async def _mail_server(
    records: ProviderRecords, host: str, port: int, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Served]:
    async with MailServer(records, CONTACTS[Channel.EMAIL].refuses).serve(host, port, tls) as server:
        yield f"smtp{'s' if tls else ''}://{host}:{server.port}", server


@asynccontextmanager
async def _portal(
    records: ProviderRecords, host: str, port: int, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Served]:
    seen = {record["key"] for record in read_provider_records(records.path)}
    async with PortalServer(records, seen, CONTACTS[Channel.PORTAL].refuses).serve(host, port, tls) as server:
        yield server.url, server


class _Serve(Protocol):
    """Listens at a host and a port, under TLS where a context is given."""

    def __call__(
        self, records: ProviderRecords, host: str, port: int, tls: ssl.SSLContext | None = None
    ) -> AbstractAsyncContextManager[Served]: ...


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
