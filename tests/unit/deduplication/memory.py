"""The room's tables in memory: what `Effects` say is written, and read back as groups."""

from collections import Counter
from collections.abc import Iterable

from services.core.notices import Notices
from services.deduplication.batch import Block, Effects, decide_again, decide_batch
from services.deduplication.domain import COUNTERS, Claim, Group, Member, Standing, Terms

__all__ = ["Tables"]


class Tables:
    """Applies effects and keeps what was sent."""

    def __init__(self) -> None:
        self.groups: dict[bytes, Group] = {}
        self.counts: Counter[tuple[int, int, str]] = Counter()  # (partition, cohort, counter)
        self.sent: list[Notices] = []
        self.superseded: list[bytes] = []

    def take(self, blocks: list[tuple[Block, int]], terms: Terms) -> Effects:
        """Decide a batch and write it."""
        persons = {person for block, _ in blocks for person in block.persons}
        known = {person: self.groups[person] for person in persons & self.groups.keys()}
        return self._write(decide_batch(blocks, known, terms))

    def look_again(self, terms: Terms) -> Effects:
        """Decide about everybody again."""
        return self._write(decide_again(list(self.groups.values()), terms))

    def _write(self, effects: Effects) -> Effects:
        for row in effects.members:
            self._put(row, known=False)
        for row in effects.changed:
            self._put(row, known=True)
        for person, *columns in effects.claims:
            self._claims(person).append(Claim._make(columns))
        for person, revision in effects.voided:
            claims = self._claims(person)
            claims[:] = [c._replace(void=True) if c.revision == revision else c for c in claims]
        for (partition, cohort), moves in effects.moves.items():
            self.counts.update({(partition, cohort, name): by for name, by in zip(COUNTERS, moves, strict=True)})
        self.sent += effects.notices.values()
        self.superseded += [one.notice for rows in effects.superseded.values() for one in rows]
        return effects

    def _put(self, row: Iterable[object], *, known: bool) -> None:
        person, partition, *columns = row
        assert isinstance(person, bytes)
        assert isinstance(partition, int)
        group = self.groups.setdefault(person, Group(person, partition, {}, {}, []))
        member, standing = Member._make(columns[:9]), Standing._make(columns[9:])
        assert known == (member.member in group.members)
        assert isinstance(group.members, dict)
        assert isinstance(group.standings, dict)
        group.members[member.member] = member
        group.standings[member.member] = standing

    def _claims(self, person: bytes) -> list[Claim]:
        claims = self.groups[person].claims
        assert isinstance(claims, list)
        return claims
