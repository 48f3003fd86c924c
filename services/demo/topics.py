"""Heraut's topics in a log that the demo did not start: refused at the beginning, deleted at the end."""

from collections.abc import Iterator
from contextlib import contextmanager

from services.demo.errors import DemoError
from services.kit.config import LOGS, ServiceConfig
from services.kit.errors import RetryableError
from services.kit.eventlog import installation_of

__all__ = ["delete_topics", "refuse_topics"]


async def refuse_topics(config: ServiceConfig) -> None:
    """Raise DemoError where the log has topics of Heraut: they belong to somebody's database."""
    with _answering(config):
        found = await installation_of(config).topics()
    if found:
        raise DemoError(
            f"{_place(config)} has topics of Heraut already, which belong to another database\n"
            f"give the directory that they came with (--data DIR), or set {LOGS[config.log]} to another place",
            2,
        )


async def delete_topics(config: ServiceConfig) -> None:
    """Delete Heraut's topics, whose database is gone by then. Raises DemoError where the log is away."""
    with _answering(config):
        await installation_of(config).delete_topics()


@contextmanager
def _answering(config: ServiceConfig) -> Iterator[None]:
    """Raise DemoError where the log cannot be reached."""
    try:
        yield
    except RetryableError:
        raise DemoError(f"{_place(config)} does not answer", 2) from None


def _place(config: ServiceConfig) -> str:
    return f"the log {config.log} at {config.log_place}"
