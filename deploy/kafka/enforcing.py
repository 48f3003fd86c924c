"""A broker like that of `broker.py` that enforces access rights: users log in, and may do what an ACL allows them.

    python -m deploy.kafka.enforcing --users USERS.json [--dir DIR] [--port PORT]     prints host:port when it answers

USERS.json: {"name": "password"}; the first user has no limits. SASL_PLAINTEXT with PLAIN, on the loopback address; with
certificates SASL_SSL.
`broker.py status|stop --dir DIR` ask it and end it. Standard library only.
"""

import argparse
import json
import re
import struct
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.kafka import broker

__all__ = ["DEFAULT_DIR", "Certificates", "listener", "start"]

DEFAULT_DIR = broker.CACHE / "enforcing"
_MECHANISM = "PLAIN"
_WORD = re.compile(r"[A-Za-z0-9_.-]+")  # what needs no quotes in the configuration of a login module

# Brokers and controllers log in like everybody, so nobody is anonymous and needs rights as such.
_PROPERTIES = """\
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:{user}
sasl.enabled.mechanisms=PLAIN
sasl.mechanism.inter.broker.protocol=PLAIN
sasl.mechanism.controller.protocol=PLAIN
listener.name.{protocol}.plain.sasl.jaas.config={module}
listener.name.controller.plain.sasl.jaas.config={module}
"""
# A broker is a client of itself, so it has to trust who signed its own certificate.
_TLS = """\
ssl.keystore.type=PEM
ssl.keystore.location={certificate}
ssl.truststore.type=PEM
ssl.truststore.location={authority}
"""
_MODULE = 'org.apache.kafka.common.security.plain.PlainLoginModule required username="{user}" password="{password}" '


@dataclass(frozen=True)
class Certificates:
    """What a broker shows: a file of key and certificate for its own address, and who signed it. Both are PEM."""

    certificate: Path
    authority: Path


def start(
    users: Mapping[str, str],
    directory: Path = DEFAULT_DIR,
    port: int = 0,
    *,
    outlives_us: bool = True,
    certificates: Certificates | None = None,
) -> str:
    """Start a broker that lets these users in, by name and password, and return its bootstrap address.

    The first user has no limits (`super.users`). A directory keeps the users of its first start. Raises ValueError for
    a name or password that is more than letters, digits and `_.-`, and BrokerUnavailable.
    """
    return broker.start(directory, port, outlives_us=outlives_us, listener=listener(users, certificates))


def listener(users: Mapping[str, str], certificates: Certificates | None = None) -> broker.Listener:
    """Return how a broker listens that lets these users in; see `start`."""
    if not users or not all(_WORD.fullmatch(word) for pair in users.items() for word in pair):
        raise ValueError("users need a name and a password of letters, digits and _.-")
    user, password = next(iter(users.items()))
    known = " ".join(f'user_{name}="{secret}"' for name, secret in users.items())
    module = f"{_MODULE.format(user=user, password=password)}{known};"
    protocol = "SASL_SSL" if certificates else "SASL_PLAINTEXT"
    more = ""
    if certificates:
        more = _TLS.format(certificate=certificates.certificate, authority=certificates.authority)
    return broker.Listener(
        protocol=protocol,
        properties=_PROPERTIES.format(user=user, module=module, protocol=protocol.lower()) + more,
        authority=certificates.authority if certificates else None,
        login=_login(user, password),
        heap="512m",  # it stands beside another broker, and has a few small topics
    )


def _login(user: str, password: str) -> list[bytes]:
    """Return SaslHandshake (version 1) and SaslAuthenticate (version 0), as RFC 4616 has it."""
    mechanism, token = _MECHANISM.encode(), f"\0{user}\0{password}".encode()
    handshake = broker.request(17, 1, struct.pack(">h", len(mechanism)) + mechanism)
    return [handshake, broker.request(36, 0, struct.pack(">i", len(token)) + token)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Start one and return the exit status: 0 = it runs, 2 = none can be started."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=Path, required=True, help="JSON object of names and passwords")
    parser.add_argument("--dir", type=Path, default=DEFAULT_DIR, help="data, log and state (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port to listen at; 0 = any free one (default)")
    options = parser.parse_args(arguments)
    try:
        print(start(json.loads(options.users.read_text(encoding="utf-8")), options.dir, options.port))
    except broker.BrokerUnavailable as error:
        print(f"no Kafka broker: {error.reason}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
