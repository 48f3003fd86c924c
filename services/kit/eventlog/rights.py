"""Who may do what with a topic: what an installation says after it gave and took rights."""

from dataclasses import dataclass

__all__ = ["Granted", "TopicRight"]


@dataclass(frozen=True, slots=True, order=True)
class TopicRight:
    """A user of the log's servers may do something with a topic; the operation is a word of theirs, in lower case."""

    topic: str
    user: str
    operation: str

    def __str__(self) -> str:
        """Say it in a line."""
        return f"{self.user} may {self.operation} {self.topic}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """What became of the rights to some topics."""

    enforced: bool  # False: the servers enforce no rights, so every client may write to every topic
    given: tuple[TopicRight, ...] = ()
    taken: tuple[TopicRight, ...] = ()
    # Rights of others to write, wider than one topic or one operation: they were left alone, as they serve more.
    left: tuple[TopicRight, ...] = ()
