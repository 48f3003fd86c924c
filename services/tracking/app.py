"""Wiring of tracking."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from services.core.keys import KEYS_OF
from services.kit.postgres import is_retryable
from services.kit.process import Service, open_service
from services.kit.retry import pause_until
from services.kit.stage import Stage
from services.kit.vault import load_keys
from services.tracking.api import Api
from services.tracking.closures import ClosureLists
from services.tracking.codec import TOPICS
from services.tracking.config import Config
from services.tracking.handlers import Ledgers, PauseLists, TrackingHandler
from services.tracking.metrics import LedgerMetrics, TrackingMetrics, VerificationMetrics
from services.tracking.openapi import OPENAPI
from services.tracking.progress import ReleaseProgress
from services.tracking.receiving import Inbox, Receiving, ReceivingApi, Unread, load_signers
from services.tracking.stopping import Stopping
from services.tracking.store import Store
from services.tracking.verification import VerificationApi, Verifications
from services.wire.incidents import follow_incidents

__all__ = ["run"]

# A scrape comes every 15 seconds or so; it loses nothing by figures that are a few seconds old.
_GAUGES_EVERY = 5.0
# Seconds: no mail is read, and its reference typed over, sooner than that.
_FRESH = 10.0

logger = logging.getLogger(__name__)


async def run(config: Config, stop: asyncio.Event, ready_file: Path | None = None) -> None:
    """Be the tracking service until `stop`."""
    keys = load_keys(config.keys_folder, KEYS_OF["tracking"])
    signers = load_signers(config.webhooks_dir)
    async with open_service(config, "tracking") as service:
        store = Store()
        incidents = follow_incidents(service)
        ledgers = Ledgers(service.pool, store, incidents)
        pauses = PauseLists(service.pool, store, incidents, config.partitions)
        closures = ClosureLists(service.pool, store, incidents, config.partitions)
        progress = ReleaseProgress(service.pool, store, incidents)
        gauges = LedgerMetrics(service.registry)

        async def refresh() -> None:
            shown = await ledgers.all()
            known = ((one.incident_id, incidents.get(("incident", one.incident_id))) for one in shown)
            aware = {incident_id: one.aware_at.timestamp() for incident_id, one in known if one}
            gauges.show(shown, round(service.clock.now().timestamp() * 1000), aware)

        async def catch_up() -> None:
            async with service.pool.acquire() as connection:
                await store.catch_up(connection)

        inbox = Inbox(service.pool, store, keys)
        beside_the_log = Receiving(inbox, Unread(store, incidents), service.clock)
        stopping, metrics = Stopping(store, incidents), TrackingMetrics(service.registry)
        stage = service.stage(TOPICS, TrackingHandler(store, metrics, stopping, beside_the_log))
        service.jobs["gauges"] = _repeat(refresh, "gauges")
        service.jobs["blocks"] = _repeat(catch_up, "blocks")
        receiving = ReceivingApi(inbox, signers, service.clock)
        routes = [*Api(ledgers, pauses, closures, progress, service.clock).routes(), *receiving.routes()]
        verifications = Verifications(service.pool, store, keys, incidents, partial(_is_up_to_date, service, stage))
        verified = VerificationMetrics(service.registry)
        verifying = VerificationApi(verifications, verified, service.clock, config.trusted_proxies)
        open_routes = [*verifying.routes(), *receiving.open_routes()]
        await service.run(stop, ready_file=ready_file, routes=routes, open_routes=open_routes, openapi=OPENAPI)


def _is_up_to_date(service: Service, stage: Stage) -> bool:
    """Tell whether what rooms said until a moment ago is known here."""
    waits = stage.waits_since()
    behind = 0.0 if waits is None else service.clock.now().timestamp() - waits / 1000
    return not service.health.unready() and behind < _FRESH


def _repeat(step: Callable[[], Awaitable[None]], name: str) -> Callable[[asyncio.Event], Awaitable[None]]:
    """Make a job that takes a step every few seconds until it is told to stop."""

    async def job(stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                await step()
            except Exception as error:
                if not is_retryable(error):
                    raise
                logger.warning("the database does not answer", extra={"part": name})
            await pause_until(stop, _GAUGES_EVERY)

    return job
