"""One rule for every peer: it is on this machine, or it is spoken to under TLS that proves who it is, or it is named.

A peer that is named in HERAUT_ALLOW_PLAINTEXT may be reached in plain text; its operator answers for the way there.
"""

import ipaddress
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

__all__ = ["PEERS", "Peer", "brokers_peer", "callers_peer", "collector_peer", "database_peer", "is_local"]

PEERS: Final = ("smtp", "postgres", "kafka", "portal", "http", "otlp")


@dataclass(frozen=True, slots=True)
class Peer:
    """Whom a setting leads to, by one of the words of PEERS.

    `secured`: it has to prove who it is, under TLS, before anything is sent. `remedy` is what would make it so.
    No hosts: it is on this machine. `known_by` says who is known by what, where the settings say it.
    """

    word: str
    setting: str
    hosts: tuple[str, ...]
    secured: bool
    remedy: str
    known_by: str = ""

    @property
    def is_here(self) -> bool:
        """Whether it is on this machine."""
        return all(is_local(host) for host in self.hosts)

    def fault(self, allowed: Collection[str]) -> str | None:
        """Return what is wrong with how it would be reached, None where nothing is. It repeats no address."""
        if self.secured or self.is_here or self.word in allowed:
            return None
        return (
            f"{self.setting}: leads beyond this machine without TLS that proves who answers: {self.remedy};"
            f" or HERAUT_ALLOW_PLAINTEXT={self.word}, where the way there is safe"
        )

    def way(self) -> str:
        """Return how it is reached, in words. It has no fault."""
        known_by = f"; {self.known_by}" if self.known_by else ""
        if self.secured:
            return f"{self.setting}: TLS, verified{known_by}"
        if self.is_here:
            return f"{self.setting}: on this machine{known_by}"
        return f"{self.setting}: plain text, as HERAUT_ALLOW_PLAINTEXT={self.word} permits{known_by}"


def is_local(host: str) -> bool:
    """Tell whether a host is this machine: a loopback address or its name (RFC 6761, 6.3)."""
    name = host.strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def database_peer(setting: str, url: str) -> Peer:
    """Return whom the URL of a database leads to, read as asyncpg reads it.

    Only `verify-full` holds the name in the certificate against the host's: with `verify-ca` whoever has any
    certificate of the same authority may answer, with `require` whoever has made one. The authority is to be named
    too, as asyncpg would take that of a file in somebody's home. A URL without a host leads where PGHOST or a service
    file says, so nobody knows where.
    """
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    given = parts.netloc.partition("@")[2] if "@" in parts.netloc else parts.netloc
    named = [unquote(one) for one in given.split(",")] if given else query.get("host", "").split(",")
    hosts = tuple(_host_of(one) for one in named if not one.startswith("/"))
    return Peer(
        "postgres",
        setting,
        hosts,
        secured=query.get("sslmode") == "verify-full" and bool(query.get("sslrootcert")),
        remedy="name a host, with sslmode=verify-full and sslrootcert=<file of its authority>",
    )


def brokers_peer(setting: str, servers: str, protocol: str) -> Peer:
    """Return whom the addresses of Kafka's brokers lead to; their client verifies certificates and names."""
    hosts = tuple(_host_of(one.strip()) for one in servers.split(","))
    remedy = "HERAUT_KAFKA_SECURITY_PROTOCOL is to be SSL or SASL_SSL"
    return Peer("kafka", setting, hosts, secured=protocol in {"SSL", "SASL_SSL"}, remedy=remedy)


def callers_peer(setting: str, host: str, *, secured: bool) -> Peer:
    """Return who comes in at an address of ours, or whom the command line calls there."""
    return Peer("http", setting, (host,), secured, "HERAUT_TLS_CERT and HERAUT_TLS_KEY are to be set")


def collector_peer(setting: str, url: str) -> Peer:
    """Return who is given traces."""
    parts = urlsplit(url)
    return Peer("otlp", setting, (parts.hostname or "",), parts.scheme == "https", "its URL is to be https://")


def _host_of(address: str) -> str:
    """Return the host of `host[:port]` or `[address][:port]`."""
    return address[1:].partition("]")[0] if address.startswith("[") else address.partition(":")[0]
