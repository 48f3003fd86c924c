"""Makes what the Kafka of docker-compose.yml and its clients read: who logs in, by which certificate, and who may what.

`secret_files.py` calls it. Passwords that are there stay; what is made of them is made anew. To let a source write to a
topic of its own (`heraut principal add --topic --kafka-user U`), put a password of letters and digits into the file
`kafka_source_U` of the secrets, run `docker compose run --rm secrets` again, and restart kafka.
"""

import secrets
from collections.abc import Mapping
from pathlib import Path

from deploy.kafka import broker, enforcing
from services.core.rooms import ROOMS

__all__ = ["EXPORTER", "HEALTH", "HOST", "OPERATOR", "PORT", "client", "configuration", "make", "users"]

HOST, PORT = "kafka", 9092
OPERATOR = "heraut"  # who makes topics and gives rights to them: `heraut topics` alone logs in as this one
HEALTH = "heraut-health"  # who may log in and no more
EXPORTER = "heraut-exporter"  # who may see which topics and groups there are, and how far they are
_DATA = Path("/var/lib/kafka/data")
_MOUNTED = Path("/run/secrets")

# How the broker's own health check logs in, and the operator; the tools of Kafka read it.
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
    for name in [
        "kafka_password",
        "kafka_password_health",
        "kafka_password_exporter",
        *(f"kafka_password_{room}" for room in ROOMS),
    ]:
        if not (folder / name).exists():
            _write(folder / name, secrets.token_hex(24))
    known = users(folder)
    certificates = enforcing.Certificates(_MOUNTED / "certificate_kafka", _MOUNTED / "authority")
    _write(folder / "kafka_server", configuration(known, certificates))
    for name, user in (("kafka_client", HEALTH), ("kafka_operator", OPERATOR)):
        _write(folder / name, client(user, known[user], certificates.authority))


def users(folder: Path) -> dict[str, str]:
    """Return the users that the broker lets in, each with its password; the first one has no limits."""
    rooms = {f"{OPERATOR}-{room}": f"kafka_password_{room}" for room in ROOMS}
    sources = {path.name.removeprefix("kafka_source_"): path.name for path in sorted(folder.glob("kafka_source_*"))}
    files = {
        OPERATOR: "kafka_password",
        HEALTH: "kafka_password_health",
        EXPORTER: "kafka_password_exporter",
        **rooms,
        **sources,
    }
    return {user: (folder / name).read_text(encoding="utf-8").strip() for user, name in files.items()}


def client(user: str, password: str, authority: Path) -> str:
    """Return how a user logs in, for the tools of Kafka."""
    return _CLIENT.format(user=user, password=password, authority=authority)


def configuration(known: Mapping[str, str], certificates: enforcing.Certificates) -> str:
    """Return the broker's settings: that of `deploy/kafka/enforcing.py`, heard by the other containers."""
    listener = enforcing.listener(known, certificates)
    place = {"data": _DATA, "bind": "", "host": HOST, "port": PORT, "controller_port": PORT + 1}
    return broker.PROPERTIES.format(**place, protocol=listener.protocol, more=listener.properties)


def _write(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
