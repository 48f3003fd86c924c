"""Settings from the environment into frozen dataclasses: strict, and every fault in one error."""

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar
from urllib.parse import urlsplit

from services.core.environment import is_known
from services.core.helpdesk import Helpdesk, helpdesk
from services.core.rooms import ROOMS
from services.core.transport import Peer, brokers_peer, callers_peer, collector_peer, database_peer
from services.kit.errors import ConfigError
from services.kit.files import lies_open
from services.kit.forms import (
    Choice,
    Networks,
    chosen,
    duration,
    form_of,
    networks,
    one_of,
    peers,
    port,
    positive_int,
    seconds,
    setting,
    takes,
    web_address,
    words,
)

__all__ = [
    "DEFAULT_ALGORITHMS",
    "DEFAULT_LOG",
    "LOGS",
    "Choice",
    "Networks",
    "ServiceConfig",
    "chosen",
    "duration",
    "form_of",
    "load",
    "missing_settings",
    "networks",
    "one_of",
    "positive_int",
    "setting",
    "takes",
]

C = TypeVar("C")

_BROKERS = "HERAUT_KAFKA_BOOTSTRAP_SERVERS"
# The event logs, by the word of HERAUT_LOG, each with the setting that says where the log lies: its servers, say, or a
# directory. None: it lies in the database. The setting is a field of ServiceConfig. The adapters of the logs are in
# `kit/eventlog/choose.py`.
LOGS: Mapping[str, str | None] = MappingProxyType({"postgres": None, "kafka": _BROKERS})
DEFAULT_LOG = "postgres"

# What identity providers sign with (RFC 7518, 3.1; RFC 8037).
DEFAULT_ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")

