"""Wiring of dispatch: one process hands over on one channel."""

import asyncio
from contextlib import AsyncExitStack
from datetime import datetime
from functools import partial
from pathlib import Path

from notification.topics import NOTICES_RECALLED, RECEIPTS_ACCEPTED

from services.core.channel import MAY_END_UNKNOWN, Channel
from services.core.keys import KEYS_OF
from services.core.rooms import dispatch_stage
from services.core.transport import is_local
from services.dispatch.api import Api, WaitsSince
from services.dispatch.bounces.callbacks import Callbacks
from services.dispatch.bounces.listening import Bounces
from services.dispatch.bounces.polling import Polling
from services.dispatch.breaker import Breaker, BreakerPolicy
from services.dispatch.channel_pause import ChannelPause
from services.dispatch.channels import open_provider
from services.dispatch.closures import Closures
from services.dispatch.config import NOTIFY, Config, LetterConfig, NotifyConfig
from services.dispatch.handlers import DispatchHandler
from services.dispatch.limits_shown import LimitsShown
from services.dispatch.mail_config import EmailConfig
from services.dispatch.metrics import DispatchMetrics, PrintMetrics
from services.dispatch.openapi import OPENAPI
from services.dispatch.printed.api import PrintedApi
from services.dispatch.printed.deciding import Deciding
from services.dispatch.printed.hearing import Hearing
from services.dispatch.printed.reading_back import ReadingBack
from services.dispatch.provider import AnsweringProvider, Provider, Traits
from services.dispatch.rejected.api import RejectedApi
from services.dispatch.rejected.carrying_out import CarryingOut
from services.dispatch.rejected.deciding import Decisions, RejectedDeciding
from services.dispatch.rejected.store import RejectedStore
from services.dispatch.sending.references import ReferencesByIncident
from services.dispatch.sending.sender import Sender
from services.dispatch.sending.unsealing import VaultPayloads
from services.dispatch.standing import Standing
from services.dispatch.store import Store
from services.dispatch.turn_store import turns_of
from services.kit.certificate import OwnPair, listening
from services.kit.errors import ConfigError
from services.kit.eventlog import comes_again_within
from services.kit.postgres import Pool
from services.kit.process import Job, OpenRoute, Route, Service, open_service
from services.kit.stage import StageHandle
from services.kit.vault import KeyRing, Vault, load_keys
from services.wire.incidents import follow_incidents
from services.wire.notices import ROUTED_TOPICS

__all__ = ["run"]

# Seconds. A round may hang for two minutes at a provider (`channels/email.py`), and the next one waits for it.
_SENDER_WITHIN = 300.0


async def run(channel: Channel, config: Config, stop: asyncio.Event, ready_file: Path | None = None) -> None:
    """Be the dispatch service of `channel` until `stop`."""
    keys = load_keys(config.keys_folder, KEYS_OF["dispatch"])
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(open_service(config, dispatch_stage(channel)))
        provider = open_provider(channel, config, service.clock)
        stack.push_async_callback(provider.close)
        store = Store(channel)
        since = await _since(service.pool, store, provider.traits, service.clock.now())
        incidents = follow_incidents(service)
        metrics = DispatchMetrics(service.registry, channel, provider.traits.name)
        breaker = Breaker(BreakerPolicy(window=config.refused_after.total_seconds()))
        busy: set[int] = set()
        channel_pause = ChannelPause(channel, service.pool, service.clock, metrics.channel_paused)
        handler = DispatchHandler(
            traits=provider.traits, store=store, incidents=incidents, clock=service.clock, metrics=metrics,
            unknown_after=config.unknown_after, breaker=breaker, busy=busy, paused=lambda: channel_pause.paused,
            keep_recalls=comes_again_within(NOTICES_RECALLED, config.log_retention), tracing=service.tracing,
            decided=CarryingOut(store, provider.traits, service.clock),
        )  # fmt: skip
        stage = service.stage([ROUTED_TOPICS[channel], NOTICES_RECALLED, RECEIPTS_ACCEPTED], handler)
        service.health.expect("sender", _SENDER_WITHIN)
        turns = turns_of(provider.traits, config.caps, config.per_day)
        sender = Sender(
            stage=stage,
            pool=service.pool,
            store=store,
            payloads=VaultPayloads(service.pool, Vault(keys), service.clock),
            incidents=incidents, references=ReferencesByIncident(keys),
            provider=provider, clock=service.clock,
            metrics=metrics,
            breaker=breaker, busy=busy,
            turns=turns, partitions=config.partitions,
            may_go=channel_pause.may_go,
            found=lambda: channel_pause.standing.found,
            since=since, tracing=service.tracing,
            beat=lambda: service.health.beat("sender"),
        )  # fmt: skip
        standing = Standing(service.pool, store, service.registry, provider.traits)
        service.jobs |= {"sender": sender.run, "standing": standing.run, "pause": channel_pause.run}
        if isinstance(config, EmailConfig) and config.bounces_listen:
            service.jobs["bounces"] = _bounces(config, service, keys, stage, metrics)
        service.jobs |= _answers(config, provider, service, stage)
        api = _api(
            service.pool, store, provider.traits, breaker, config, closures=Closures(incidents, channel),
            channel_pause=channel_pause, waits_since=standing.waits_since,
            limits=LimitsShown(config, turns, provider, lambda: sender.rests, service.clock))  # fmt: skip
        routes = [*api.routes(), *_decided(service, store, stage, provider.traits, config.partitions)]
        called = _hears_of(config, provider.traits, service, stage, stack)
        await service.run(stop, ready_file=ready_file, routes=routes, open_routes=called, openapi=OPENAPI)


