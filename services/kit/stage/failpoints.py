"""Where a test may stop, break or kill the machinery, between any two of its steps."""

from typing import Protocol

__all__ = ["Failpoints", "NoFailpoints"]


class Failpoints(Protocol):
    """Is told of every step that is reached: what it raises is raised there, and the step waits as long as it does."""

    async def reached(self, step: str) -> None:
        """Be told that `step` was reached."""
        ...


class NoFailpoints:
    """What runs outside tests: every step goes on at once."""

    async def reached(self, step: str) -> None:
        """Go on."""
