"""Intake's wiring: the only place where its parts meet."""

import asyncio
from pathlib import Path

from notification.topics import COHORT

from services.intake.api import Api
from services.intake.config import Config
from services.intake.control.control import Control
from services.intake.handlers import EVENTS_AT_ONCE, EventHandler, Means
from services.intake.members.acceptance import Taker
from services.intake.members.chunks import Hashes
from services.intake.members.upload import Tools
from services.intake.metrics import IntakeMetrics
from services.intake.openapi import OPENAPI
from services.intake.records.identity import Fingerprints, Pseudonyms
from services.intake.store import Store
from services.kit.process import open_service, web_app
from services.kit.stage import StagePolicy
from services.kit.vault import KeyRing, Vault

__all__ = ["hashes_of", "run"]


def hashes_of(keys: KeyRing) -> Hashes:
    """Return the keyed hashes that intake makes with these keys."""
    version, match = keys.pepper("match")
    return Hashes(Pseudonyms(match), version, Fingerprints(keys.pepper("line")[1]))


async def run(config: Config, stop: asyncio.Event, ready_file: Path | None = None) -> None:
    """Run intake until `stop`."""
    keys = KeyRing.load(config.key_ring_path)
    async with open_service(config, "intake") as service:
        store, hashes, metrics = Store(), hashes_of(keys), IntakeMetrics(service.registry)
        taker = Taker(store, Vault(keys), hashes, config.partitions)
        handler = EventHandler(service.pool, Means(store, taker, hashes, metrics), service.clock)
        # Not every log has upstream's topic. The stage runs on every log: it publishes, and tidies up.
        service.stage((), handler, foreign_topics=(COHORT,), policy=StagePolicy(max_blocks=EVENTS_AT_ONCE))
        api = Api(
            Control(service.pool, store, service.clock),
            store,
            hashes,
            Tools(service.pool, taker, service.clock, metrics),
        )
        face = web_app(service.health, service.registry, token=config.auth_token, openapi=OPENAPI, routes=api.routes())
        await service.run(stop, ready_file=ready_file, app=face)