_LOG = Choice("HERAUT_LOG", {word: (needed,) if needed else () for word, needed in LOGS.items()})


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceConfig:
    """The settings of every service; a room's own Config adds to them."""

    choices: ClassVar[tuple[Choice, ...]] = (_LOG,)  # a room's own Config adds to them

    log: str = chosen(_LOG)
    kafka_bootstrap_servers: str | None = setting(_BROKERS, default=None)
    kafka_security_protocol: str = setting(
        "HERAUT_KAFKA_SECURITY_PROTOCOL",
        one_of("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"),
        default="PLAINTEXT",
    )
    kafka_sasl_mechanism: str | None = setting(
        "HERAUT_KAFKA_SASL_MECHANISM", one_of("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"), default=None
    )
    kafka_sasl_username: str | None = setting("HERAUT_KAFKA_SASL_USERNAME", default=None)
    kafka_sasl_password: str | None = setting("HERAUT_KAFKA_SASL_PASSWORD", default=None)
    kafka_logins: Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)  # the rooms' own, by variable
    kafka_ssl_cafile: str | None = setting("HERAUT_KAFKA_SSL_CAFILE", default=None)
    kafka_ssl_certfile: str | None = setting("HERAUT_KAFKA_SSL_CERTFILE", default=None)
    kafka_ssl_keyfile: str | None = setting("HERAUT_KAFKA_SSL_KEYFILE", default=None)
    # Three copies survive one broker's loss without a stop; a broker alone can hold only one.
    kafka_replication: int = setting("HERAUT_KAFKA_REPLICATION", positive_int, default=1)
    database_urls: Mapping[str, str] = dataclasses.field(
        default_factory=dict, repr=False
    )  # by variable; filled by `load`
    secret_files: Mapping[str, Path] = dataclasses.field(
        default_factory=dict, repr=False
    )  # by variable, of those that are given as files; filled by `load`
    data_dir: Path = setting("HERAUT_DATA_DIR", Path, default=Path("var/heraut"))
    http_host: str = setting("HERAUT_HTTP_HOST", default="127.0.0.1")
    http_port: int = setting("HERAUT_HTTP_PORT", port, default=8080)
    metrics_host: str = setting("HERAUT_METRICS_HOST", default="127.0.0.1")  # nobody is asked who they are there
    metrics_port: int | None = setting("HERAUT_METRICS_PORT", port, default=None)
    tls_cert: Path | None = setting("HERAUT_TLS_CERT", Path, default=None)
    tls_key: Path | None = setting("HERAUT_TLS_KEY", Path, default=None)
    tls_client_ca: Path | None = setting("HERAUT_TLS_CLIENT_CA", Path, default=None)
    tls_clients: str = setting("HERAUT_TLS_CLIENTS", one_of("optional", "required"), default="optional")
    client_cert: Path | None = setting("HERAUT_CLIENT_CERT", Path, default=None)
    client_key: Path | None = setting("HERAUT_CLIENT_KEY", Path, default=None)
    allow_plaintext: tuple[str, ...] = setting("HERAUT_ALLOW_PLAINTEXT", peers, default=())
    # Enough to keep two cores busy, few enough that a batch still fills its blocks.
    partitions: int = setting("HERAUT_PARTITIONS", positive_int, default=8)
    keys_dir: Path | None = setting("HERAUT_KEYS_DIR", Path, default=None)
    principals_file: Path | None = setting("HERAUT_PRINCIPALS_FILE", Path, default=None)
    auth_audience: str = setting("HERAUT_AUTH_AUDIENCE", default="heraut")
    auth_oidc_issuer: str | None = setting("HERAUT_AUTH_OIDC_ISSUER", default=None)
    auth_oidc_jwks_url: str | None = setting("HERAUT_AUTH_OIDC_JWKS_URL", default=None)
    # Asymmetric ones alone: with a shared secret, whoever can check a signature could make one.
    auth_algorithms: tuple[str, ...] = setting("HERAUT_AUTH_ALGORITHMS", words, default=DEFAULT_ALGORITHMS)
    # Below Kubernetes' usual grace of 30 s, so that a drain ends by itself.
    drain_timeout: float = setting("HERAUT_DRAIN_TIMEOUT", seconds, default=20.0)
    # Long enough for a slow commit or a garbage pause, short enough that a dead process is replaced soon.
    lease: float = setting("HERAUT_LEASE", seconds, default=10.0)
    log_retention: timedelta = setting("HERAUT_LOG_RETENTION", duration, default=timedelta(days=7))
    helpdesk: Helpdesk | None = setting(
        "HERAUT_HELPDESK", takes("Name <address@example.org> https://...")(helpdesk), default=None
    )
    otlp_url: str | None = setting("HERAUT_OTLP_URL", web_address, default=None)
    otlp_ca: Path | None = setting("HERAUT_OTLP_CA", Path, default=None)
    log_level: str = setting("HERAUT_LOG_LEVEL", one_of("debug", "info", "warning", "error"), default="info")

    def faults(self) -> list[str]:
        """Return what is wrong between settings; a room's Config may add to it."""
        if missing := list(self._missing()):
            return missing
        return [fault for peer in self.peers() if (fault := peer.fault(self.allow_plaintext))]

    def _missing(self) -> Iterator[str]:
        """Say which settings are not given that one of the choices needs."""
        fields = {field.metadata.get("env"): field.name for field in dataclasses.fields(self)}
        for choice in type(self).choices:
            word = getattr(self, fields[choice.setting])
            needed = [name for name in choice.needed[word] if getattr(self, fields[name]) is None]
            others = [other for other in choice.needed if other != word]
            yield from (f"{name} is needed with {choice.setting}={word}, or {' or '.join(others)}" for name in needed)

    def peers(self) -> list[Peer]:
        """Return whom these settings lead to; a room's Config may add to it."""
        found = [database_peer(name, url) for name, url in self.database_urls.items()]
        if LOGS[self.log] == _BROKERS and self.log_place:
            found.append(brokers_peer(_BROKERS, self.log_place, self.kafka_security_protocol))
        if self.otlp_url:
            found.append(collector_peer("HERAUT_OTLP_URL", self.otlp_url))
        return found

    def callers(self) -> list[Peer]:
        """Return who may come in where a service with these settings listens. Commands listen nowhere."""
        listening = [("HERAUT_HTTP_HOST", self.http_host)]
        if self.metrics_port is not None:
            listening.append(("HERAUT_METRICS_HOST", self.metrics_host))
        secured = self.tls_cert is not None and self.tls_key is not None
        asked = f"their certificates are {self.tls_clients}" if self.tls_client_ca else ""
        found = [callers_peer(name, host, secured=secured) for name, host in listening]
        return [replace(found[0], known_by=asked), *found[1:]]

    def certificates(self) -> dict[str, Path | None]:
        """Return the certificates that a service shows, by a word for its metrics; a room's Config may add to them."""
        kafka = Path(self.kafka_ssl_certfile) if self.kafka_ssl_certfile else None
        return {"http": self.tls_cert, "kafka": kafka}

    def folders(self) -> dict[str, Path]:
        """Return the folders whose disk may fill up, by a word for its metrics; a room's Config may add to them."""
        return {"data": self.data_dir}

    @property
    def log_place(self) -> str | None:
        """Where the event log lies, by its own setting; None where it lies in the database."""
        needed = LOGS[self.log]
        if needed is None:
            return None
        names = {field.metadata.get("env"): field.name for field in dataclasses.fields(self)}
        place = getattr(self, names[needed])
        return None if place is None else str(place)

    @property
    def principals_path(self) -> Path:
        """Where it is written who may do what."""
        return self.principals_file or self.data_dir / "principals.json"

    @property
    def kafka_users(self) -> dict[str, str]:
        """The rooms' own users of the brokers, by room."""
        names = {room: f"HERAUT_KAFKA_SASL_USERNAME_{room.upper()}" for room in ROOMS}
        return {room: self.kafka_logins[name] for room, name in names.items() if name in self.kafka_logins}

    @property
    def rooms_alone(self) -> bool:
        """Whether each room has a user of the brokers and nobody else has: no operator, who may make topics."""
        return len(self.kafka_users) == len(ROOMS) and not self.kafka_sasl_username

    @property
    def logins_folder(self) -> Path:
        """Where the logins to the database are that `heraut migrate` made: a file with a URL for each room."""
        return self.data_dir / "logins"

    @property
    def keys_folder(self) -> Path:
        """Where the keys are read from: beside the data directory, so that a copy of that one opens nothing."""
        data = self.data_dir.resolve()
        return self.keys_dir or data.with_name(f"{data.name}-keys")


