"""What effects come to outside: the counts that move, and the blocks that go out."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain

from notification import topics

from services.core.notices import BLOCK_ENTRIES
from services.deduplication.batch import Effects
from services.deduplication.codec import encode_held, encode_readdressed, encode_released, encode_superseded
from services.deduplication.recalling import recalls
from services.kit.eventlog import Output

__all__ = ["count_held", "held_of", "moves_of", "outputs_of"]


def moves_of(effects: Iterable[Effects]) -> dict[int, dict[str, Mapping[str, int]]]:
    """Return what changes in the counts: partition -> scope -> counter -> change."""
    moved: dict[int, dict[str, Counter[str]]] = {}
    for one in effects:
        for (partition, cohort), changes in one.moves.items():
            scope = f"{one.terms.incident_id}/{one.terms.cohorts[cohort]}"
            moved.setdefault(partition, {}).setdefault(scope, Counter()).update(changes)
    return {
        partition: {scope: changes for scope, changes in sorted(scopes.items()) if any(changes.values())}
        for partition, scopes in moved.items()
        if any(any(changes.values()) for changes in scopes.values())
    }


def count_held(effects: Iterable[Effects]) -> int:
    """Return how many blocks `held_of` makes."""
    return sum(-(-len(said) // BLOCK_ENTRIES) for one in effects for said in one.unsettled.values())


def held_of(effects: Iterable[Effects], numbers: Iterator[int]) -> Iterator[Output]:
    """Return the blocks of what sources have to look at, with these numbers: what is said later has higher ones."""
    for one in effects:
        for partition, said in sorted(one.unsettled.items()):
            for block in encode_held(one.terms.incident_id, said, numbers):
                yield Output(topics.MEMBERS_HELD, partition, block)


def outputs_of(effects: Effects) -> Iterable[Output]:
    """Return the blocks of notices that go out, and of what is said of earlier ones."""
    terms = effects.terms
    released = (
        Output(topics.NOTICES_RELEASED, partition, block)
        for partition, notices in sorted(effects.notices.items())
        for block in encode_released(notices)
    )
    superseded = (
        Output(topics.NOTICES_SUPERSEDED, partition, block)
        for partition, rows in sorted(effects.superseded.items())
        for block in encode_superseded(terms.incident_id, rows, terms.cohorts)
    )
    readdressed = (
        Output(topics.NOTICES_READDRESSED, partition, block)
        for partition, rows in sorted(effects.readdressed.items())
        for block in encode_readdressed(terms.incident_id, rows)
    )
    return chain(released, superseded, readdressed, recalls(effects))
