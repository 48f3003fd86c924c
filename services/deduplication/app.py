"""Wiring of deduplication."""

import asyncio
from pathlib import Path

from services.core.keys import KEYS_OF
from services.deduplication.config import Config
from services.deduplication.handlers import STAGE, TOPICS, DeduplicationHandler
from services.deduplication.metrics import Metrics
from services.kit.process import open_service
from services.kit.vault import load_keys
from services.wire.incidents import follow_incidents

__all__ = ["run"]


async def run(config: Config, stop: asyncio.Event, ready_file: Path | None = None) -> None:
    """Be the deduplication service until `stop`."""
    keys = load_keys(config.keys_folder, KEYS_OF["deduplication"])
    async with open_service(config, STAGE) as service:
        count = Metrics(service.registry).count
        handler = DeduplicationHandler(follow_incidents(service), count, config.partitions, keys)
        service.stage(TOPICS, handler)
        await service.run(stop, ready_file=ready_file)