def load(cls: type[C], environ: Mapping[str, str]) -> C:
    """Read a config class from the environment. Raises ConfigError naming every fault, no value repeated."""
    values: dict[str, Any] = {}
    faults = [f"{name} is not a setting of Heraut" for name in sorted(_unknown(environ))]
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]
        if "env" in field.metadata:
            _read(field, environ, values, faults)
    if "database_urls" in {f.name for f in dataclasses.fields(cls)}:  # type: ignore[arg-type]
        values["database_urls"] = _database_urls(environ, faults)
        values["kafka_logins"] = _kafka_logins(environ, faults)
        given = (name for name, value in environ.items() if value and name.endswith("_FILE") and is_known(name))
        values["secret_files"] = {name.removesuffix("_FILE"): Path(environ[name]) for name in given}
    if not faults:
        config = cls(**values)
        faults = config.faults() if isinstance(config, ServiceConfig) else []
        if not faults:
            return config
    raise ConfigError("\n".join(faults))


def missing_settings(config: type[ServiceConfig], given: Callable[[str], str | None]) -> list[str]:
    """Return the settings without which a process with this config does not start, and that are not given."""
    fields = (field for field in dataclasses.fields(config) if "env" in field.metadata)
    needed = [field.metadata["env"] for field in fields if field.default is dataclasses.MISSING]
    for choice in config.choices:
        needed += choice.needed.get(given(choice.setting) or choice.default, ())
    return [name for name in needed if not given(name)]


def _unknown(environ: Mapping[str, str]) -> list[str]:
    return [name for name in environ if name.startswith("HERAUT_") and not is_known(name)]


def _read(
    field: "dataclasses.Field[Any]", environ: Mapping[str, str], values: dict[str, Any], faults: list[str]
) -> None:
    env = field.metadata["env"]
    try:
        text = _text(env, environ)
        if text is not None:
            values[field.name] = field.metadata["parse"](text)
        elif field.default is dataclasses.MISSING:
            faults.append(f"{env} is needed")
    except (ValueError, OSError) as error:
        faults.append(f"{env}: {_reason(error)}")


def _reason(error: ValueError | OSError) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)


def _text(env: str, environ: Mapping[str, str]) -> str | None:
    """Return a variable's text, from itself or the file it names; empty counts as unset."""
    file_env = f"{env}_FILE"
    if environ.get(env):
        if environ.get(file_env) and is_known(file_env):
            raise ValueError(f"given twice, here and in {file_env}")
        return environ[env]
    if is_known(file_env) and environ.get(file_env):
        file = Path(environ[file_env])
        if lies_open(file):
            raise ValueError(f"{file} is open to others: chmod 600")
        return file.read_text(encoding="utf-8").strip()
    return None


def _kafka_logins(environ: Mapping[str, str], faults: list[str]) -> dict[str, str]:
    logins = {}
    for room in ROOMS:
        for name in (f"HERAUT_KAFKA_SASL_USERNAME_{room.upper()}", f"HERAUT_KAFKA_SASL_PASSWORD_{room.upper()}"):
            try:
                if text := _text(name, environ):
                    logins[name] = text
            except (ValueError, OSError) as error:
                faults.append(f"{name}: {_reason(error)}")
    return logins


def _is_url(text: str) -> bool:
    try:
        return bool(re.match(r"postgres(ql)?://", text) and urlsplit(text))
    except ValueError:  # half an address in brackets
        return False


def _database_urls(environ: Mapping[str, str], faults: list[str]) -> dict[str, str]:
    names = {n.removesuffix("_FILE") for n in environ if n.startswith("HERAUT_DATABASE_URL")}
    urls = {}
    for name in sorted(names & {n for n in names if is_known(n)}):
        try:
            text = _text(name, environ)
        except (ValueError, OSError) as error:
            faults.append(f"{name}: {_reason(error)}")
            continue
        if text and not _is_url(text):
            faults.append(f"{name}: must be postgresql://user:password@host:port/database")
        elif text:
            urls[name] = text
    return urls
