"""What is asked of whoever traces, and the one that does not: it is chosen once, when a process starts."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from enum import Enum, auto
from typing import Final, Protocol

from services.kit.tracing.context import Causes

__all__ = ["NOT_TRACED", "Kind", "NotTraced", "Span", "Tracing"]

# Names, counts and codes. No person, and nothing that a caller could write freely.
Attributes = Mapping[str, str | int]


class Kind(Enum):
    """What a span is of."""

    SERVER = auto()  # a request to us
    CONSUMER = auto()  # a block that was read
    CLIENT = auto()  # what we ask of others
    INTERNAL = auto()  # what time or control asks for


class Span(Protocol):
    """Something that began and ends once."""

    @property
    def causes(self) -> Causes:
        """Return what names this span to whatever follows from it."""
        ...

    def here(self) -> AbstractContextManager[None]:
        """Let what is done meanwhile follow from this span, and log lines name it."""
        ...

    def end(self, about: Attributes, error: type[BaseException] | None = None) -> None:
        """Say how it ended. Of an error its class is kept, never its text."""
        ...


class Tracing(Protocol):
    """Makes spans, and sends them on. Nothing here waits for whoever takes them, and nothing raises."""

    @property
    def is_on(self) -> bool:
        """Tell whether anything is traced. Where it is not, nothing else here need be called."""
        ...

    def begin(self, name: str, kind: Kind, causes: Causes, about: Attributes, since: int | None = None) -> Span:
        """Begin a span, `since` then (ns since 1970) or now; without causes it begins a trace."""
        ...

    async def close(self) -> None:
        """Send what is left, within a few seconds; what cannot be sent by then is lost, and counted."""
        ...


class _NoSpan:
    """A span of which nothing is kept."""

    causes: Causes = ()

    def here(self) -> AbstractContextManager[None]:
        """Change nothing."""
        return nullcontext()

    def end(self, about: Attributes, error: type[BaseException] | None = None) -> None:
        """Keep nothing."""


class NotTraced:
    """What runs unless somebody asked for traces."""

    is_on = False
    _span = _NoSpan()

    def begin(self, *_: object) -> Span:
        """Return a span of which nothing is kept."""
        return self._span

    async def close(self) -> None:
        """Do nothing."""


NOT_TRACED: Final = NotTraced()
