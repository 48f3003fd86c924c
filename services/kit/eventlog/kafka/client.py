"""How to reach the brokers, and which of their faults pass."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Protocol, TypeVar

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, OffsetOutOfRangeError, ProducerClosed

from services.kit.certificate import OwnPair, calling
from services.kit.config import ServiceConfig
from services.kit.errors import LogPositionError, RetryableError

__all__ = [
    "Closing",
    "KafkaAdmin",
    "KafkaSettings",
    "connected_admin",
    "new_admin",
    "passing_faults",
    "quietly",
    "started",
]

logger = logging.getLogger(__name__)

# Above the longest hiccup of a healthy cluster (a leader election), below the lease times two.
REQUEST_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaSettings:
    """Where the brokers are, and how a client logs in to them."""

    bootstrap_servers: str
    security_protocol: str = "PLAINTEXT"
    sasl_mechanism: str | None = None
    sasl_username: str | None = None
    sasl_password: str | None = field(default=None, repr=False)
    ssl_cafile: str | None = None
    ssl_certfile: str | None = None
    ssl_keyfile: str | None = None

    @classmethod
    def from_config(cls, config: ServiceConfig, room: str | None = None) -> "KafkaSettings":
        """Take the settings out of a configuration; those of a room have its own user where it has one."""
        user, password = config.kafka_sasl_username, config.kafka_sasl_password
        if room in config.kafka_users:
            user = config.kafka_users[room]
            password = config.kafka_logins.get(f"HERAUT_KAFKA_SASL_PASSWORD_{room.upper()}")
        return cls(
            bootstrap_servers=config.kafka_bootstrap_servers or "",
            security_protocol=config.kafka_security_protocol,
            sasl_mechanism=config.kafka_sasl_mechanism,
            sasl_username=user,
            sasl_password=password,
            ssl_cafile=config.kafka_ssl_cafile,
            ssl_certfile=config.kafka_ssl_certfile,
            ssl_keyfile=config.kafka_ssl_keyfile,
        )

    def client_options(self) -> dict[str, Any]:
        """Return the options that every aiokafka client takes.

        Raises ConfigError for certificates that cannot be used.
        """
        options: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap_servers.split(","),
            "security_protocol": self.security_protocol,
            "request_timeout_ms": int(REQUEST_SECONDS * 1000),
        }
        if self.security_protocol.endswith("SSL"):
            options["ssl_context"] = _context(self.ssl_cafile, self.ssl_certfile, self.ssl_keyfile)
        if self.security_protocol.startswith("SASL"):
            options["sasl_mechanism"] = self.sasl_mechanism or "PLAIN"
            options["sasl_plain_username"] = self.sasl_username
            options["sasl_plain_password"] = self.sasl_password
        return options


@cache  # clients are made again and again, also while somebody is just writing the files
def _context(authorities: str | None, certificate: str | None, key: str | None) -> ssl.SSLContext:
    own = None
    if certificate:
        settings = "HERAUT_KAFKA_SSL_CERTFILE, HERAUT_KAFKA_SSL_KEYFILE"
        own = OwnPair(Path(certificate), Path(key or certificate), settings)
    return calling(Path(authorities) if authorities else None, "HERAUT_KAFKA_SSL_CAFILE", own)


@contextmanager
def passing_faults(what: str) -> Iterator[None]:
    """Turn the client's faults into RetryableError, and a position outside the log into LogPositionError."""
    try:
        yield
    except OffsetOutOfRangeError as error:
        raise LogPositionError(f"{what}: the position lies outside the log") from error
    except (KafkaError, OSError, TimeoutError) as error:
        raise RetryableError(f"{what}: {type(error).__name__}") from error


class KafkaAdmin(AIOKafkaAdminClient):  # type: ignore[misc] # the client has no types
    """The admin client, with the verbs of the other clients, and one for what it has no method for."""

    async def ask(self, request: Any) -> Any:
        """Send a request to any broker and return the answer."""
        return await self._send_request(request)

    async def stop(self) -> None:
        """Close it."""
        await self.close()


def new_admin(settings: KafkaSettings) -> KafkaAdmin:
    """Make an admin client; not started yet."""
    return KafkaAdmin(**settings.client_options(), client_id="heraut-admin")


class _Client(Protocol):
    async def start(self) -> None: ...
    async def stop(self) -> None: ...


C = TypeVar("C", bound=_Client)


class Closing:
    """Closes clients in the background: a client of a broker that is gone takes its time."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, client: _Client) -> None:
        """Begin to close a client, which must not be used any more."""
        task = asyncio.get_running_loop().create_task(quietly(_stop(client)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def wait(self) -> None:
        """Wait until all are closed; cancel those that take too long."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=REQUEST_SECONDS)
            for task in late:
                task.cancel()


async def _stop(client: _Client) -> None:
    """Stop a client and close its connections, also in the middle of a request."""
    connections = getattr(client, "client", None) or client._client  # type: ignore[attr-defined] # noqa: SLF001
    try:
        if isinstance(client, AIOKafkaProducer):
            _abandon(client)
        await client.stop()
    finally:
        await connections.close()


def _abandon(producer: AIOKafkaProducer) -> None:
    """Fail the batches that a producer still holds: it would try for ever if the broker does not come back.

    Only publishers of other partitions wait for these batches, and they begin afresh. aiokafka has no public way.
    """
    batches, sender = producer._message_accumulator, producer._sender  # noqa: SLF001
    queued = [batch for queue in batches._batches.values() for batch in queue]  # noqa: SLF001
    for batch in [*queued, *batches._pending_batches]:  # noqa: SLF001
        batch.future.add_done_callback(_retrieve)
    batches.fail_all(ProducerClosed())
    if sender.sender_task is not None:
        # This callback would look for a transaction to fail, and there is none.
        sender.sender_task.remove_done_callback(sender._fail_all)  # noqa: SLF001


def _retrieve(future: "asyncio.Future[object]") -> None:
    """Read an exception, so that asyncio does not report it as never retrieved."""
    if not future.cancelled():
        future.exception()


async def quietly(work: Awaitable[None]) -> None:
    """Do something whose failure has no consequence, within a bound of time."""
    try:
        # Twice a request: one under way, and one that follows it.
        async with asyncio.timeout(2 * REQUEST_SECONDS):
            await work
    except Exception as error:  # noqa: BLE001 - a client that failed once fails in any way when it is closed
        logger.debug("Kafka was left alone after %s", type(error).__name__)


async def started(client: C, closing: Closing) -> C:
    """Start a client, within a bound of time. Raises RetryableError; then the client is closed."""
    try:
        with passing_faults("the brokers cannot be reached"):
            async with asyncio.timeout(REQUEST_SECONDS):
                await client.start()
    except BaseException:
        with suppress(Exception):
            closing.add(client)
        raise
    return client


@asynccontextmanager
async def connected_admin(settings: KafkaSettings) -> AsyncIterator[KafkaAdmin]:
    """Lend an admin client, and close it at the end. Raises RetryableError where the brokers cannot be reached."""
    closing = Closing()
    try:
        admin = await started(new_admin(settings), closing)
        try:
            yield admin
        finally:
            closing.add(admin)
    finally:
        await closing.wait()
