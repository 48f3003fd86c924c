"""Every metric of dispatch's own; the metrics that all stages have are in `kit.stage` and `kit.process`."""

import time
from bisect import bisect_left
from collections import Counter as Tally
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import accumulate
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

from services.core.channel import Channel
from services.core.status import AttemptState
from services.dispatch.blame import Blame

__all__ = ["PAUSES", "PRINT_ANSWERS", "REPORTS", "DispatchMetrics", "PrintMetrics", "StandingMetrics"]

# Why something is paused.
PAUSES = ("sender", "provider", "refusals", "domain", "content", "cohort", "operator")

# The states that an attempt may wait in.
_STATES: Final = {
    AttemptState.TAKEN: "queued",
    AttemptState.INTENT: "under-way",
    AttemptState.UNKNOWN: "unknown",
    AttemptState.REFUSED_WAITING: "refused",
    AttemptState.PAUSED: "paused",
    AttemptState.UNPRINTED: "rejected",
}
# Ends of a hand-over that somebody at the provider must have said.
_ANSWERS: Final = {"accepted", "refused", "refused-waiting"}

# What comes back by mail is one of these.
REPORTS = (
    *("bounced-hard", "bounced-soft", "bounced-ours", "delivered", "complained"),
    *("no-report", "unreadable", "not-final", "no-complaint", "forged"),
)

# Why an answer of a print house is left where it lies.
_LEFT_FOR: Final = ("unknown-job", "no-manifest", "malformed", "too-large", "link", "no-file", "name", "not-done")
# What a print house says of print files, and of single letters; the others are answers that nothing can be taken from.
PRINT_ANSWERS: Final = ("acknowledged", "posted", "rejected", "letter-rejected", "contradictory", *_LEFT_FOR)

# From a portal message a tenth of a second after its upload to a letter that waited a week for its release.
# Fine between one second and five, where the aim lies: 99 of 100 within three at half of the top rate.
_NOTICE_BUCKETS = (
    *(0.1, 0.25, 0.5, 1, 1.5, 2, 2.5, 3, 4, 5, 7.5, 10, 30, 60),
    *(300, 1800, 3600, 21600, 86400, 259200, 604800),
)
# A round is aimed at half a second; a hanging provider is given up after two minutes.
_ROUND_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class DispatchMetrics:
    """Counters with their children bound once; moved once a round, never once a notice."""

    def __init__(self, registry: CollectorRegistry, channel: Channel, provider: str) -> None:
        attempts = Counter(
            "dispatch_attempts_total",
            "How hand-overs ended: accepted, refused, unknown, not-sent or not-now (surely not handed over, waits), "
            "held (waits for the end of a pause), refused-waiting (may still be taken back, else refused later), "
            "closed (its incident has closed the channel: on to the next one), "
            "repeat (no answer yet; the same again is safe).",
            ["channel", "provider", "outcome"],
            registry=registry,
        )
        outcomes = (
            *("accepted", "refused", "unknown", "not-sent", "not-now", "repeat", "held", "refused-waiting"),
            "closed",
        )
        self._attempts = {outcome: attempts.labels(channel.label, provider, outcome) for outcome in outcomes}
        self._notice_seconds = _Durations(
            "dispatch_notice_seconds",
            "Time from a member's acceptance to the hand-over of its notice.",
            ("channel", channel.label),
            _NOTICE_BUCKETS,
        )
        registry.register(self._notice_seconds)
        self.round_seconds = Histogram(
            "dispatch_round_seconds",
            "Time in which a provider took one round: a print batch, or some hundreds of messages.",
            ["channel", "provider"],
            buckets=_ROUND_BUCKETS,
            registry=registry,
        ).labels(channel.label, provider)
        self.repeated = Counter(
            "dispatch_repeated_total",
            "Hand-overs that were begun before and are made again, as the provider knows our id.",
            ["channel", "provider"],
            registry=registry,
        ).labels(channel.label, provider)
        self._blames, self._pauses, self.taken_back = _faults(registry, channel.label, provider)
        self.paused, self._heard = _provider(registry, channel.label)
        reports = Counter(
            "dispatch_reports_total",
            "What came back by mail: bounced-hard, -soft, -ours (no fault of its recipient), delivered, complained; "
            "ignored: no-report, unreadable, not-final, no-complaint; forged.",
            ["channel", "kind"],
            registry=registry,
        )
        self._reports = {kind: reports.labels(channel.label, kind) for kind in REPORTS}
        self._closed = Gauge(
            "dispatch_channel_closed", "Incidents for which the channel is closed, by the newest version of each.",
            ["channel"], registry=registry,
        ).labels(channel.label)  # fmt: skip

    def reported(self, kind: str) -> None:
        """Count a report on a mail; `kind` is one of REPORTS."""
        self._reports[kind].inc()

    def closed(self, incidents: int) -> None:
        """Show for how many incidents the channel is closed."""
        self._closed.set(incidents)

    def count(self, outcomes: Mapping[str, int]) -> None:
        """Count a round's outcomes, after its commit."""
        if not _ANSWERS.isdisjoint(outcomes):
            self._heard.set_to_current_time()
        for outcome, number in outcomes.items():
            self._attempts[outcome].inc(number)

    def count_blames(self, blames: Mapping[Blame, int]) -> None:
        """Count a round's answers that were no acceptance."""
        for blame, number in blames.items():
            self._blames[blame].inc(number)

    def pauses(self, reasons: Iterable[str]) -> None:
        """Show what is paused now: one entry a pause."""
        now = Tally(reasons)
        for reason, gauge in self._pauses.items():
            if reason not in {"cohort", "operator"}:  # an operator's pause, not the breaker's
                gauge.set(now[reason])

    def cohorts_paused(self, cohorts: int) -> None:
        """Show how many cohorts are paused, so that what names their facts stays."""
        self._pauses["cohort"].set(cohorts)

    def channel_paused(self, paused: bool) -> None:  # noqa: FBT001 - how it stands, told as it is
        """Show whether an operator paused the channel."""
        self._pauses["operator"].set(paused)

    def handed_over(self, accepted_at: Iterable[int], now: int) -> None:
        """Observe how long notices were on their way; times in ms since 1970."""
        self._notice_seconds.observe((now - at) / 1000 for at in accepted_at)


