"""Whom a notice goes to and what about, as rendering is given it. Pure."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from services.core.incident import Incident
from services.core.notices import Notices
from services.rendering.contact import Contact

__all__ = ["Told", "UnfitError"]


class UnfitError(ValueError):
    """What an incident's words say cannot be told this way; `field` is their place in its document."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class Told(Protocol):
    """Notices of one incident version with the people that they go to; every column has one entry a row."""

    @property
    def incident(self) -> Incident:
        """The incident that all of them are about."""
        ...

    @property
    def notices(self) -> Notices:
        """The notices, by column."""
        ...

    @property
    def contacts(self) -> Sequence[Contact]:
        """The people."""
        ...

    @property
    def groups(self) -> Mapping[str, str]:
        """The group of each cohort that is in one, where the incident has words for groups."""
        ...

    @property
    def references(self) -> Sequence[str]:
        """What is printed on each notice, so that its reader can ask about it."""
        ...

    @property
    def earlier(self) -> Sequence[str]:
        """The references of the notices before: empty for a first notice."""
        ...
