"""Topics on a Kafka that the demo did not start: it makes its own, and takes no others away."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.demo.errors import DemoError
from services.kit.config import ServiceConfig
from services.kit.errors import RetryableError
from services.kit.eventlog.kafka.client import Closing, KafkaAdmin, KafkaSettings, new_admin, started

__all__ = ["own_topics"]

_OURS = "heraut."


@asynccontextmanager
async def own_topics(config: ServiceConfig) -> AsyncIterator[None]:
    """Delete Heraut's topics at the end, which came with a database that is gone by then.

    Raises DemoError where there are some at the beginning: they are somebody's.
    """
    if await _heraut_topics(config):
        raise DemoError(
            "this Kafka has topics of Heraut already, which belong to another database\n"
            "give the directory that they came with (--data DIR), or another Kafka",
            2,
        )
    try:
        yield
    finally:
        await _delete(config)


async def _heraut_topics(config: ServiceConfig) -> list[str]:
    async with _admin(config) as admin:
        return [name for name in await admin.list_topics() if name.startswith(_OURS)]


async def _delete(config: ServiceConfig) -> None:
    async with _admin(config) as admin:
        names = [name for name in await admin.list_topics() if name.startswith(_OURS)]
        if names:
            await admin.delete_topics(names)


@asynccontextmanager
async def _admin(config: ServiceConfig) -> AsyncIterator[KafkaAdmin]:
    closing = Closing()
    try:
        admin = await started(new_admin(KafkaSettings.from_config(config)), closing)
    except RetryableError:
        await closing.wait()
        raise DemoError(f"Kafka does not answer at {config.kafka_bootstrap_servers}", 2) from None
    try:
        yield admin
    finally:
        closing.add(admin)
        await closing.wait()
