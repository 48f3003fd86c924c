"""What `heraut doctor` found: one line for each thing that was looked at."""

from typing import NamedTuple

__all__ = ["Finding", "fault", "look", "well"]


class Finding(NamedTuple):
    """The result of one check; `words` says what was found. `look`: it works, and somebody should look at it."""

    name: str
    ok: bool
    words: str
    look: bool = False

    @property
    def mark(self) -> str:
        """Return how it stands, in one word."""
        return "FAULT" if not self.ok else "look" if self.look else "ok"


def well(name: str, words: str) -> Finding:
    """Return that something is as it should be."""
    return Finding(name, ok=True, words=words)


def look(name: str, words: str) -> Finding:
    """Return that something works, and that somebody should look at it."""
    return Finding(name, ok=True, words=words, look=True)


def fault(name: str, words: str) -> Finding:
    """Return that something does not work."""
    return Finding(name, ok=False, words=words)