def _faults(
    registry: CollectorRegistry, channel: str, provider: str
) -> tuple[Mapping[Blame, Counter], Mapping[str, Gauge], Counter]:
    """Make what counts faults, shows pauses, and counts refusals that were taken back."""
    blames = Counter(
        "dispatch_blames_total",
        "Answers of the provider that are no acceptance, by whose fault they are.",
        ["channel", "provider", "blame"],
        registry=registry,
    )
    pauses = Gauge(
        "dispatch_channel_paused",
        "1 while the channel is paused because of the sender, the provider or a flood of refusals; for domain and "
        "content how many receiving domains are paused, and how many versions of incidents; for cohort, cohorts. For "
        "operator 1 while an operator paused it.",
        ["channel", "reason"],
        registry=registry,
    )
    taken_back = Counter(
        "dispatch_taken_back_total",
        "Refusals that were taken back before they were told, as the provider was ill.",
        ["channel", "provider"],
        registry=registry,
    )
    return (
        {blame: blames.labels(channel, provider, blame.value) for blame in Blame},
        {reason: pauses.labels(channel, reason) for reason in PAUSES},
        taken_back.labels(channel, provider),
    )


def _provider(registry: CollectorRegistry, channel: str) -> tuple[Gauge, Gauge]:
    """Make what shows whether the provider is there."""
    paused = Gauge(
        "dispatch_provider_paused", "1 while the provider takes nothing and is left alone.", ["channel"],
        registry=registry,
    )  # fmt: skip
    heard = Gauge(
        "dispatch_provider_last_heard_timestamp_seconds",
        "When the provider last took or refused something; 0 = never since the start.",
        ["channel"],
        registry=registry,
    )
    return paused.labels(channel), heard.labels(channel)


class PrintMetrics:
    """What the print house said, and what it did not say yet."""

    def __init__(self, registry: CollectorRegistry, provider: str) -> None:
        answers = Counter(
            "dispatch_print_answers_total",
            "What the print house said: print files acknowledged, posted, rejected, contradictory (the last two); "
            "letter-rejected (single letters); and answers that nothing could be taken from, each once.",
            ["provider", "kind"],
            registry=registry,
        )
        left = Gauge(
            "dispatch_print_answers_left",
            "Answers of the print house that are left where they lie, by why.",
            ["provider", "reason"],
            registry=registry,
        )
        files = Gauge(
            "dispatch_print_files",
            "Print files by what was said of them. waiting: nothing; rejected: letters in them wait for an operator.",
            ["provider", "state"],
            registry=registry,
        )
        self._unprinted = Gauge(
            "dispatch_unprinted_letters",
            "Letters that the print house rejected through no fault of their recipients, and nobody decided about.",
            ["provider"],
            registry=registry,
        ).labels(provider)
        self._answers = {kind: answers.labels(provider, kind) for kind in PRINT_ANSWERS}
        self._left = {reason: left.labels(provider, reason) for reason in _LEFT_FOR}
        self._waiting, self._rejected = (files.labels(provider, state) for state in ("waiting", "rejected"))
        self._since: datetime | None = None
        Gauge(
            "dispatch_print_unanswered_seconds",
            "Since when the first print file was handed over of which the print house said nothing; 0 = there is none.",
            ["provider"],
            registry=registry,
        ).labels(provider).set_function(lambda: _age(self._since))

    def heard(self, kind: str, number: int = 1) -> None:
        """Count what was said; `kind` is one of PRINT_ANSWERS."""
        self._answers[kind].inc(number)

    def left(self, reasons: Mapping[str, int]) -> None:
        """Show how many answers are left where they lie, and why."""
        for reason, gauge in self._left.items():
            gauge.set(reasons.get(reason, 0))

    def show(self, waiting: int, since: datetime | None, rejected: int, unprinted: int) -> None:
        """Show how print files stand: how many wait and since when, how many are rejected, with how many letters."""
        self._waiting.set(waiting)
        self._rejected.set(rejected)
        self._unprinted.set(unprinted)
        self._since = since


