"""Makes what the Kafka of docker-compose.yml and its clients read: who logs in, by which certificate, and who may what.

    python -m deploy.compose.kafka FOLDER

`secrets.sh` runs it. Passwords and certificates that are there stay; what is made of them is made anew. To let a source
write to a topic of its own (`heraut principal add --topic --kafka-user U`), put a password of letters and digits into
FOLDER/kafka_source_U, run `secrets.sh` again, and restart kafka.
"""

import secrets
import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from deploy.certificates import Authority
from deploy.kafka import broker, enforcing
from services.core.rooms import ROOMS

__all__ = ["HEALTH", "HOST", "OPERATOR", "PORT", "configuration", "make", "users"]

HOST, PORT = "kafka", 9092
OPERATOR = "heraut"  # who makes topics and gives rights to them: `heraut topics` alone logs in as this one
HEALTH = "heraut-health"  # who may log in and no more
_DATA = Path("/var/lib/kafka/data")
_MOUNTED = Path("/run/secrets")
# A broker is restarted for a new one. The authority's key is not kept, so a new one comes with a new authority.
_LIFETIME = timedelta(days=5 * 365)

# How the broker's own health check logs in; the tools of Kafka read it.
_CLIENT = """\
security.protocol=SASL_SSL
sasl.mechanism=PLAIN
sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
username="{user}" password="{password}";
ssl.truststore.type=PEM
ssl.truststore.location={authority}
"""


def make(folder: Path) -> None:
    """Make what is missing in a folder, and the broker's and its health check's settings anew."""
    for name in ["kafka_password", "kafka_password_health", *(f"kafka_password_{room}" for room in ROOMS)]:
        if not (folder / name).exists():
            _write(folder / name, secrets.token_hex(24))
    if not (folder / "kafka_certificate").exists():
        authority = Authority("Heraut's Kafka", _LIFETIME)
        _write(folder / "kafka_authority", authority.pem.decode())
        _write(folder / "kafka_certificate", authority.signed(HOST, [HOST, "localhost", "127.0.0.1"]).decode())
    known = users(folder)
    certificates = enforcing.Certificates(_MOUNTED / "kafka_certificate", _MOUNTED / "kafka_authority")
    _write(folder / "kafka_server", configuration(known, certificates))
    client = _CLIENT.format(user=HEALTH, password=known[HEALTH], authority=certificates.authority)
    _write(folder / "kafka_client", client)


def users(folder: Path) -> dict[str, str]:
    """Return the users that the broker lets in, each with its password; the first one has no limits."""
    rooms = {f"{OPERATOR}-{room}": f"kafka_password_{room}" for room in ROOMS}
    sources = {path.name.removeprefix("kafka_source_"): path.name for path in sorted(folder.glob("kafka_source_*"))}
    files = {OPERATOR: "kafka_password", HEALTH: "kafka_password_health", **rooms, **sources}
    return {user: (folder / name).read_text(encoding="utf-8").strip() for user, name in files.items()}


def configuration(known: Mapping[str, str], certificates: enforcing.Certificates) -> str:
    """Return the broker's settings: that of `deploy/kafka/enforcing.py`, heard by the other containers."""
    listener = enforcing.listener(known, certificates)
    place = {"data": _DATA, "bind": "", "host": HOST, "port": PORT, "controller_port": PORT + 1}
    return broker.PROPERTIES.format(**place, protocol=listener.protocol, more=listener.properties)


def _write(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)  # one that is there may be read alone
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")


def main(arguments: Sequence[str]) -> int:
    """Make all in the folder given."""
    if len(arguments) != 1:
        print("usage: python -m deploy.compose.kafka FOLDER", file=sys.stderr)
        return 2
    make(Path(arguments[0]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
