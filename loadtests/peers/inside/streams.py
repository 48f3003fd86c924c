"""FastStream on Kafka, a process a role: what a message at a time and batches have in common.

intake -> records -> deduplicate -> notices -> route -> letters -> dispatch. Messages are JSON, as they were read.
"""

import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import asyncpg
import uvloop
from faststream import FastStream
from faststream.kafka import KafkaBroker

from loadtests.peers.inside.job import setting

__all__ = ["Stream", "new_broker", "run_role", "topic"]

_BATCH_BYTES = 512 * 1024
_CONNECTIONS = 8


@dataclass(frozen=True, slots=True)
class Stream:
    """What the handlers of a role have at hand."""

    broker: Any
    pool: Any


Handler = Callable[[Any], Awaitable[None]]


def topic(word: str) -> str:
    """Return the name of one of this round's topics."""
    return f"{setting('topics')}-{word}"


def run_role(roles: Mapping[str, tuple[str, Callable[[Stream], Handler]]], take_in: Any, **options: Any) -> None:
    """Run the role that the command line names: `intake`, or one with its topic and its handler."""
    role = sys.argv[1]
    uvloop.run(take_in() if role == "intake" else _run(role, *roles[role], options))


def new_broker() -> Any:
    """Return the client as it is fair to it: no validation, no lines of log, bodies as they are."""
    return KafkaBroker(
        setting("kafka"),
        apply_types=False,
        logger=None,
        acks="all",
        linger_ms=5,
        max_batch_size=_BATCH_BYTES,
        max_request_size=2 * _BATCH_BYTES,
        decoder=_body,
    )


async def _body(message: Any) -> Any:
    return message.body


async def _run(role: str, source: str, handler: Callable[[Stream], Handler], options: Mapping[str, Any]) -> None:
    broker = new_broker()
    async with asyncpg.create_pool(setting("database"), min_size=1, max_size=_CONNECTIONS) as pool:
        handle = handler(Stream(broker, pool))
        broker.subscriber(topic(source), group_id=topic(role), auto_offset_reset="earliest", **options)(handle)
        await FastStream(broker, logger=None).run()
