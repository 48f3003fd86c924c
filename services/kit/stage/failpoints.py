"""Where a test may stop, break or kill the machinery, between any two of its steps."""

from typing import Protocol

__all__ = ["Steps", "Unwatched"]


class Steps(Protocol):
    """Is told of every step that is reached; what it raises is raised there, what it waits for is waited for there."""

    async def reached(self, step: str) -> None:
        """Be told that `step` was reached."""
        ...


class Unwatched:
    """Nobody looks: what runs outside tests."""

    async def reached(self, step: str) -> None:
        """Go on."""
