"""Where a command finds Heraut: settings, data directory, token, and the services' addresses."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
import orjson

from services.cli.console import Fault
from services.core.rooms import DISPATCH_STAGES
from services.kit.config import ServiceConfig, load
from services.kit.errors import ConfigError

__all__ = ["SERVICE_NAMES", "Surroundings", "data_option", "json_option", "read_settings", "surroundings"]

# The order of services.json, and of the ports.
SERVICE_NAMES = ("intake", "tracking", "deduplication", "routing", *DISPATCH_STAGES)
TOKEN_FILE = "operator.token"  # noqa: S105 - a file's name
SERVICES_FILE = "services.json"

F = TypeVar("F", bound=Callable[..., Any])


def data_option(command: F) -> F:
    """Return a command the option --data."""
    return click.option(
        "--data",
        type=click.Path(file_okay=False, path_type=Path),
        envvar="HERAUT_DATA_DIR",
        default=Path("var/heraut"),
        show_default=True,
        help="Data directory (or HERAUT_DATA_DIR).",
    )(command)


def json_option(command: F) -> F:
    """Return a command the option --json."""
    return click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, on one line.")(command)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a command that talks to running services needs."""

    data: Path
    token: str | None
    addresses: dict[str, str]

    def address(self, service: str) -> str:
        """Return the base URL of a service."""
        return self.addresses[service]


def read_settings(data: Path) -> ServiceConfig:
    """Read the settings of the environment, all faults at once; `data` takes the place of HERAUT_DATA_DIR."""
    try:
        return load(ServiceConfig, _environ(data))
    except ConfigError as error:
        raise Fault(str(error), 2) from None


def _environ(data: Path) -> dict[str, str]:
    """Return the environment as `up` and the commands see it: on this machine only unless told otherwise."""
    return {"HERAUT_HTTP_HOST": "127.0.0.1"} | dict(os.environ) | {"HERAUT_DATA_DIR": str(data)}


def surroundings(data: Path) -> Surroundings:
    """Find token and addresses: from services.json where `up` runs, else from HERAUT_HTTP_HOST and _PORT."""
    settings = read_settings(data)
    return Surroundings(data, _token(data, settings), _addresses(data, settings))


def _token(data: Path, settings: ServiceConfig) -> str | None:
    given = os.environ.get("HERAUT_TOKEN")
    try:
        if not given and (file := os.environ.get("HERAUT_TOKEN_FILE")):
            given = Path(file).read_text(encoding="utf-8").strip()
        if given or settings.auth_token:
            return given or settings.auth_token
        return (data / TOKEN_FILE).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Fault(f"cannot read the token: {error.strerror}", 2) from None


def _addresses(data: Path, settings: ServiceConfig) -> dict[str, str]:
    file = data / SERVICES_FILE
    if file.exists():
        return {str(name): str(url) for name, url in orjson.loads(file.read_bytes()).items()}
    host = f"[{settings.http_host}]" if ":" in settings.http_host else settings.http_host
    ports = enumerate(SERVICE_NAMES, settings.http_port)
    return {name: f"http://{host}:{port}" for port, name in ports}
