"""The room's tables in memory: what `Effects` say is written, and read back as dossiers."""

from collections import Counter
from collections.abc import Mapping
from itertools import chain
from typing import Any

from services.core.notices import Notices
from services.deduplication.batch import Block, Effects, decide_again, decide_batch
from services.deduplication.domain import Claim, Course, Member, Standing, Terms
from services.deduplication.dossier import Dossier
from services.deduplication.readdressing import Readdressed
from services.deduplication.rows import first_claim

__all__ = ["Tables", "as_decided"]


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
            dossier = self.dossiers[person]
            stored = dossier.claims[dossier.implied :]
            self.dossiers[person] = Dossier(person, dossier.partition, {}, {}, stored)
        for row in chain(effects.members, *(new.rows() for new in effects.new)):
            self._put(row)
        for person, *columns in effects.claims:
            claims = self.dossiers[person].claims
            claims.append(Claim._make(columns))
            claims.sort(key=lambda claim: (claim.group, claim.revision))  # as they are read
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
        person, partition, nth, notice, *columns = row
        dossier = self.dossiers.setdefault(person, Dossier.unknown(person, partition))
        assert nth == len(dossier.members)  # the key is unique
        width = len(Member._fields)
        member = Member._make(columns[:width])
        assert member.member not in dossier.members
        dossier.members[member.member] = member
        dossier.standings[member.member] = Standing._make(columns[width:])
        if notice is not None:
            assert not any((claim.group, claim.revision) == (1, 1) for claim in dossier.claims)  # one row, or the other
            dossier.claims.insert(0, first_claim(notice, member))
            self.dossiers[person] = dossier._replace(implied=True)


def as_decided(dossier: Dossier) -> Dossier:
    """Return a dossier without the order in which its notices came about, and whichever rows say so."""
    claims = sorted(dossier.claims, key=lambda claim: (claim.group, claim.revision))
    return dossier._replace(claims=claims, implied=False)
