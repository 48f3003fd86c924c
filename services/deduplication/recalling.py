"""Recalls as blocks: what the others are asked to stop, and what they need not remember any more."""

from collections.abc import Iterable

from services.deduplication.batch import Effects
from services.deduplication.domain import Course
from services.kit.eventlog import Output
from services.wire.recalls import Answers, Recall, encode_recalled

__all__ = ["courses_of", "over", "recalls"]


def courses_of(answers: Iterable[Answers]) -> dict[bytes, Course]:
    """Return how far notices have come; of one that was stopped nothing else holds."""
    courses: dict[bytes, Course] = {}
    for one in answers:
        for notice, stopped in zip(one.notices, one.stopped, strict=True):
            if stopped or notice not in courses:
                courses[notice] = Course.STOPPED if stopped else Course.BEGUN
    return courses


def recalls(effects: Effects) -> Iterable[Output]:
    """Return the blocks that ask for notices to be stopped."""
    for partition, rows in sorted(effects.recalled.items()):
        asked = [Recall(partition, notice, person, effects.terms.incident_id) for notice, person in rows]
        yield from encode_recalled(asked, over=False)


def over(answers: Iterable[Answers]) -> Iterable[Output]:
    """Return the blocks that let the others forget recalls that are answered."""
    for one in answers:
        pairs = zip(one.notices, one.pseudonyms, strict=True)
        asked = [Recall(one.partition, notice, person, one.incident_id) for notice, person in pairs]
        yield from encode_recalled(asked, over=True)
