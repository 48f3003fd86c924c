"""What DNS and the mail server say of the names that e-mails go out under: whether receivers will believe them.

Bulk receivers ask for SPF (RFC 7208), DKIM (RFC 6376), DMARC with one of them aligned (RFC 7489), a name that leads
back (PTR), and TLS. Nothing is sent.
"""

import asyncio
import base64
import ipaddress
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Sequence
from datetime import UTC, datetime
from email.utils import parseaddr
from typing import Any

import aiosmtplib
import dns.asyncresolver
import dns.exception
import dns.resolver
import dns.reversename
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from services.cli.finding import Finding, fault, look, well
from services.core.transport import is_local
from services.dispatch.mail_config import EmailConfig, SmtpAddress

__all__ = ["Names", "mail_findings"]

_PATIENCE = 5.0  # seconds for each question: a person is waiting
_WEAK_BITS = 1024  # of RSA; RFC 8301 asks for 1024 at least, and 2048 where it can be
_SOON = 14  # days before its end at which somebody should renew a certificate


class Names:
    """Asks DNS: the servers that this machine asks, or those named, `address[:port]` each."""

    def __init__(self, servers: Sequence[str] = ()) -> None:
        self._resolver = dns.asyncresolver.Resolver(configure=not servers)
        if servers:
            hosts = [server.rpartition(":") if server.count(":") == 1 else (server, "", "53") for server in servers]
            self._resolver.nameservers = [host for host, _, _ in hosts]
            self._resolver.nameserver_ports = {host: int(port) for host, _, port in hosts}
        self._resolver.lifetime = _PATIENCE

    async def texts(self, name: str) -> list[str]:
        """Return the TXT records of a name. Raises dns.exception.DNSException where nobody answers."""
        return [b"".join(one.strings).decode("utf-8", "replace") for one in await self._ask(name, "TXT")]

    async def exchanges(self, name: str) -> list[str]:
        """Return the hosts that take a domain's mail; one without name says that none does (RFC 7505)."""
        return [str(one.exchange).rstrip(".") for one in await self._ask(name, "MX")]

    async def addresses(self, name: str) -> list[str]:
        """Return the addresses of a host."""
        found = [*await self._ask(name, "A"), *await self._ask(name, "AAAA")]
        return [one.address for one in found]

    async def names_of(self, address: str) -> list[str]:
        """Return the names that an address leads back to."""
        return [
            str(one.target).rstrip(".") for one in await self._ask(str(dns.reversename.from_address(address)), "PTR")
        ]

    async def _ask(self, name: str, kind: str) -> list[Any]:
        try:
            return list(await self._resolver.resolve(name, kind, search=False))
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []


async def mail_findings(config: EmailConfig, names: Names, selectors: Sequence[str]) -> AsyncIterator[Finding]:
    """Say how e-mails will be taken with these settings; `selectors` are those of the relay's keys."""
    if config.mail_from is None:
        yield look("mail sender", "HERAUT_MAIL_FROM is not set: each incident's controller sends, and is not checked")
        return
    sender = _domain(config.mail_from)
    bounces = _domain(config.smtp_bounces or config.mail_from)
    for name, check in (
        ("SPF", _spf(names, bounces)),
        ("DKIM", _dkim(names, sender, selectors)),
        ("DMARC", _dmarc(names, sender, bounces)),
        *((f"MX of {domain}", _mx(names, domain)) for domain in dict.fromkeys((sender, bounces))),
    ):
        yield await _found(name, check)
    if config.smtp_url is not None and config.email_provider == "smtp":
        yield await _found("PTR", _ptr(names, config.smtp_url.host))
        yield await _found("mail TLS", _tls(config.smtp_url))


def _domain(address: str) -> str:
    return parseaddr(address)[1].rpartition("@")[2].lower()


async def _found(name: str, check: Awaitable[Finding]) -> Finding:
    try:
        async with asyncio.timeout(2 * _PATIENCE):
            return await check
    except (dns.exception.DNSException, TimeoutError) as error:
        return fault(name, f"DNS does not answer: {type(error).__name__}")


async def _spf(names: Names, domain: str) -> Finding:
    found = [text for text in await names.texts(domain) if re.match(r"v=spf1( |$)", text)]
    if len(found) != 1:
        return fault("SPF", f"{domain} has {len(found) or 'no'} records v=spf1: it is to have one")
    last = found[0].split()[-1].lower()
    if last in {"+all", "all"}:
        return fault("SPF", f"{domain} lets everybody send in its name (+all)")
    if last not in {"-all", "~all"} and not last.startswith("redirect="):
        return look("SPF", f"{domain} says nothing of other servers: end its record with -all or ~all")
    return well("SPF", f"{domain}: {last}")


