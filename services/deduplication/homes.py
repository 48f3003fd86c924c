"""Brings members home: the part of the handler that knows of people who come under several identities.

Everything about a home meets in one partition, but what is on its way to an old home arrives in the old one's, and a
home may change to one in another partition. Whichever partition's transaction hears of it moves the rows by itself,
with the incident held: everybody who decides about its people shares that lock, so that nobody decides about rows that
move. There is no moment at which a member is counted twice or not at all, or at which somebody who was told looks
untold.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

from services.deduplication.batch import Block
from services.deduplication.codec import Work
from services.deduplication.dossier import Dossier
from services.deduplication.judging import Judging
from services.deduplication.moving import Home, housed, move, newer_homes, partition_of
from services.deduplication.store import Store
from services.kit.postgres import Connection

__all__ = ["Homes", "Moved"]


class Moved(NamedTuple):
    """Homes before and after people moved, by home."""

    before: dict[bytes, Dossier]
    after: dict[bytes, Dossier]


Step = list[Block] | Moved


class Homes:
    """Where people are at home."""

    def __init__(self, store: Store, judging: Judging, partitions: int) -> None:
        self._store, self._judging, self._partitions = store, judging, partitions
        self._tied: set[int] = set()  # incidents in which somebody ever moved: a hint, no more

    async def look(self, connection: Connection) -> None:
        """Learn in which incidents somebody ever moved, whichever process heard of it.

        Who moves into a partition is heard of in that partition, so nobody does while its owner decides.
        """
        self._tied.update(await self._store.with_homes(connection))

    def is_tied(self, incident: int) -> bool:
        """Tell whether somebody of an incident is known to have moved, after its people were locked or looked for."""
        return incident in self._tied

    async def read(self, connection: Connection, incident: int, persons: Sequence[bytes]) -> dict[bytes, Dossier]:
        """Return what is known of these persons; of an incident in which nobody ever moved no more is asked for."""
        partitions = self._partitions if incident in self._tied else None
        return await self._store.read(connection, incident, persons, partitions)

    async def steps(self, connection: Connection, incident: int, work: Sequence[Work]) -> AsyncIterator[Step]:
        """Return what is to be decided one after the other, each once the one before is written.

        Blocks have their members at home then, those of other partitions apart. The incident's people stay where they
        are until the transaction ends.
        """
        known = await self._locked(connection, incident, work)
        if known is None:
            yield [one.block for one in work]
            return
        blocks: list[Block] = []
        for one in work:
            newer = _newer(one, known)
            if newer:
                if blocks:
                    yield blocks
                    blocks = []
                yield await self._moved(connection, incident, newer, known)
                known |= newer
            blocks += housed(one.block, known, self._partitions)
        yield blocks

    async def followed(
        self, connection: Connection, incident: int, homes: Sequence[bytes], partition: int | None = None
    ) -> list[bytes]:
        """Return homes with those to which their members moved on: what is heard of a notice may name where it was.

        The incident's people stay where they are until the transaction ends. With `partition` only those at home there
        are returned where nobody ever moved, as others decide about the rest.
        """
        store = self._store
        moved = await self._has_moved(connection, incident)
        if moved:
            await store.hold(connection, incident)
        else:
            await store.share(connection, incident)
        await self._judging.look(connection, incident)
        later = await store.homes_after(connection, incident, homes)
        if moved or later:  # by somebody meanwhile
            self._tied.add(incident)
        found = sorted({*homes, *later})
        if moved or partition is None:
            return found
        return [one for one in found if partition_of(one, self._partitions) == partition]

    async def _locked(self, connection: Connection, incident: int, work: Sequence[Work]) -> dict[bytes, Home] | None:
        """Lock the incident's homes as far as these blocks ask for; return those of everybody in them who ever moved.

        Return None where nobody ever moved. Who moves people, or decides about those of another partition, has the
        incident for itself; everybody else shares it.
        """
        store = self._store
        says_homes = any(one.homes or one.moves for one in work)
        if says_homes or incident in self._tied:
            known = await store.homes(connection, incident, _named(work))
            if self._asks_for_all(work, known):
                await store.hold(connection, incident)
                self._tied.add(incident)
                await self._judging.look(connection, incident)
                return await store.homes(connection, incident, _named(work))
        await store.share(connection, incident)
        if not (await self._has_moved(connection, incident) or says_homes):
            return None
        self._tied.add(incident)
        known = await store.homes(connection, incident, _named(work))
        if self._asks_for_all(work, known):  # somebody moved meanwhile
            await store.hold(connection, incident)
            known = await store.homes(connection, incident, _named(work))
        return known

    async def _has_moved(self, connection: Connection, incident: int) -> bool:
        """Tell whether anybody ever moved, and note whether anything was judged."""
        if incident in self._tied and self._judging.is_noted(incident):
            return True
        moved, judged = await self._store.marks(connection, incident)
        if judged:
            self._judging.note(incident)
        return moved or incident in self._tied

    def _asks_for_all(self, work: Sequence[Work], known: Mapping[bytes, Home]) -> bool:
        """Tell whether people move, or are at home in another partition than where they were heard of."""
        return any(
            _newer(one, known)
            or any(part.partition != one.block.partition for part in housed(one.block, known, self._partitions))
            for one in work
        )

    async def _moved(
        self, connection: Connection, incident: int, newer: Mapping[bytes, Home], known: Mapping[bytes, Home]
    ) -> Moved:
        """Note newer homes; return those whose members move, before and after."""
        await self._store.put_homes(connection, incident, newer)
        sources = {one: known[one].home if one in known else one for one in newer}
        concerned = sorted({*sources.values(), *(home.home for home in newer.values())})
        found = await self._store.read(connection, incident, concerned, self._partitions)
        before = {one: found.get(one) or Dossier.unknown(one, partition_of(one, self._partitions)) for one in concerned}
        after = dict(before)
        for pseudonym, home in newer.items():
            if sources[pseudonym] != home.home:
                move(after, pseudonym, sources[pseudonym], home.home)
        return Moved(before, after)


def _newer(work: Work, known: Mapping[bytes, Home]) -> dict[bytes, Home]:
    return newer_homes([*work.moves.items(), *work.homes.items()], known) if work.moves or work.homes else {}


def _named(work: Iterable[Work]) -> list[bytes]:
    """Return everybody whom these blocks are about; only where somebody ever moved is that asked for."""
    return sorted({one for each in work for one in chain(each.block.pseudonyms, each.moves)})
