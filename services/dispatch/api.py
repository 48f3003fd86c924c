"""Dispatch's routes: what waits on its channel, and the hand-overs of which nobody knows how they ended."""

import re
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, Final

from aiohttp import web

from services.core.access import Act, Caller
from services.core.channel import Channel
from services.core.status import AttemptState
from services.dispatch.breaker import Breaker
from services.dispatch.channel_pause import OPERATOR, ChannelPause, PauseState
from services.dispatch.closures import Closures
from services.dispatch.domain import Batch
from services.dispatch.limits_shown import LimitsShown
from services.dispatch.rejected.store import RejectedStore
from services.dispatch.store import Store
from services.kit.postgres import Connection, Pool
from services.kit.process import Problem, Route, json_response

__all__ = ["MOST_BATCHES", "Api", "WaitsSince"]

MOST_BATCHES: Final = 256  # of one page: nearly each has one attempt
WaitsSince = Callable[[Connection], Awaitable[datetime | None]]  # of `standing.Standing`
_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)
# The key in an answer of each state that an attempt may wait in.
_STANDING: Final = {
    AttemptState.TAKEN: "queued",
    AttemptState.INTENT: "underWay",
    AttemptState.UNKNOWN: "unknown",
    AttemptState.REFUSED_WAITING: "refused",
    AttemptState.PAUSED: "paused",
    AttemptState.UNPRINTED: "rejected",
}


class Api:
    """The routes of one channel's process."""

    def __init__(
        self,
        pool: Pool,
        store: Store,
        *,
        channel: Channel,
        provider: str | None,
        breaker: Breaker,
        closures: Closures,
        unknown_after: timedelta,
        channel_pause: ChannelPause,
        waits_since: WaitsSince,
        limits: LimitsShown,
    ) -> None:
        """Make them; `provider` is None where the channel hands over to nobody."""
        self._closures = closures
        self._pool, self._store, self._breaker, self._unknown_after = pool, store, breaker, unknown_after
        self._channel, self._provider, self._rejected = channel, provider, RejectedStore(channel)
        self._channel_pause, self._waits_since, self._limits = channel_pause, waits_since, limits

    def routes(self) -> list[Route]:
        """Return the routes, each with the act that it asks for."""
        return [
            Route("GET", "/v1/channels", Act.CHANNELS_SHOWN, self.list_channels),
            Route("POST", "/v1/channels/{channel}/pause", Act.CHANNEL_PAUSED, self.pause),
            Route("POST", "/v1/channels/{channel}/resume", Act.CHANNEL_RESUMED, self.resume),
            Route("GET", "/v1/unknowns", Act.CHANNELS_SHOWN, self.list_unknowns),
        ]

    async def list_channels(self, _: web.Request, _caller: Caller) -> web.StreamResponse:
        """Return how the channel of this process stands: what waits, since when, and what keeps it."""
        async with self._pool.acquire() as connection:
            found = await self._store.standing(connection)
            since = await self._waits_since(connection)
            limits = await self._limits.shown(connection)
            decided, decided_since = await self._rejected.standing_decided(connection)
        if since and (queued := found.get(AttemptState.TAKEN)):
            found[AttemptState.TAKEN] = queued[0], min(queued[1], since)  # put off by its provider, nobody is younger
        standing = {key: _waiting(found.get(state)) for state, key in _STANDING.items()}
        shown = {
            "channel": self._channel.label,
            "provider": self._provider,
            **standing,
            "decided": _waiting((decided, decided_since) if decided_since else None),
            "pauses": self._pauses(),
            "waysPaused": [_way(kind, number) for kind, number in sorted(self._ways().items())],
            **limits,
            **_paused(self._channel_pause.standing),
            "closedFor": sorted(self._closures.closed()),
        }
        return json_response({"channels": [shown]})

    def _pauses(self) -> list[str]:
        operator = [OPERATOR] if self._channel_pause.paused else []
        return sorted({*(reason for _way, reason in self._breaker.paused_ways()), *operator})

    def _ways(self) -> Counter[str]:
        """Count what the breaker paused: channel, receiving domains, incidents' words. A domain may name a person."""
        return Counter(str(way[0]) for way, _reason in self._breaker.paused_ways())

    async def pause(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """Pause the channel of this process, on all its replicas."""
        self._find(request)
        return self._answer(await self._channel_pause.pause(caller))

    async def resume(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """Let the channel of this process go on, on all its replicas."""
        self._find(request)
        return self._answer(await self._channel_pause.resume(caller))

    def _find(self, request: web.Request) -> None:
        """Raise Problem where another channel is meant."""
        if request.match_info["channel"] != self._channel.label:
            raise Problem(404, "This process has another channel", detail=f"It has {self._channel.label}.")

    def _answer(self, standing: PauseState) -> web.StreamResponse:
        return json_response({"channel": self._channel.label, **_paused(standing)})

    async def list_unknowns(self, request: web.Request, _caller: Caller) -> web.StreamResponse:
        """Return a page of attempts that began and of which nobody can tell how they ended."""
        after = request.query.get("after", "0")
        if not _NUMBER.fullmatch(after):
            fault = {"field": "after", "problem": "must be the `next` of another page"}
            raise Problem(400, "That is no page", problems=[fault])
        async with self._pool.acquire() as connection:
            batches = await self._store.unknowns(connection, int(after), MOST_BATCHES)
        following = str(batches[-1].number) if len(batches) == MOST_BATCHES else None
        return json_response(
            {"unknowns": [one for batch in batches for one in self._unknown(batch)], "next": following}
        )

    def _unknown(self, batch: Batch) -> list[dict[str, Any]]:
        """Return the attempts of a batch, each with when the next channel gets its notice."""
        at, notices = batch.since, batch.notices
        told = {"since": _time(at), "nextChannelAt": _time(at + self._unknown_after)}
        return [
            {"noticeId": notice.hex(), "attempt": attempt, "incidentId": notices.incident_id, "cohortId": cohort}
            | {"channel": self._channel.label, **told}
            for notice, attempt, cohort in zip(notices.ids, notices.attempts, notices.cohorts, strict=True)
        ]


def _way(kind: str, number: int) -> dict[str, Any]:
    return {"kind": kind, "number": number}


def _paused(standing: PauseState) -> dict[str, Any]:
    return {"pausedBy": standing.paused_by, "since": _time(standing.since) if standing.since else None}


def _waiting(found: tuple[int, datetime] | None) -> dict[str, Any]:
    attempts, since = found or (0, None)
    return {"attempts": attempts, "since": _time(since) if since else None}


def _time(at: datetime) -> str:
    return at.isoformat(timespec="seconds")
