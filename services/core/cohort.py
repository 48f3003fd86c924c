"""A cohort as every room knows it: one source's list of people hit by one incident."""

from dataclasses import dataclass

__all__ = ["Cohort"]


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

    @property
    def is_released(self) -> bool:
        """Tell whether notices carried by this cohort may go out, where all that came before the release is known."""
        return (self.auto_release or self.released) and not self.cancelled

    def is_released_in(self, partition: int, taken: int) -> bool:
        """Tell whether the release holds in a partition of which intake's blocks up to `taken` are known.

        Raises IndexError where it was released on fewer partitions.
        """
        return self.is_released and taken >= self.release_after[partition]
