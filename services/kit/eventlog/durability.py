"""How well a log outside the database keeps what it acknowledged: copies, and how many have to agree. Pure."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

__all__ = ["Durability", "TopicCopies", "judged"]

# With three copies, of which two have to have a block before it is acknowledged, one broker may be lost at any moment.
_COPIES, _IN_SYNC = 3, 2


class TopicCopies(NamedTuple):
    """A topic as its brokers keep it: of each partition how many copies there are, and how many are up to date."""

    name: str
    copies: Sequence[int]
    in_sync: Sequence[int]
    least: int  # min.insync.replicas: with fewer nothing is acknowledged


class Durability(NamedTuple):
    """What `doctor` says of it: in a few words, what is weak by design, and what is wrong just now."""

    words: str
    weak: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()


def judged(topics: Iterable[TopicCopies]) -> Durability:
    """Judge the topics of an installation."""
    found = list(topics)
    few = [topic.name for topic in found if min(topic.copies, default=0) < _COPIES]
    loose = [topic.name for topic in found if topic.name not in few and topic.least < _IN_SYNC]
    behind = [
        topic.name
        for topic in found
        if any(there < copies for copies, there in zip(topic.copies, topic.in_sync, strict=True))
    ]
    fewest = min((min(topic.copies, default=0) for topic in found), default=0)
    weak = []
    if few:
        weak.append(f"{_some(few)} fewer than {_COPIES} copies: HERAUT_KAFKA_REPLICATION is for `heraut topics`")
    if loose:
        weak.append(f"{_some(loose)} min.insync.replicas below {_IN_SYNC}: one broker alone may acknowledge a block")
    wrong = [f"{_some(behind)} copies that are not up to date: is a broker away?"] if behind else []
    return Durability(f"{len(found)} topics, {fewest} copies at least", tuple(weak), tuple(wrong))


def _some(names: Sequence[str]) -> str:
    return f"{names[0]} has" if len(names) == 1 else f"{len(names)} topics have"