class StandingMetrics:
    """What waits on a channel; ages are of the moment of the scrape, also while the database is away."""

    def __init__(self, registry: CollectorRegistry, channel: Channel) -> None:
        notices = Gauge(
            "dispatch_open_notices",
            "Attempts that are not settled. queued: not begun; under-way: begun; unknown: nobody knows how it ended; "
            "refused: may still be taken back; paused: set aside; rejected: its provider gave it back through no fault "
            "of the recipient, and nobody decided about it; print files aside.",
            ["channel", "state"],
            registry=registry,
        )
        oldest = Gauge(
            "dispatch_open_oldest_seconds",
            "Since when the first of them is so; of what is queued or under way, since when it came, however often it "
            "was put off. 0 = there is none.",
            ["channel", "state"],
            registry=registry,
        )
        self._notices = {state: notices.labels(channel.label, word) for state, word in _STATES.items()}
        self._since: dict[AttemptState, datetime | None] = dict.fromkeys(_STATES)
        for state, word in _STATES.items():
            oldest.labels(channel.label, word).set_function(partial(self._age_of, state))
        self._runs = Gauge(
            "dispatch_unclosed_print_runs", "Print runs that the print house has no total of.", registry=registry
        )
        self._runs_since: datetime | None = None
        Gauge(
            "dispatch_unclosed_print_run_seconds",
            "Since when the first of them got no file; 0 = there is none.",
            registry=registry,
        ).set_function(lambda: _age(self._runs_since))
        self._decided = Gauge(
            "dispatch_decided_notices",
            "Rejected attempts that an operator decided about: they wait until all is known that was acknowledged "
            "before.",
            ["channel"],
            registry=registry,
        ).labels(channel.label)
        self._decided_since: datetime | None = None
        Gauge(
            "dispatch_decided_oldest_seconds",
            "Since when the first of them waits; 0 = there is none.",
            ["channel"],
            registry=registry,
        ).labels(channel.label).set_function(lambda: _age(self._decided_since))

    def show(self, standing: Mapping[AttemptState, tuple[int, datetime]], oldest: datetime | None) -> None:
        """Show these from now on; `oldest` is since when anything queued or under way waits."""
        for state, gauge in self._notices.items():
            number, since = standing.get(state, (0, None))
            gauge.set(number)
            self._since[state] = since
        for state in (AttemptState.TAKEN, AttemptState.INTENT):
            if (since := self._since[state]) and oldest:
                self._since[state] = min(since, oldest)

    def _age_of(self, state: AttemptState) -> float:
        return _age(self._since[state])

    def show_runs(self, runs: int, since: datetime | None) -> None:
        """Show how many print runs are not closed, and since when."""
        self._runs.set(runs)
        self._runs_since = since

    def show_decided(self, notices: int, since: datetime | None) -> None:
        """Show how many attempts wait for what an operator decided about them, and since when."""
        self._decided.set(notices)
        self._decided_since = since


def _age(since: datetime | None) -> float:
    return 0.0 if since is None else max(0.0, time.time() - since.timestamp())


class _Durations(Collector):
    """A histogram that takes a thousand observations at once: the library's would lock and search for each."""

    def __init__(self, name: str, about: str, label: tuple[str, str], buckets: Sequence[float]) -> None:
        self._family = name, about, label[0]
        self._label = label[1]
        self._buckets = buckets
        self._counts = [0] * (len(buckets) + 1)
        self._sum = 0.0

    def observe(self, seconds: Iterable[float]) -> None:
        """Observe; many of a block were accepted at the same moment."""
        for value, number in Tally(seconds).items():
            self._counts[bisect_left(self._buckets, value)] += number
            self._sum += value * number

    def collect(self) -> Iterable[Metric]:
        """Return what was observed."""
        name, about, label = self._family
        bounds = [*(str(float(bound)) for bound in self._buckets), "+Inf"]
        family = HistogramMetricFamily(name, about, labels=[label])
        buckets = [(bound, float(count)) for bound, count in zip(bounds, accumulate(self._counts), strict=True)]
        family.add_metric([self._label], buckets, self._sum)
        return [family]
