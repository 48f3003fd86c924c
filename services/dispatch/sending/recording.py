"""From a round's results to its outcome in the database and in the log, written until it is there."""

import asyncio
import logging
import random
from collections import Counter as Tally
from collections.abc import Sequence

from services.core.clock import Clock
from services.dispatch.domain import Key, Round
from services.dispatch.handlers import OutcomeBlocks
from services.dispatch.metrics import DispatchMetrics
from services.dispatch.outcomes import ABSENT, AttemptOutcome, Ending, Result, classify
from services.dispatch.pauses import Pause, Pauses
from services.dispatch.provider import ProviderClass, Traits
from services.dispatch.run_store import RunStore
from services.dispatch.store import Store
from services.kit.errors import LostOwnershipError
from services.kit.postgres import is_retryable
from services.kit.retry import backoff
from services.kit.stage import StageHandle

__all__ = ["Recording"]

logger = logging.getLogger(__name__)

# Seconds in which an outcome is tried to be written. That is longer than some leases: then another process has the
# partition, and settles the round.
_PATIENCE = 30.0


class Recording:
    """Writes down how the rounds of one provider ended."""

    def __init__(
        self,
        *,
        traits: Traits,
        stage: StageHandle,
        store: Store,
        clock: Clock,
        metrics: DispatchMetrics,
        window: float,
        pauses: Pauses,
    ) -> None:
        """`window` is how long the refusals of a provider wait before they are told, in seconds."""
        self._pauses = pauses
        self._stage = stage
        self._store, self._runs = store, RunStore()
        self._blocks = OutcomeBlocks(traits)
        self._clock = clock
        self._metrics = metrics
        self._window = window
        self._is_asked = traits.provider_class is ProviderClass.ASKED

    async def record(self, one: Round, results: Sequence[Result]) -> Sequence[AttemptOutcome]:
        """Write a round's outcome, as often as it takes: nobody else knows it. Returns nothing where it gave up."""
        outcomes = _outcomes(one, results, self._window)
        give_up_at = self._clock.monotonic() + _PATIENCE
        attempt = 0
        while True:
            try:
                done = await self._write(one, outcomes, results)
                break
            except Exception as error:
                if not (isinstance(error, LostOwnershipError) or is_retryable(error)):
                    raise
                if self._clock.monotonic() > give_up_at:
                    logger.warning("an outcome could not be written", extra={"partition": one.partition})
                    return ()
            await asyncio.sleep(backoff(attempt, base=0.2, cap=5.0, random=random.random))
            attempt += 1
        self._count(one, results, done)
        return outcomes

    async def _write(self, one: Round, outcomes: Sequence[AttemptOutcome], results: Sequence[Result]) -> list[int]:
        """Write outcomes once; returns the rows that this call settled, and not another process."""
        now = self._clock.now()
        async with self._stage.fenced([one.partition]) as transaction:
            done = await self._store.record(transaction.connection, one, outcomes, now)
            await self._runs.settle(transaction.connection, one, outcomes, now)
            if self._is_asked and (absent := _absent(one, results)):
                await self._store.note_absent(transaction.connection, absent, now)
            for pause in self._pauses.of(one.notices):  # nothing of it begins any more, so this had begun before
                if begun := _begun(one, results, pause):
                    await self._store.note_begun(transaction.connection, pause, one.partition, begun)
            if len(done) == len(one):
                outputs = self._blocks.of(one.partition, one.notices, outcomes, now)
            else:
                settled_here = [outcomes[row] for row in done]
                outputs = self._blocks.of(one.partition, one.notices.pick(done), settled_here, now)
            transaction.emit(outputs)
        return done

    def _count(self, one: Round, results: Sequence[Result], rows: Sequence[int]) -> None:
        if self._is_asked:
            self._metrics.repeated.inc(len(_absent(one, results)))
        self._metrics.count(_tally(results, rows))
        accepted = [one.notices.accepted_at[row] for row in rows if results[row].ending is Ending.ACCEPTED]
        self._metrics.handed_over(accepted, int(self._clock.now().timestamp() * 1000))


_NOT_BEGUN = frozenset({Ending.NOT_SENT, Ending.HELD})


def _begun(one: Round, results: Sequence[Result], pause: Pause) -> list[Key]:
    """Return the attempts of a round that were handed over and that a pause concerns."""
    rows = zip(one.keys, one.notices.carriers, results, strict=True)
    return [key for key, carriers, result in rows if pause.concerns(carriers) and result.ending not in _NOT_BEGUN]


def _absent(one: Round, results: Sequence[Result]) -> list[Key]:
    """Return the attempts that the provider does not know, and that may be made again."""
    return [key for key, result in zip(one.keys, results, strict=True) if result.reason == ABSENT]


def _outcomes(one: Round, results: Sequence[Result], window: float) -> list[AttemptOutcome]:
    """Return what is stored of each result. A round's waits share their jitter, so that a batch stays together."""
    spread = random.random()  # noqa: S311 - to spread waits, not to hide anything
    known: dict[tuple[int, int], AttemptOutcome] = {}  # thousands of rows share a handful of results, the same objects
    outcomes = []
    for result, tries in zip(results, one.tries, strict=True):
        found = known.get((id(result), tries))
        if found is None:
            found = known[id(result), tries] = classify(result, tries, _wait(result.ending, tries, spread), window)
        outcomes.append(found)
    return outcomes


def _wait(ending: Ending, tries: int, spread: float) -> float:
    # A mailbox that puts us off wants minutes (greylisting); an answer that did not come can be asked for again soon.
    base = 30.0 if ending is Ending.NOT_NOW else 1.0
    return backoff(tries, base=base, cap=3600.0, random=lambda: spread)


def _tally(results: Sequence[Result], rows: Sequence[int]) -> dict[str, int]:
    """Count these rows' outcomes by their names."""
    kinds = {id(result): result.counted_as for result in results}
    tally: Tally[str] = Tally()
    for kind, number in Tally(id(results[row]) for row in rows).items():
        tally[kinds[kind]] += number
    return tally