async def _dkim(names: Names, domain: str, selectors: Sequence[str]) -> Finding:
    if not selectors:
        return look("DKIM", "HERAUT_MAIL_SELECTORS is not set: which keys the mail server signs with is not known")
    weak = []
    for selector in selectors:
        name = f"{selector}._domainkey.{domain}"
        tags = next((tags for text in await names.texts(name) if "p" in (tags := _tags(text))), None)
        if tags is None:
            return fault("DKIM", f"{name} has no key")
        bits = _bits(tags["p"]) if tags["p"] else 0
        if not bits:
            return fault("DKIM", f"{name}: the key was taken back, or cannot be read")
        if bits < _WEAK_BITS:
            return fault("DKIM", f"{name}: {bits} bits are too few")
        weak += [selector] if bits == _WEAK_BITS else []
    told = f"{domain}: {', '.join(selectors)}"
    return look("DKIM", f"{told}; {', '.join(weak)} has 1024 bits: 2048 are asked for") if weak else well("DKIM", told)


def _tags(record: str) -> dict[str, str]:
    """Read `name=value; ...` (RFC 6376, 3.2)."""
    pairs = (part.partition("=") for part in record.split(";"))
    return {name.strip().lower(): "".join(value.split()) for name, sign, value in pairs if sign}


def _bits(key: str) -> int:
    """Return the size of a public key: RSA's own, an Ed25519 key (RFC 8463) as strong as 3072; 0 = unreadable."""
    try:
        raw = base64.b64decode(key, validate=True)
        if len(raw) == 32:
            return 3072
        found = load_der_public_key(raw)
    except ValueError:
        return 0
    return found.key_size if isinstance(found, RSAPublicKey) else 0


async def _dmarc(names: Names, sender: str, bounces: str) -> Finding:
    """Find the record that holds for a domain: its own, or that of the nearest domain above it."""
    labels = sender.split(".")
    for at in range(len(labels) - 1):
        domain = ".".join(labels[at:])
        found = [text for text in await names.texts(f"_dmarc.{domain}") if re.match(r"v\s*=\s*DMARC1\s*(;|$)", text)]
        if len(found) > 1:
            return fault("DMARC", f"_dmarc.{domain} has {len(found)} records: receivers then take none")
        if found:
            return _policy(domain, _tags(found[0]), sender, bounces)
    return fault("DMARC", f"{sender} has no record, nor has a domain above it: large receivers refuse bulk mail then")


def _policy(domain: str, tags: dict[str, str], sender: str, bounces: str) -> Finding:
    strict = tags.get("aspf", "r").lower() == "s"
    aligned = sender == bounces if strict else bounces == domain or bounces.endswith(f".{domain}")
    policy = tags.get("sp" if domain != sender and "sp" in tags else "p", "").lower()
    if policy not in {"none", "quarantine", "reject"}:
        return fault("DMARC", f"_dmarc.{domain} has no policy (p=)")
    if not aligned:
        words = f"{bounces} (bounces) is not aligned with {sender}: SPF counts for nothing, DKIM has to hold alone"
        return look("DMARC", words)
    if policy == "none":
        return look("DMARC", f"_dmarc.{domain}: p=none, so anybody may write in this name")
    return well("DMARC", f"_dmarc.{domain}: p={policy}")


async def _mx(names: Names, domain: str) -> Finding:
    name, hosts = f"MX of {domain}", await names.exchanges(domain)
    if "" in hosts:
        return fault(name, "it takes no mail: answers and bounces are lost")
    if not hosts:
        there = await names.addresses(domain)
        return (
            look(name, "none, its own address is used") if there else fault(name, "none: answers and bounces are lost")
        )
    dead = [host for host in hosts if not await names.addresses(host)]
    return fault(name, f"{', '.join(dead)} has no address") if dead else well(name, ", ".join(hosts))


async def _ptr(names: Names, host: str) -> Finding:
    """Say whether the relay's addresses lead back to it. From which of them it sends on, only it knows."""
    if is_local(host):
        return look("PTR", "the mail server is on this machine: from which address it sends on is not known here")
    there = [host] if _is_address(host) else await names.addresses(host)
    if not there:
        return fault("PTR", f"{host} has no address")
    for address in there:
        named = await names.names_of(address)
        if not any([address in await names.addresses(name) for name in named]):
            return fault("PTR", f"{address} leads back to {', '.join(named) or 'no name'}, and that not to it")
    return well("PTR", f"{host}: {', '.join(there)} lead back")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


async def _tls(url: SmtpAddress, tls: ssl.SSLContext | None = None) -> Finding:
    """Say whether the mail server proves who it is, and until when."""
    client = aiosmtplib.SMTP(
        hostname=url.host, port=url.port, use_tls=url.tls, start_tls=not url.tls, tls_context=tls, timeout=_PATIENCE
    )
    try:
        await client.connect()
    except (aiosmtplib.SMTPException, ssl.SSLError) as error:
        if is_local(url.host):
            return look("mail TLS", "on this machine, without TLS that proves who answers")
        return fault("mail TLS", f"no TLS that proves who answers: {type(error).__name__}")
    except OSError as error:
        return fault("mail TLS", f"cannot be reached: {error.strerror or type(error).__name__}")
    shown = client.get_transport_info("peercert") or {}
    version = getattr(client.get_transport_info("ssl_object"), "version", lambda: "TLS")()
    client.close()
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(shown["notAfter"])), UTC)
    days = (ends - datetime.now(UTC)).days
    words = f"{version}, until {ends:%d %B %Y}"
    return look("mail TLS", words) if days < _SOON else well("mail TLS", words)
