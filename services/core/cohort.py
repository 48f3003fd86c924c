"""A cohort as every room knows it: one source's list of people hit by one incident."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from services.core.permission import is_reached

__all__ = ["Cohort", "Figures", "Grant"]


class Grant(NamedTuple):
    """What a release lets go: at most so many persons' notices in all, or so many a day; neither = everything."""

    canary: int | None = None
    per_day: int | None = None

    def as_json(self) -> Mapping[str, Any]:
        """Return the grant as a request asks for it."""
        if self.canary is not None:
            return {"canary": self.canary}
        return {"all": True} if self.per_day is None else {"perDay": self.per_day}


class Figures(NamedTuple):
    """What people count of a cohort by hand and tell Heraut: each in all so far, and not since the last time."""

    complaints: int = 0
    bounced: int = 0  # mails that came back after they had been accepted
    returned: int = 0  # letters


@dataclass(frozen=True, slots=True)
class Cohort:
    """One version of a cohort's state; the highest version known is the one that holds."""

    incident_id: str
    cohort_id: str
    version: int
    source: str
    declared: int | None  # how many members the source said there are; None = not said
    auto_release: bool
    sealed: bool
    released: bool  # by hand; see `is_released`
    # Of each partition: the last of intake's blocks of members when this was released. Empty while it is not. It stays
    # through later versions: it belongs to the permission.
    release_after: tuple[int, ...] = ()
    cancelled: bool = False  # by an operator, for good: all its members count as withdrawn
    paused_since: int = 0  # the version that paused it; 0 = it is not paused
    # Of each partition: the last of intake's blocks of members when a pause of it ended. Until they are taken, it is as
    # if it were paused still. Empty where it was never paused, and while it is.
    resumed_after: tuple[int, ...] = ()
    # What the release grants. At most so many persons' notices in all, or so many a day; both None = everything.
    canary: int | None = None
    per_day: int | None = None
    figures: Figures = Figures()
    counted_from: int = 0  # the version from which stop rules count: that which ended their last stop; 0 = the first
    figures_before: Figures = Figures()  # as they were in that version
    group: str = ""  # which of the incident's variants its people read beside; set when it is opened, and stays
    # Some people of the incident came under several identities when it was released, or went on: that holds once all
    # partitions have come so far.
    tied: bool = False

    @property
    def paused(self) -> bool:
        """Tell whether no notice that names its facts may go out, or be handed over, just now."""
        return self.paused_since > 0

    @property
    def pause_id(self) -> str | None:
        """Return what its pause is called within its incident, None where it is not paused; each pause has its own."""
        return f"{self.cohort_id}.{self.paused_since}" if self.paused else None

    @property
    def is_released(self) -> bool:
        """Tell whether notices carried by this cohort may go out, where all that came before the release is known."""
        return (self.auto_release or self.released) and not self.cancelled

    @property
    def is_limited(self) -> bool:
        """Tell whether its release, if it is released, lets only so many go."""
        return not (self.canary is None and self.per_day is None)

    def is_released_in(self, partition: int, taken: Sequence[int], *, tied: bool = False) -> bool:
        """Tell whether the release holds in a partition; `taken`: how far intake's blocks are known of each.

        `tied`: some people of the incident are known by now to come under several identities. Raises IndexError where
        it was released on fewer partitions.
        """
        if not self.is_released:
            return False
        return is_reached(self.release_after, partition, taken, everywhere=tied or self.tied)

    def is_paused_in(self, partition: int, taken: Sequence[int], *, tied: bool = False) -> bool:
        """Tell whether the pause holds in a partition; `taken`, `tied`: as in `is_released_in`.

        It holds at once, and ends only where all is known that came before its end. Raises IndexError where it ended on
        fewer partitions.
        """
        if self.paused or not self.resumed_after:
            return self.paused
        return not is_reached(self.resumed_after, partition, taken, everywhere=tied or self.tied)
