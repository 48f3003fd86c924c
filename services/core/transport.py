"""One rule for every peer: it is on this machine, or it is spoken to under TLS that proves who it is, or it is named.

A peer that is named in HERAUT_ALLOW_PLAINTEXT may be reached in plain text; its operator answers for the way there.
"""

import ipaddress
from collections.abc import Collection
from typing import Final

__all__ = ["PEERS", "is_local", "plaintext_fault"]

PEERS: Final = ("smtp", "portal")


def is_local(host: str) -> bool:
    """Tell whether a host is this machine: a loopback address or its name (RFC 6761, 6.3)."""
    name = host.strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def plaintext_fault(peer: str, setting: str, host: str, *, secured: bool, allowed: Collection[str]) -> str | None:
    """Return what is wrong with how a peer would be reached, None where nothing is."""
    if secured or is_local(host) or peer in allowed:
        return None
    return f"{setting}: leads beyond this machine without TLS; HERAUT_ALLOW_PLAINTEXT={peer} would permit it"
