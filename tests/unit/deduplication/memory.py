"""The room's tables in memory: what `Effects` say is written, and read back as dossiers."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from services.core.notices import Notices
from services.deduplication.batch import Block, Effects, decide_again, decide_batch
from services.deduplication.domain import Claim, Course, Member, Standing, Terms
from services.deduplication.dossier import Dossier
from services.deduplication.readdressing import Readdressed

__all__ = ["Tables"]


class Tables:
    """Applies effects and keeps what was sent."""

    def __init__(self) -> None:
        self.dossiers: dict[bytes, Dossier] = {}
        self.counts: Counter[tuple[int, int, str]] = Counter()  # (partition, cohort, counter)
        self.sent: list[Notices] = []
        self.superseded: list[bytes] = []
        self.readdressed: list[Readdressed] = []
        self.marks: list[tuple[bytes, int]] = []
        self.recalled: list[tuple[bytes, bytes]] = []  # notice and person
        self.unsettled: list[tuple[int, int, bytes, int]] = []  # version, number of the block, member, reason

    def take(self, blocks: list[tuple[Block, int]], terms: Terms) -> Effects:
        """Decide a batch and write it."""
        persons = {person for block, _ in blocks for person in block.persons}
        known = {person: self.dossiers[person] for person in persons & self.dossiers.keys()}
        return self._write(decide_batch(blocks, known, terms))

    def look_again(self, terms: Terms) -> Effects:
        """Decide about everybody again."""
        return self._write(decide_again(list(self.dossiers.values()), terms))

    def hear(self, heard: Mapping[bytes, Course], terms: Terms) -> Effects:
        """Hear how far notices have come."""
        return self._write(decide_again(list(self.dossiers.values()), terms, heard))

    def _write(self, effects: Effects) -> Effects:
        for person in effects.rewritten:
            self.dossiers[person] = self.dossiers[person]._replace(members={}, standings={})
        for row in effects.members:
            self._put(row)
        for person, *columns in effects.claims:
            self.dossiers[person].claims.append(Claim._make(columns))
        for person, notice, void, course in effects.turned:
            claims = self.dossiers[person].claims
            claims[:] = [c._replace(void=void, course=course) if c.notice == notice else c for c in claims]
        for (partition, cohort), moves in effects.moves.items():
            self.counts.update({(partition, cohort, counter): by for counter, by in moves.items()})
        self.sent += effects.notices.values()
        self.superseded += [one.notice for rows in effects.superseded.values() for one in rows]
        self.readdressed += [one for rows in effects.readdressed.values() for one in rows]
        self.marks += [(one.notice, one.mark) for rows in effects.superseded.values() for one in rows]
        self.recalled += [one for rows in effects.recalled.values() for one in rows]
        for said in effects.unsettled.values():
            block = len(self.unsettled)
            self.unsettled += [(version, block, member, reason) for member, version, reason in said]
        return effects

    def listed(self) -> dict[bytes, int]:
        """Return what the source of each member has to look at, as the highest version and block say it."""
        found = {member: reason for _, _, member, reason in sorted(self.unsettled)}
        return {member: reason for member, reason in found.items() if reason}

    def _put(self, row: tuple[Any, ...]) -> None:
        person, partition, *columns = row
        dossier = self.dossiers.setdefault(person, Dossier.unknown(person, partition))
        width = len(Member._fields)
        member = Member._make(columns[:width])
        assert member.member not in dossier.members  # the key is unique
        dossier.members[member.member] = member
        dossier.standings[member.member] = Standing._make(columns[width:])
