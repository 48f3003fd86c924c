"""Tells who sleeps that something happened: a commit of this process, or what it hears beside its blocks."""

import asyncio

__all__ = ["News"]


class News:
    """One for a process. Whoever works off a table looks again at once, and otherwise seldom."""

    def __init__(self) -> None:
        self._subscribers: list[asyncio.Event] = []

    def subscribe(self) -> asyncio.Event:
        """Return an event that is set whenever something happens; who waits for it clears it before each look."""
        event = asyncio.Event()
        self._subscribers.append(event)
        return event

    def spread(self) -> None:
        """Something happened."""
        for event in self._subscribers:
            event.set()
