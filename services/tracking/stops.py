"""When a cohort is stopped by a rule: shares of what was counted, beside those that its incident allows. Pure.

What was found once is found no second time: after an operator let a cohort go on, rules count from there on.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from services.core.channel import CHANNEL_NAMES, Channel
from services.core.cohort import Figures
from services.core.policy import SMALLEST_SAMPLE, Stop

__all__ = ["Found", "Kept", "figures_of", "found_in", "shares_of"]


class Found(NamedTuple):
    """A share of a cohort, as far as it is counted: `some` of `out_of`, where the rule allows `above`."""

    rule: str  # as in `policy.stop`
    channel: str | None  # None = of all channels together
    some: int
    out_of: int
    above: float

    @property
    def stops(self) -> bool:
        """Tell whether it stops the cohort. Of few hand-overs a share says nothing."""
        return self.out_of >= SMALLEST_SAMPLE and self.some > self.above * self.out_of


class Kept(NamedTuple):
    """Where stop rules stand with a cohort."""

    counted_from: int = 0  # the cohort's version from which is counted
    before: Mapping[str, int] = {}  # what was counted here by then
    found: Mapping[str, Any] | None = None  # what was raised since


_SENT: Final = [f"accepted_{name}" for name in CHANNEL_NAMES.values()]


def figures_of(counted: Mapping[str, int], posted: Figures) -> dict[str, int]:
    """Return all figures that rules look at, by name: those counted here, and those that people posted.

    What receipts say and what people count by hand are different mails and letters: they are added up.
    """
    sent = {name: counted.get(name, 0) for name in _SENT}
    refused = {name: counted.get(name, 0) for name in (f"refused_{one}" for one in CHANNEL_NAMES.values())}
    back = {name: counted.get(name, 0) + count for name, count in posted._asdict().items()}
    return sent | refused | back


def shares_of(figures: Mapping[str, int], before: Mapping[str, int], rules: Stop) -> Iterator[Found]:
    """Return the shares that the rules are about, as counted since the figures were `before`.

    A refusal comes with its hand-over, and is a share of those since then. Bounces, returned letters and complaints
    come late, also of what was handed over before: they are a share of all hand-overs that there were.
    """
    since = {name: max(0, count - before.get(name, 0)) for name, count in figures.items()}
    for channel in CHANNEL_NAMES.values():
        refused = since[f"refused_{channel}"]
        yield Found("refused", channel, refused, refused + since[f"accepted_{channel}"], rules.refused)
    mails, letters = (figures[f"accepted_{one.label}"] for one in (Channel.EMAIL, Channel.LETTER))
    yield Found("bounced", Channel.EMAIL.label, since["bounced"], mails, rules.bounced)
    yield Found("returned", Channel.LETTER.label, since["returned"], letters, rules.returned)
    yield Found("complaints", None, since["complaints"], sum(figures[name] for name in _SENT), rules.complaints)


def found_in(figures: Mapping[str, int], kept: Kept, rules: Stop) -> Found | None:
    """Return the first share that stops a cohort, None where none does, or one did already."""
    if kept.found is not None:
        return None
    return next((one for one in shares_of(figures, kept.before, rules) if one.stops), None)
