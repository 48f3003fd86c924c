"""From a round to its results: who the people are and what they are told, and then the one call of the provider."""

import logging
import random
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Protocol

from services.core.clock import Clock
from services.core.incident import Incident
from services.core.synthetic import is_synthetic
from services.dispatch.domain import Pace, Round, Work
from services.dispatch.errors import SyntheticError
from services.dispatch.metrics import DispatchMetrics
from services.dispatch.outcomes import Ending, HandOver, Result
from services.dispatch.provider import Provider, ProviderClass
from services.dispatch.sending.references import ReferencesByIncident
from services.dispatch.sending.turns import ProviderTurns
from services.dispatch.sending.watching import Watching
from services.kit.postgres import is_retryable
from services.kit.retry import backoff
from services.kit.vault import KeyRingError
from services.rendering.contact import Contact
from services.wire.incidents import Incidents

__all__ = ["HandingOver", "Payloads"]

logger = logging.getLogger(__name__)

_WITHOUT_KEY = 30.0  # seconds between two lines of the log that say so
_LONGEST_PAUSE = 3600.0  # seconds; a provider that asks for more is asked again after an hour

_INTERRUPTED = Result(Ending.UNKNOWN, "interrupted")
_NO_PAYLOAD = Result(Ending.REFUSED, "no-payload")
_NOT_SENT = Result(Ending.NOT_SENT)
_REPEAT = Result(Ending.REPEAT)


class Payloads(Protocol):
    """Where the contact data of people is unsealed."""

    async def contacts(self, one: Round) -> Sequence[Contact | None]:
        """Return one entry a row; None where the data is gone (erased) or does not open for this person."""
        ...


