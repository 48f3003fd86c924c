"""Heraut's topics on a broker that the demo did not start: refused at the beginning, deleted at the end."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.demo.errors import DemoError
from services.kit.config import ServiceConfig
from services.kit.errors import RetryableError
from services.kit.eventlog.kafka.client import Closing, KafkaAdmin, KafkaSettings, new_admin, started

__all__ = ["delete_topics", "refuse_topics"]

_PREFIX = "heraut."


async def refuse_topics(config: ServiceConfig) -> None:
    """Raise DemoError where the broker has topics of Heraut: they belong to somebody's database."""
    async with _admin(config) as admin:
        found = await _topics(admin)
    if found:
        raise DemoError(
            "this Kafka has topics of Heraut already, which belong to another database\n"
            "give the directory that they came with (--data DIR), or another Kafka",
            2,
        )


async def delete_topics(config: ServiceConfig) -> None:
    """Delete Heraut's topics, whose database is gone by then."""
    async with _admin(config) as admin:
        if names := await _topics(admin):
            await admin.delete_topics(names)


async def _topics(admin: KafkaAdmin) -> list[str]:
    return [name for name in await admin.list_topics() if name.startswith(_PREFIX)]


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
