"""The checkout's own Kafka broker, for a demo on Kafka where no other broker is configured."""

import asyncio
import importlib.util
import shlex
import sys
from pathlib import Path
from types import ModuleType

from services.demo.errors import DemoError

__all__ = ["how_to_stop_broker", "start_broker", "stop_broker"]

_SCRIPT = Path(__file__).parents[2] / "deploy" / "kafka" / "broker.py"


async def start_broker(directory: Path) -> str:
    """Start a broker with its data in `directory` and return its address. Raises DemoError where none can be had."""
    broker = _load_script()
    try:
        return str(await asyncio.to_thread(broker.start, directory))
    except broker.BrokerUnavailable as error:
        raise DemoError(
            f"no Kafka: {error.reason}\nor set HERAUT_KAFKA_BOOTSTRAP_SERVERS to one that runs", 2
        ) from None


async def stop_broker(directory: Path) -> None:
    """Stop the broker of a directory."""
    await asyncio.to_thread(_load_script().stop, directory)


def how_to_stop_broker(directory: Path) -> str:
    """Return the shell command that stops the broker of a directory."""
    return f"{shlex.quote(sys.executable)} {_SCRIPT} stop --dir {shlex.quote(str(directory))}"


def _load_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("heraut_broker", _SCRIPT) if _SCRIPT.exists() else None
    if spec is None or spec.loader is None:
        raise DemoError("set HERAUT_KAFKA_BOOTSTRAP_SERVERS: outside a checkout there is no broker to start", 2)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses and pickle look for the module
    spec.loader.exec_module(module)
    return module
