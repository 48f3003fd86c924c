"""Where a notice stands: a pure function of the set of all that was heard of it, from our own rooms and in receipts.

A *history* is that set, so neither order nor repeats matter, and joining two of them is joining sets. Nearly all
notices have a history of one step, which is their row; what more was heard stands in tables of its own.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from services.core.channel import CHANNEL_NAMES
from services.core.receipts import FAILED, PROGRESS, Consequence, Receipt, ReceiptKind
from services.tracking.domain import Deltas, Finding, State, counters_of, standing_of

__all__ = ["History", "Standing", "Step", "history_of", "kept_history", "moved"]


class Step(NamedTuple):
    """What one of our own rooms said of an attempt."""

    attempt: int  # its number; 0 = none was made
    state: int  # State
    channel: int  # 0 where there is none
    at: int  # ms since 1970


_NOTHING: Final = Step(0, int(State.UNHEARD), 0, 0)
# Of an attempt that told nobody, what stands later here holds: it ends what comes before it.
_ORDER: Final = (
    *(State.UNHEARD, State.REATTEMPTED, State.UNKNOWN, State.ACCEPTED, State.REFUSED, State.BOUNCED, State.RETURNED),
    *(State.UNPRINTABLE, State.EXHAUSTED),
)
_PLACE: Final = {int(state): place for place, state in enumerate(_ORDER)}
_HANDED_OVER: Final = frozenset({State.ACCEPTED, State.UNKNOWN})
_FAILED_AS: Final = {
    ReceiptKind.REFUSED: State.REFUSED,
    ReceiptKind.BOUNCED: State.BOUNCED,
    ReceiptKind.RETURNED: State.RETURNED,
}
_NAMES: Final = {int(channel): name for channel, name in CHANNEL_NAMES.items()}
_RETURNED_AS: Final = {ReceiptKind.BOUNCED: "bounced", ReceiptKind.RETURNED: "returned"}


class HandedOver(NamedTuple):
    """An attempt that was handed over, or may have been, with what its receipts come to."""

    step: Step
    receipts: frozenset[Receipt] = frozenset()
    decisive: Receipt | None = None  # the receipt that holds: that of the highest kind, and of several the earliest

    @property
    def kind(self) -> int:
        """What holds of it; 0 = there is no receipt."""
        return self.decisive.kind if self.decisive else 0

    @property
    def failed(self) -> bool:
        """Tell whether it told nobody, as is known since."""
        return self.kind in FAILED

    @property
    def told(self) -> bool:
        """Tell whether somebody was told by it, as far as is known."""
        return self.kind in PROGRESS or (self.step.state == State.ACCEPTED and not self.failed)

    @property
    def taken(self) -> bool:
        """Tell whether its provider took it, whatever became of it then."""
        return self.told or self.kind in _RETURNED_AS


class Standing(NamedTuple):
    """What a history comes to."""

    finding: Finding  # where the notice stands
    counters: Mapping[str, int]  # what it counts for (`core.ledger`): its hand-overs, and where it stands
    consequences: frozenset[Consequence]  # what follows from its receipts: who was not told goes to the next channel
    needs_steps: bool  # whether its steps have to be kept beside its row, which says one at most


class History(NamedTuple):
    """All that was heard of one notice."""

    notice: bytes
    scope: str = ""  # empty while nothing of our own was heard
    member: bytes | None = None  # the bearer; None while nothing but a supersession or a receipt was heard
    revision: int = 0
    mark: int = 0  # as in Finding; the highest holds
    steps: frozenset[Step] = frozenset()
    receipts: frozenset[Receipt] = frozenset()

    def joined(self, other: "History") -> "History":
        """Return what both say together: commutative, associative and idempotent."""
        bearer = max(self, other, key=lambda one: (one.member or b"", one.scope, one.revision))
        return History(
            self.notice,
            bearer.scope,
            bearer.member,
            bearer.revision,
            max(self.mark, other.mark),
            self.steps | other.steps,
            self.receipts | other.receipts,
        )

    def handed_over(self) -> Mapping[int, HandedOver]:
        """Return the attempts that were handed over, by number, each with the receipts that are about it.

        What is said of an attempt that was not heard of yet is about none, for now.
        """
        steps: dict[int, Step] = {}
        for step in sorted(self.steps, key=_by_hand_over) if len(self.steps) > 1 else self.steps:
            if step.state in _HANDED_OVER:
                steps.setdefault(step.attempt, step)
        said: dict[int, list[Receipt]] = {}
        for receipt in self.receipts:
            attempt = receipt.attempt or _latest_by_then(receipt, steps.values())
            if attempt in steps:
                said.setdefault(attempt, []).append(receipt)
        return {attempt: _with_receipts(steps[attempt], said.get(attempt, ())) for attempt in sorted(steps)}

    @property
    def is_simple(self) -> bool:
        """Tell whether it is one step at most, and no receipt."""
        return len(self.steps) <= 1 and not self.receipts

    def standing(self) -> Standing:
        """Return what it comes to, all at once: most of the work is the same for each of these."""
        if self.is_simple:  # as nearly all are that a later revision stands for
            found = self._found(*_only(self.steps))
            counters = counters_of(found.state, found.channel, counted=found.counted) if self.scope else ()
            return Standing(found, dict.fromkeys(counters, 1), frozenset(), needs_steps=False)
        handed_over = self.handed_over()
        held = self._holds(handed_over)
        found = self._found(held.state, *_rest(held))
        counted = _counted(found, handed_over.values()) if self.scope else {}
        follows = _follow(self.notice, handed_over) if self.receipts else frozenset()
        return Standing(found, counted, follows, needs_steps=bool(self.steps) and self.steps != {held})

    @property
    def finding(self) -> Finding:
        """Where the notice stands.

        An attempt that told somebody holds over everything, and of several the first. Else the latest attempt holds, as
        it was made after the others had ended; and of one attempt what ended it, the earlier time first.
        """
        return self.standing().finding

    def counters(self) -> Mapping[str, int]:
        """Return what the notice counts for."""
        return self.standing().counters

    def consequences(self) -> frozenset[Consequence]:
        """Return what follows from its receipts."""
        return self.standing().consequences

    def _found(self, state: int, attempt: int, at: int, channel: int) -> Finding:
        return Finding(self.notice, self.scope, self.member, self.revision, state, attempt, at, channel, self.mark)

    def _holds(self, handed_over: Mapping[int, HandedOver]) -> Step:
        told = next((one.step for one in handed_over.values() if one.told), None)
        if told is None:
            return self._latest(handed_over)
        return told if told.state == State.ACCEPTED else told._replace(state=int(State.ACCEPTED))

    def _latest(self, handed_over: Mapping[int, HandedOver]) -> Step:
        ended = [_as_failed(step, handed_over.get(step.attempt)) for step in self.steps]
        return min(
            ended,
            key=lambda one: (-one.attempt, -_PLACE[one.state], one.at, one.channel),
            default=_NOTHING,
        )


def history_of(finding: Finding) -> History:
    """Return the history of a notice of which one thing was heard."""
    heard = finding.state != State.UNHEARD
    steps = [Step(finding.attempt, finding.state, finding.channel, finding.at)] if heard else []
    return History(
        finding.notice, finding.scope, finding.member, finding.revision, finding.mark, frozenset(steps), frozenset()
    )


def kept_history(row: Finding, steps: Collection[Step], receipts: Collection[Receipt]) -> History:
    """Return a history as it is stored: a row, and what stands beside it, if anything does."""
    alone = history_of(row)
    if not steps and not receipts:
        return alone
    return alone._replace(steps=frozenset(steps) or alone.steps, receipts=frozenset(receipts))


def moved(deltas: Deltas, source: str, before: Standing | None, after: Standing) -> None:
    """Add to `deltas` what a notice counts for more, or less, than before."""
    scopes = deltas.setdefault(source, {})
    if before and before.counters == after.counters and before.finding.scope == after.finding.scope:
        return  # as of most receipts
    for standing, sign in ((before, -1), (after, +1)):
        if standing and standing.counters:
            counts = scopes.setdefault(standing.finding.scope, Counter())
            for counter, count in standing.counters.items():
                counts[counter] += sign * count


def _by_hand_over(step: Step) -> tuple[bool, int, Step]:
    return step.state != State.ACCEPTED, step.at, step


def _with_receipts(step: Step, said: Sequence[Receipt]) -> HandedOver:
    if not said:
        return HandedOver(step)
    decisive = said[0] if len(said) == 1 else min(said, key=lambda one: (-one.kind, one.at, one.reason, one))
    return HandedOver(step, frozenset(said), decisive)


def _latest_by_then(receipt: Receipt, steps: Iterable[Step]) -> int:
    """Return which attempt a receipt is about that names none; 0 = none is known.

    That is the latest one on its channel that had been handed over by then, or else the first: clocks differ.
    """
    on_channel = sorted(step.attempt for step in steps if step.channel == receipt.channel)
    by_then = [step.attempt for step in steps if step.channel == receipt.channel and step.at <= receipt.at]
    return max(by_then, default=on_channel[0] if on_channel else 0)


def _as_failed(step: Step, handed_over: HandedOver | None) -> Step:
    """Return a step as what became of it, where its attempt was handed over and told nobody."""
    decisive = handed_over.decisive if handed_over else None
    if step.state not in _HANDED_OVER or decisive is None or decisive.kind not in FAILED:
        return step
    return step._replace(state=_FAILED_AS[ReceiptKind(decisive.kind)], at=decisive.at)


def _counted(found: Finding, handed_over: Collection[HandedOver]) -> dict[str, int]:
    """Return what a notice counts for that stands so, by what became of its hand-overs."""
    counted = dict.fromkeys(standing_of(found.state, counted=found.counted), 1)
    for one in handed_over:
        for name in _counters_of(one):
            counted[name] = counted.get(name, 0) + 1
    if any(receipt.kind == ReceiptKind.COMPLAINED for one in handed_over for receipt in one.receipts):
        counted["complaints"] = 1
    return counted


def _counters_of(one: HandedOver) -> Iterator[str]:
    channel = _NAMES.get(one.step.channel)
    if one.taken and channel:
        yield f"accepted_{channel}"
    if one.kind == ReceiptKind.REFUSED and channel:
        yield f"refused_{channel}"
    if one.kind in _RETURNED_AS:
        yield _RETURNED_AS[ReceiptKind(one.kind)]


def _follow(notice: bytes, handed_over: Mapping[int, HandedOver]) -> frozenset[Consequence]:
    """Return what follows from the receipts of these attempts."""
    return frozenset(
        Consequence(notice, one.step.channel, attempt, *said)
        for attempt, one in handed_over.items()
        for said in _consequence(one)
    )


def _consequence(one: HandedOver) -> Iterator[tuple[int, int]]:
    """Return what follows for an attempt: a kind, and why."""
    decisive = one.decisive
    if decisive is None:
        return
    if decisive.kind in FAILED or decisive.kind == ReceiptKind.UNREAD:
        yield decisive.kind, decisive.reason
    elif one.step.state == State.UNKNOWN:
        yield int(ReceiptKind.ACCEPTED), 0


def _only(steps: frozenset[Step]) -> tuple[int, int, int, int]:
    step = next(iter(steps), _NOTHING)
    return step.state, *_rest(step)


def _rest(step: Step) -> tuple[int, int, int]:
    return step.attempt, step.at, step.channel