class HandingOver:
    """Hands rounds over to one provider, at its pace; leaves it alone for a while when it cannot take more."""

    def __init__(
        self,
        *,
        provider: Provider,
        payloads: Payloads,
        incidents: Incidents,
        references: ReferencesByIncident,
        clock: Clock,
        watching: Watching,
        metrics: DispatchMetrics,
        since: datetime,
        turns: ProviderTurns,
        share: Callable[[], float] = lambda: 1.0,
    ) -> None:
        """`since`: when this channel began to hand over to this provider. `share`: which part of it is this process."""
        self._since = since
        self._provider = provider
        self._payloads = payloads
        self._incidents = incidents
        self._references = references
        self._clock = clock
        self._watching = watching
        self._metrics = metrics
        self._turns, self._share = turns, share
        self._pace = Pace()
        self._outages = 0  # since something went through
        self._paused_until = 0.0

    @property
    def paused(self) -> bool:
        """Whether the provider is left alone now, but for a probe when one is due."""
        return self._clock.monotonic() < self._paused_until or not self._watching.may_go

    @property
    def rests(self) -> float:
        """For how many seconds nothing is handed over here, as the provider's caps are used up."""
        return self._turns.rests

    @property
    def limit(self) -> int:
        """How many attempts one intent may cover now."""
        traits = self._provider.traits
        if self._watching.paused:
            return 1
        return traits.batch_size if traits.makes_files else self._pace.size

    async def results(
        self, one: Round, unsent: Collection[int], go: Callable[[], bool], *, closed: bool = False
    ) -> Sequence[Result]:
        """Hand a round over; returns one result a row. `unsent` = batches that surely were not handed over before.

        A blind provider is not given a round a second time, as nobody can know how the first time ended; nor is any
        other one than that to which it was begun, nor any whose channel is `closed`. One that can be asked need not be,
        where nothing was sent.
        """
        kind = self._provider.traits.provider_class
        if one.repeated and (kind is ProviderClass.BLIND or one.created_at < self._since):
            return [_NOT_SENT if number in unsent else _INTERRUPTED for number, rows in one.rows() for _ in rows]
        if one.repeated and kind is ProviderClass.ASKED and unsent and set(one.numbers).issubset(unsent):
            return [_NOT_SENT] * len(one)
        if one.repeated and kind is ProviderClass.IDEMPOTENT and not closed:
            self._metrics.repeated.inc(len(one))
        found = await self._prepare(one, go)
        if not (one.repeated and closed):
            return found
        ended = [_NOT_SENT if number in unsent else _INTERRUPTED for number, rows in one.rows() for _ in rows]
        return [end if result.ending is Ending.REPEAT else result for end, result in zip(ended, found, strict=True)]

    async def _prepare(self, one: Round, go: Callable[[], bool]) -> Sequence[Result]:
        """Find the incident's words and people's data; rows without data are refused, the others handed over."""
        held = self._watching.held(one)
        if held is not None:
            return _still_begun(one, held)
        try:
            key = ("incident", one.notices.incident_id, str(one.notices.incident_version))
            incident = await self._incidents.wait_for(key)
            groups = await self._groups(incident, one)
            references, earlier = self._references.of(incident, one.notices)
            contacts = await self._payloads.contacts(one)
        except Exception as error:  # noqa: BLE001 - `_unready` tells what kind it is
            self._unready(one, error)
            return [_REPEAT if one.repeated else _NOT_SENT] * len(one)
        people = [contact or Contact() for contact in contacts]
        work = Work(one, incident, people, references, earlier, groups, self._turns, self._share())
        return _still_begun(one, await self._part(work, contacts, go))

    def _unready(self, one: Round, error: Exception) -> None:
        """Take note of why a round cannot be made ready: keys and databases come back, a bug of ours does not pass."""
        if isinstance(error, KeyRingError):
            logger.error("a round cannot be made ready: %s", error)
            self._paused_until = self._clock.monotonic() + _WITHOUT_KEY
        elif is_retryable(error):
            logger.warning("a round cannot be made ready", extra={"error_class": type(error).__name__})
        else:
            self._note_bug(one, error)

    def _note_bug(self, one: Round, error: Exception) -> None:
        place = {"incident_id": one.notices.incident_id, "partition": one.partition, "batches": one.numbers}
        logger.error("our code cannot hand a round over", extra=place, exc_info=error)
        one.bug = f"a round raised {type(error).__name__}"

    async def _groups(self, incident: Incident, one: Round) -> dict[str, str]:
        """Return the groups of the round's cohorts, where the incident has words for groups. They never change."""
        if not incident.groups:
            return {}
        named = sorted(set(one.notices.cohorts))
        cohorts = [await self._incidents.wait_for(("cohort", incident.incident_id, cohort)) for cohort in named]
        return {cohort.cohort_id: cohort.group for cohort in cohorts if cohort.group}

    async def _part(self, work: Work, contacts: Sequence[Contact | None], go: Callable[[], bool]) -> Sequence[Result]:
        """Hand over the rows whose data is there and whose ways are not paused."""
        present = [row for row, contact in enumerate(contacts) if contact is not None]
        rows, results = self._watching.admitted(work.round, work.contacts, present)
        if len(rows) == len(contacts):
            return await self._hand_over(work, go)
        for row in set(range(len(contacts))).difference(present):
            results[row] = _NO_PAYLOAD
        if rows:
            part = work.pick(rows)
            for row, result in zip(rows, await self._hand_over(part, go), strict=True):
                results[row] = result
            work.round.printed, work.round.bug = part.round.printed, part.round.bug
        return results

    async def _hand_over(self, work: Work, go: Callable[[], bool]) -> Sequence[Result]:
        if is_synthetic(work.notices.incident_id):  # the last wall: whatever came before, no provider sees it
            raise SyntheticError("a synthetic person came to a provider")
        begin = self._clock.monotonic()
        try:
            handed = await self._provider.hand_over(work, lambda: go() and not self._turns.rests)
        except Exception as error:  # noqa: BLE001 - nobody knows how far it came: all of it stays begun
            self._note_bug(work.round, error)
            return [_REPEAT] * len(work.contacts)
        seconds = self._clock.monotonic() - begin
        self._metrics.round_seconds.observe(seconds)
        work.round.printed, work.round.bug = handed.printed, handed.bug
        self._note(handed)
        if handed.outage is None:
            self._pace.took(len(handed.results) - handed.results.count(_NOT_SENT), seconds)
        return self._watching.saw(work, handed.results)

    def _note(self, handed: HandOver) -> None:
        """Begin a pause where the provider cannot take more; it is longer each time that nothing went through."""
        if any(result.ending is Ending.ACCEPTED for result in handed.results):
            self._outages = 0
        if handed.outage is None:
            self._metrics.paused.set(0)
            return
        if handed.outage.too_many:
            self._turns.slowdown.asked(self._clock.monotonic())
        pause = backoff(self._outages, base=0.5, cap=30.0, random=random.random)  # soon after it is back, never a storm
        asked = handed.outage.after
        self._outages += 1
        self._paused_until = self._clock.monotonic() + (min(asked, _LONGEST_PAUSE) if asked is not None else pause)
        self._metrics.paused.set(1)


_NOT_HANDED_OVER = frozenset({Ending.NOT_SENT, Ending.HELD})


def _still_begun(one: Round, results: Sequence[Result]) -> Sequence[Result]:
    """Return results as they are to be recorded of a round that may be a repeat.

    The provider may have taken it the time before: it stays begun until there is an answer.
    """
    if not one.repeated:
        return results
    return [_REPEAT if result.ending in _NOT_HANDED_OVER else result for result in results]
