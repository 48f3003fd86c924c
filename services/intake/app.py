"""Intake's wiring: the only place where its parts meet."""

import asyncio
from pathlib import Path

from notification.topics import MEMBERS_HELD

from services.core.keys import KEYS_OF
from services.intake.api import Api
from services.intake.config import Config
from services.intake.context import Context
from services.intake.handlers import EVENTS_AT_ONCE, TOPICS, IntakeHandler
from services.intake.metrics import IntakeMetrics
from services.intake.openapi import OPENAPI
from services.intake.records.hashes import HashesByIncident
from services.intake.store import Store
from services.kit.eventlog import comes_again_within, family_topics, installation_of
from services.kit.process import open_service
from services.kit.stage import StagePolicy
from services.kit.vault import Vault, load_keys

__all__ = ["run"]


async def run(config: Config, stop: asyncio.Event, ready_file: Path | None = None) -> None:
    """Run intake until `stop`."""
    keys = load_keys(config.keys_folder, KEYS_OF["intake"])
    async with open_service(config, "intake") as service:
        context = Context(
            pool=service.pool,
            clock=service.clock,
            store=Store(),
            vault=Vault(keys),
            hashes=HashesByIncident(keys),
            partitions=config.partitions,
            metrics=IntakeMetrics(service.registry, service.metrics),
            log_outside=installation_of(config).outside_database,
            print_profile=config.print_profile,
        )
        # Not every log has upstream's topics.
        policy = StagePolicy(max_blocks=EVENTS_AT_ONCE)
        upstream = family_topics(service.principals.accounts.producers)
        handler = IntakeHandler(context, service.principals, comes_again_within(MEMBERS_HELD, config.log_retention))
        service.stage(TOPICS, handler, foreign_topics=upstream, policy=policy)
        await service.run(stop, ready_file=ready_file, routes=Api(context).routes(), openapi=OPENAPI)
