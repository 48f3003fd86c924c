"""Wiring of routing."""

import asyncio
from pathlib import Path

from services.kit.process import open_service
from services.routing.codec import TOPICS
from services.routing.config import Config
from services.routing.handlers import RoutingHandler, recalls_kept
from services.routing.metrics import RoutingMetrics
from services.wire.incidents import follow_incidents

__all__ = ["run"]


async def run(config: Config, stop: asyncio.Event, ready_file: Path | None = None) -> None:
    """Be the routing service until `stop`."""
    async with open_service(config, "routing") as service:
        keep = recalls_kept(config.log_retention)
        handler = RoutingHandler(follow_incidents(service), RoutingMetrics(service.registry), service.clock, keep)
        service.stage(TOPICS, handler)
        await service.run(stop, ready_file=ready_file)
