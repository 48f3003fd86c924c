"""The breaker beside the hand-overs of one provider: which rows go, what their ends say, and who hears of a pause."""

import logging
from collections import Counter as Tally
from collections.abc import Mapping, Sequence

from services.core.clock import Clock
from services.dispatch.blame import Blame
from services.dispatch.breaker import CHANNEL, Breaker, Seen, Switch, Way, Ways
from services.dispatch.domain import Round, Work
from services.dispatch.metrics import DispatchMetrics
from services.dispatch.outcomes import TEMPORARY_TRIES, Ending, Result
from services.dispatch.provider import Traits
from services.rendering.contact import Contact

__all__ = ["Watching"]

logger = logging.getLogger(__name__)

_NOT_SENT = Result(Ending.NOT_SENT)
_DOMAIN, _WORDS = "domain", "content"
_MANY = 10  # people: from so many on a domain names nobody
_PAUSED = {
    "channel": "the channel is paused: everything stays open",
    _DOMAIN: "a receiving domain is paused: its mails stay open",
    _WORDS: "an incident is stopped on this channel: its notices stay open",
}
_GOES_ON = {"channel": "the channel goes on", _DOMAIN: "a receiving domain goes on", _WORDS: "an incident goes on"}


class Watching:
    """Asks the breaker, tells it, and makes known what it decides."""

    def __init__(self, breaker: Breaker, traits: Traits, clock: Clock, metrics: DispatchMetrics) -> None:
        self._breaker = breaker
        self._domain = traits.domain
        self._clock = clock
        self._metrics = metrics

    @property
    def may_go(self) -> bool:
        """Whether anything may be handed over now: the channel is not paused, or its next probe is due."""
        return self._breaker.may_go(self._clock.monotonic())

    @property
    def paused(self) -> bool:
        """Whether the channel is paused, so that one attempt at a time is enough."""
        return self._breaker.paused()

    def left(self, incident_id: str, version: int) -> None:
        """Take note that notices have other words now than those of a version."""
        self._breaker.leave((_WORDS, incident_id, version))
        self._make_known()

    def held(self, one: Round) -> Sequence[Result] | None:
        """Return the results of a round that need not be made ready, as all of it is paused; None where some goes."""
        now, ways = self._clock.monotonic(), Ways(_words(one))
        if self._breaker.may_go(now) and self._breaker.may_go(now, ways.words):
            return None
        return [self._kept(ways, now)] * len(one)

    def admitted(self, one: Round, contacts: Sequence[Contact], rows: list[int]) -> tuple[list[int], list[Result]]:
        """Return which of these rows go, and a result for every row as if none did."""
        now, breaker = self._clock.monotonic(), self._breaker
        if not breaker.paused_ways():
            return rows, [_NOT_SENT] * len(one)
        going, results, words, keys = [], [_NOT_SENT] * len(one), _words(one), one.keys
        for row in rows:
            ways = self._ways(words, contacts[row])
            if breaker.admit(keys[row], ways, now):
                going.append(row)
            else:
                results[row] = self._kept(ways, now)
        return going, results

    def saw(self, work: Work, results: Sequence[Result]) -> Sequence[Result]:
        """Learn from a round's results; returns them as they are to be recorded."""
        breaker, now = self._breaker, self._clock.monotonic()
        kinds = Tally(map(id, results))
        known = {id(result): result for result in results}
        blames = self._count(known, kinds)
        if breaker.calm and not blames:
            breaker.accepted(sum(kinds[kind] for kind, result in known.items() if result.ending is Ending.ACCEPTED))
            return results
        recorded = self._each(work, results, now)
        self._make_known()
        return recorded

    def _each(self, work: Work, results: Sequence[Result], now: float) -> list[Result]:
        """Tell the breaker how each attempt ended; returns the results as they are to be recorded.

        What stops a way comes last: whoever was accepted in the same round was so before it fell ill.
        """
        one, words, keys, recorded = work.round, _words(work.round), work.round.keys, list(results)
        for row in sorted(range(len(results)), key=lambda row: results[row].stops):
            result = results[row]
            last_try = result.ending is Ending.NOT_NOW and one.tries[row] + 1 >= TEMPORARY_TRIES
            seen = Seen(keys[row], self._ways(words, work.contacts[row]), result, last_try)
            recorded[row] = self._breaker.saw(seen, now)
            self._breaker.probe_ended(keys[row], now)
        return recorded

    def _ways(self, words: Way, contact: Contact) -> Ways:
        return Ways(words, (_DOMAIN, self._domain(contact)) if self._domain else None)

    def _kept(self, ways: Ways, now: float) -> Result:
        """Return the result of an attempt that stays: in the queue, or away from it until its way is looked at."""
        if not any(self._breaker.paused(way) for way in ways.all if way != CHANNEL):
            return _NOT_SENT
        # Whole seconds, so that those who wait for the same share a batch.
        return Result(Ending.HELD, wait=float(round(self._breaker.wait(now, ways.all))))

    def _count(self, known: Mapping[int, Result], kinds: Mapping[int, int]) -> bool:
        """Count blames; tells whether there was any. Thousands of rows share a handful of results."""
        blames: Tally[Blame] = Tally()
        for kind, result in known.items():
            if result.blame:
                blames[result.blame] += kinds[kind]
        self._metrics.count_blames(blames)
        return bool(blames)

    def _make_known(self) -> None:
        switches, self._breaker.switches = self._breaker.switches, []
        for switch in switches:
            _log(switch)
        if switches:
            self._metrics.pauses(_shown(way, reason) for way, reason in self._breaker.paused_ways())


def _words(one: Round) -> Way:
    return (_WORDS, one.notices.incident_id, one.notices.incident_version)


def _shown(way: Way, reason: str) -> str:
    kind = _kind(way)
    return reason if kind == "channel" else kind


def _kind(way: Way) -> str:
    return str(way[0])


def _log(switch: Switch) -> None:
    """Write the line that an operator is woken by. It names a domain that refused many: some have one mailbox."""
    kind = _kind(switch.way)
    about: dict[str, str | int] = {}
    if kind == _WORDS:
        about = {"incident_id": switch.way[1], "incident_version": switch.way[2]}
    elif kind == _DOMAIN and switch.hit >= _MANY:
        about = {"domain": switch.way[1]}
    if switch.reason:
        about |= {"reason": switch.reason, "answer": switch.answer, "hit": switch.hit}
        logger.error(_PAUSED[kind], extra=about)
    else:
        logger.warning(_GOES_ON[kind], extra=about)
