"""Intake's wiring: the only place where its parts meet."""

import asyncio
from pathlib import Path

from notification.topics import MEMBERS_HELD

from services.core.channel import channel_named
from services.core.keys import KEYS_OF
from services.intake.api import Api
from services.intake.config import Config
from services.intake.context import Context
from services.intake.handlers import EVENTS_AT_ONCE, TOPICS, IntakeHandler
from services.intake.metrics import IntakeMetrics, SyntheticMetrics
from services.intake.openapi import OPENAPI
from services.intake.records.hashes import HashesByIncident
from services.intake.store import Store
from services.intake.synthetic import SyntheticRows, SyntheticSender, SyntheticWaiting
from services.kit.eventlog import comes_again_within, family_topics, installation_of
from services.kit.process import Service, open_service
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
        synthetic = _synthetic(context, service, config)
        keep_settled = comes_again_within(MEMBERS_HELD, config.log_retention)
        handler = IntakeHandler(context, service.principals, keep_settled, synthetic)
        stage = service.stage(TOPICS, handler, foreign_topics=upstream, policy=policy)
        if synthetic and config.synthetic_every:
            channels = list(map(channel_named, config.synthetic_channels))
            sender = SyntheticSender(context, stage, synthetic, every=config.synthetic_every, channels=channels)
            service.jobs["synthetic"] = sender.run
        await service.run(stop, ready_file=ready_file, routes=Api(context).routes(), openapi=OPENAPI)


def _synthetic(context: Context, service: Service, config: Config) -> SyntheticWaiting | None:
    """Return who waits for synthetic people; None where none are sent."""
    if not config.synthetic_every:
        return None
    channels = list(map(channel_named, config.synthetic_channels))
    metrics = SyntheticMetrics(service.registry, channels, config.partitions)
    return SyntheticWaiting(SyntheticRows(context.vault), metrics, context.clock, config.synthetic_lost_after)
