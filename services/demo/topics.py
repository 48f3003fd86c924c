"""Topics on servers that the demo did not start: it makes its own, and takes no others away."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from services.demo.errors import DemoError
from services.kit.config import ServiceConfig
from services.kit.errors import RetryableError
from services.kit.eventlog import installation_of

__all__ = ["own_topics"]


@asynccontextmanager
async def own_topics(config: ServiceConfig) -> AsyncIterator[None]:
    """Delete Heraut's topics at the end, which came with a database that is gone by then.

    Raises DemoError where there are some at the beginning: they are somebody's.
    """
    log = installation_of(config)
    with _answering(config):
        there = await log.topics()
    if there:
        raise DemoError(
            f"this {config.log.capitalize()} has topics of Heraut already, which belong to another database\n"
            f"give the directory that they came with (--data DIR), or another {config.log.capitalize()}",
            2,
        )
    try:
        yield
    finally:
        with _answering(config):
            await log.delete_topics()


@contextmanager
def _answering(config: ServiceConfig) -> Iterator[None]:
    """Raise DemoError where the servers of the log cannot be reached."""
    try:
        yield
    except RetryableError:
        raise DemoError(f"{config.log.capitalize()} does not answer at {config.log_servers}", 2) from None
