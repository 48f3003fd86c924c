"""What is written down of people: a row for each member, and one for each notice but most first ones. Pure.

A first notice nearly always says what its bearer's record says, and nothing becomes of it that has to be known: then it
has no row of its own. Its id stands in the bearer's row, and all else follows from that row. As soon as either would
say something else than the other, the notice gets its row.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any, Final, NamedTuple

from services.deduplication.domain import Claim, Member, Standing
from services.deduplication.dossier import Dossier

__all__ = ["NewPeople", "Row", "Rows", "first_claim", "rows_of"]

Row = tuple[Any, ...]
_FIRST: Final = 1  # the revision of a first notice, and the number of the first group


@dataclass(slots=True)
class NewPeople:
    """Rows of people of one block of whom nothing else is known, one member each; every column has one entry a row."""

    partition: int
    cohort: int
    accepted_at: int
    table: Sequence[Sequence[Standing]]  # where each stands: by flags, then by channels
    persons: Sequence[bytes]
    notices: Sequence[bytes | None]  # the first notice of each, None where none went out
    members: Sequence[bytes]
    versions: Sequence[int]
    exposed: Sequence[int]
    confirmed: Sequence[int]
    channels: Sequence[int]
    flags: Sequence[int]
    languages: Sequence[str]
    slots: Sequence[int]
    witnesses: Sequence[bytes]
    pseudonyms: Sequence[bytes | None] | None  # of each who is at home under another one; None = nobody is

    def rows(self) -> Iterator[Row]:
        """Return the rows one by one, as those of `Rows`."""
        columns = (
            self.persons, repeat(self.partition), repeat(0), self.notices, self.members, self.versions,
            repeat(self.cohort), repeat(self.accepted_at), self.exposed, self.confirmed, self.channels, self.flags,
            self.languages, self.slots, self.witnesses, self.pseudonyms or repeat(None), repeat(None),
        )  # fmt: skip
        for row in zip(*columns, strict=False):
            yield *row, *self.table[row[11]][row[10]]


class Rows(NamedTuple):
    """What is to be written of one pseudonym."""

    members: Sequence[Row]  # (person, partition, nth, first notice, *Member, *Standing)
    rewritten: bool  # its rows are deleted before: `members` has all of them
    claims: Sequence[Row]  # that have no row yet: (person, *Claim)
    turned: Sequence[Claim]  # that have one, and are void now or have come further


def first_claim(notice: bytes, bearer: Member) -> Claim:
    """Return the first notice of a pseudonym as it follows from its bearer's row."""
    return Claim(_FIRST, notice, bearer.member, bearer.version, bearer.exposed, bearer.confirmed, group=_FIRST)


def rows_of(before: Dossier, after: Dossier, *, rewritten: bool) -> Rows:
    """Return what is to be written once `after` is known of a pseudonym of which `before` was read.

    `rewritten`: all its members' rows are written anew, else those of new members alone, as the others stand.
    """
    stored = {(claim.group, claim.revision): claim for claim in before.claims[before.implied :]}
    implied = before.claims[0] if before.implied else None
    rewritten = rewritten or (implied is not None and implied not in after.claims)
    written = after.members.keys() if rewritten else after.members.keys() - before.members.keys()
    firsts: dict[bytes, bytes] = {}
    claims, turned = [], []
    for claim in after.claims:
        known = stored.get((claim.group, claim.revision))
        if known is not None:
            if claim != known:
                turned.append(claim)
        elif claim.bearer in written and claim == first_claim(claim.notice, after.members[claim.bearer]):
            firsts[claim.bearer] = claim.notice
        elif rewritten or claim != implied:
            claims.append((after.pseudonym, *claim))
    home, nth = (after.pseudonym, after.partition), 0 if rewritten else len(before.members)
    members = [
        (*home, place, firsts.get(m), *after.members[m], *after.standings[m])
        for place, m in enumerate((m for m in after.members if m in written), nth)
    ]
    return Rows(members, rewritten, claims, turned)