def _answers(config: Config, provider: Provider, service: Service, stage: StageHandle) -> dict[str, Job]:
    """Return the jobs that hear what the print house answers, and read back what it was given, where there is one."""
    if not (isinstance(config, LetterConfig) and isinstance(provider, AnsweringProvider)):
        return {}
    hearing = Hearing(
        provider.answers,
        stage=stage,
        pool=service.pool,
        channel=provider.traits.channel,
        clock=service.clock,
        metrics=PrintMetrics(service.registry, provider.traits.name),
        keep=config.print_keep,
    )
    read_back = ReadingBack(
        provider.finished, stage=stage, pool=service.pool, traits=provider.traits, clock=service.clock
    )
    return {"answers": hearing.run, "reading-back": read_back.run}


def _decided(service: Service, store: Store, stage: StageHandle, traits: Traits, partitions: int) -> list[Route]:
    """Return the routes of what operators decide: about rejected print jobs, and what else was rejected."""
    decisions = Decisions(store, traits, service.clock, partitions)
    rejected = RejectedDeciding(decisions, stage, traits)
    return [
        *PrintedApi(service.pool, traits.channel, Deciding(decisions, stage, traits)).routes(),
        *RejectedApi(service.pool, RejectedStore(traits.channel), rejected).routes(),
    ]


def _hears_of(
    config: Config, traits: Traits, service: Service, stage: StageHandle, stack: AsyncExitStack
) -> list[OpenRoute]:
    """Have Notify asked for what it could not deliver; return the route by which it tells of deliveries."""
    if traits.name != NOTIFY or not isinstance(config, NotifyConfig):
        return []
    from services.dispatch.channels.notify import open_failures  # noqa: PLC0415 - most have no Notify

    failures = open_failures(config, service.clock)
    stack.push_async_callback(failures.close)
    service.jobs["polling"] = Polling(failures, stage=stage, channel=traits.channel, clock=service.clock).run
    if not config.notify_callback_token:
        return []
    token = config.notify_callback_token
    return Callbacks(token, stage=stage, channel=traits.channel, clock=service.clock).routes()


def _bounces(config: EmailConfig, service: Service, keys: KeyRing, stage: StageHandle, metrics: DispatchMetrics) -> Job:
    """Return the job that hears what came back by mail."""
    host, port = config.bounces_listen or ("", 0)
    mailbox = config.smtp_bounces or ""
    bounces = Bounces(mailbox, keys, stage=stage, channel=Channel.EMAIL, clock=service.clock, metrics=metrics)
    tls = None
    if config.tls_cert and config.tls_key:
        tls = listening(OwnPair(config.tls_cert, config.tls_key, "HERAUT_TLS_CERT, HERAUT_TLS_KEY"))
    must = not is_local(host) and "smtp" not in config.allow_plaintext
    own_name = config.smtp_own_name or "heraut.invalid"
    return partial(bounces.serve, host, port, own_name=own_name, tls=tls, must=must)


def _api(
    pool: Pool,
    store: Store,
    traits: Traits,
    breaker: Breaker,
    config: Config,
    *,
    closures: Closures,
    channel_pause: ChannelPause,
    waits_since: WaitsSince,
    limits: LimitsShown,
) -> Api:
    return Api(
        pool,
        store,
        channel=traits.channel,
        provider=traits.name if config.has_provider else None,
        breaker=breaker,
        closures=closures,
        unknown_after=config.unknown_after,
        channel_pause=channel_pause,
        waits_since=waits_since,
        limits=limits,
    )


async def _since(pool: Pool, store: Store, traits: Traits, now: datetime) -> datetime:
    """Return since when the channel hands over to this provider. What was begun with another one ends unknown.

    Raises ConfigError where it may not: nobody would ever know whether those people were told.
    """
    async with pool.acquire() as connection, connection.transaction():
        since, before, begun = await store.hands_over_to(connection, traits.name, now)
        if begun and not traits.channel & MAY_END_UNKNOWN:
            raise ConfigError(f"{begun} hand-overs to {before} are not settled: hand over there until they are")
    return since
