"""The target of a command: the settings it runs with, the services' addresses, and the token they are called with."""

import os
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import orjson

from services.cli.console import Fault
from services.core.access import PERMITTED, Act, Caller
from services.core.rooms import DISPATCH_STAGES
from services.core.transport import callers_peer
from services.kit.config import ServiceConfig, load
from services.kit.errors import ConfigError
from services.kit.principals import load_accounts

__all__ = [
    "SCRAPE_TOKEN_FILE",
    "SERVICES_FILE",
    "SERVICE_NAMES",
    "TOKEN_FILE",
    "Target",
    "find_target",
    "find_token",
    "read_settings",
]

# The order of services.json, and of the ports.
SERVICE_NAMES = ("intake", "tracking", "deduplication", "routing", *DISPATCH_STAGES)
# All are in the data directory.
SCRAPE_TOKEN_FILE = "scrape.token"  # noqa: S105 - a file's name
TOKEN_FILE = "operator.token"  # noqa: S105 - a file's name
SERVICES_FILE = "services.json"


@dataclass(frozen=True, slots=True)
class Target:
    """The running services. `token` is None where no token is set or found."""

    token: str | None
    addresses: dict[str, str]
    certificate: Path | None = None  # what they show
    shown: tuple[Path, Path] | None = None  # the certificate that they are shown, and its key

    def address(self, service: str) -> str:
        """Return the base URL of a service."""
        return self.addresses[service]


def read_settings(data: Path, config: type[ServiceConfig] = ServiceConfig) -> ServiceConfig:
    """Return the settings of the environment, with `data` as the data directory; those of a room with its `config`.

    Raises Fault, with a line for each setting that is wrong.
    """
    try:
        return load(config, _environ(data))
    except ConfigError as error:
        raise Fault(str(error), 2) from None


def _environ(data: Path) -> dict[str, str]:
    """Return the environment as commands see it: without HERAUT_HTTP_HOST only this machine is meant."""
    return {"HERAUT_HTTP_HOST": "127.0.0.1"} | dict(os.environ) | {"HERAUT_DATA_DIR": str(data)}


def find_target(data: Path) -> Target:
    """Return the services of a data directory. Raises Fault where settings are wrong or the token cannot be read.

    The addresses are those of services.json where `up` wrote it, else they follow from HERAUT_HTTP_HOST and _PORT.
    """
    settings = read_settings(data)
    shown = (settings.client_cert, settings.client_key) if settings.client_cert and settings.client_key else None
    return Target(find_token(data), _addresses(data, settings), settings.tls_cert, shown)


def find_token(data: Path) -> str | None:
    """Return the token of whoever runs the command: HERAUT_TOKEN, else the operator's of the data directory.

    Raises Fault where its file cannot be read.
    """
    given = os.environ.get("HERAUT_TOKEN")
    try:
        if not given and (file := os.environ.get("HERAUT_TOKEN_FILE")):
            given = Path(file).read_text(encoding="utf-8").strip()
        return given or (data / TOKEN_FILE).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Fault(f"cannot read the token: {error.strerror}", 2) from None


def permitted_caller(data: Path, act: Act) -> Caller:
    """Return who runs the command, by their token, for an act that no service does.

    Raises Fault where the token is nobody's, or its principal may not do this.
    """
    accounts = load_accounts(read_settings(data).principals_path)
    account = accounts.of_token(find_token(data) or "", datetime.now(UTC))
    if account is None:
        raise Fault("the token is not accepted: set HERAUT_TOKEN, or --data to the directory of `heraut up`", 2)
    if not account.principal.may(act):
        raise Fault(f"{account.name} may not do this: {act.value} is for the roles {', '.join(sorted(PERMITTED[act]))}")
    return Caller(account.principal, secrets.token_hex(8))


def _addresses(data: Path, settings: ServiceConfig) -> dict[str, str]:
    file = data / SERVICES_FILE
    if file.exists():
        return {str(name): str(url) for name, url in orjson.loads(file.read_bytes()).items()}
    callers = callers_peer("HERAUT_HTTP_HOST", settings.http_host, secured=settings.tls_cert is not None)
    if fault := callers.fault(settings.allow_plaintext):
        raise Fault(fault, 2)
    scheme = "https" if settings.tls_cert else "http"
    host = f"[{settings.http_host}]" if ":" in settings.http_host else settings.http_host
    ports = enumerate(SERVICE_NAMES, settings.http_port)
    return {name: f"{scheme}://{host}:{port}" for port, name in ports}
