"""What operators say of records: heard in the order of the log, and known wherever people are decided about."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain

from services.deduplication.batch import Block
from services.deduplication.codec import Work
from services.deduplication.domain import Terms
from services.deduplication.dossier import Dossier
from services.deduplication.store import Store
from services.kit.postgres import Connection

__all__ = ["Judging", "runs_of"]


def runs_of(work: Iterable[Work]) -> Iterator[list[Work]]:
    """Cut blocks into runs: a judgement is one of its own, as all before it is decided without it."""
    run: list[Work] = []
    for one in work:
        if one.judged:
            if run:
                yield run
            yield [one]
            run = []
        else:
            run.append(one)
    if run:
        yield run


class Judging:
    """One for a process."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._judged: set[int] = set()  # incidents in which anything was ever judged: nobody is asked of the others

    def note(self, incident: int) -> None:
        """Note that something was judged in an incident."""
        self._judged.add(incident)

    def is_noted(self, incident: int) -> bool:
        """Tell whether that was noted."""
        return incident in self._judged

    async def look(self, connection: Connection, incident: int) -> None:
        """Note whether anything was judged in an incident, by now."""
        if incident not in self._judged and (await self._store.marks(connection, incident))[1]:
            self.note(incident)

    async def under(
        self, connection: Connection, terms: Terms, dossiers: Iterable[Dossier], blocks: Sequence[Block] = ()
    ) -> Terms:
        """Return terms with what operators say of the members of dossiers and blocks."""
        if terms.number not in self._judged:
            return terms
        known = chain.from_iterable(one.members for one in dossiers)
        members = {*known, *chain.from_iterable(block.members for block in blocks)}
        return replace(terms, judgements=await self._store.judgements(connection, terms.number, members))
