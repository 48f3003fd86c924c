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

    @property
    def is_released(self) -> bool:
        """Tell whether notices carried by this cohort may go out."""
        return self.auto_release or self.released
