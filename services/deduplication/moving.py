"""People who come under several identities: where they are at home, and what becomes of them when that changes. Pure.

A member's home is where everything about its person meets; nearly always that is its own pseudonym. Once it was tied to
another, its home has a version, and the highest holds, in whatever order it was heard of.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from services.core.ids import partitions_of
from services.core.ledger import BARE_JOINED, CONFLICTING
from services.deduplication.batch import MEMBER_COLUMNS, Block, Effects
from services.deduplication.domain import Claim, Member, Standing, Terms
from services.deduplication.dossier import Decision, Dossier, decide, is_news_of
from services.deduplication.outcomes import GONE, Outcome
from services.deduplication.unsettled import Said, said_of

__all__ = ["Home", "decide_moved", "housed", "move", "newer_homes", "partition_of"]


class Home(NamedTuple):
    """The identity under which a pseudonym is at home."""

    home: bytes
    version: int


def partition_of(home: bytes, partitions: int) -> int:
    """Return the partition in which everything about a home meets."""
    return partitions_of([home], partitions)[0]


def newer_homes(said: Iterable[tuple[bytes, Home]], known: Mapping[bytes, Home]) -> dict[bytes, Home]:
    """Return the homes that were said and are newer than those known."""
    newer: dict[bytes, Home] = {}
    for pseudonym, home in said:
        before = newer.get(pseudonym) or known.get(pseudonym)
        if before is None or home.version > before.version:
            newer[pseudonym] = home
    return newer


def housed(block: Block, homes: Mapping[bytes, Home], partitions: int) -> list[Block]:
    """Return a block's members at home, a block for each partition; `homes` has all homes that were ever moved."""
    if homes.keys().isdisjoint(block.pseudonyms):
        return [block]
    persons = [homes[one].home if one in homes else one for one in block.pseudonyms]
    rows: dict[int, list[int]] = {}
    for row, partition in enumerate(partitions_of(persons, partitions)):
        rows.setdefault(partition, []).append(row)
    whole = replace(block, persons=persons)
    if rows.keys() == {block.partition}:
        return [whole]
    return [_picked(whole, partition, theirs) for partition, theirs in sorted(rows.items())]


def _picked(block: Block, partition: int, rows: Sequence[int]) -> Block:
    columns: dict[str, Any] = {name: [getattr(block, name)[row] for row in rows] for name in MEMBER_COLUMNS}
    at = {row: place for place, row in enumerate(rows)}
    since = {at[row]: first for row, first in block.contact_since.items() if row in at}
    return replace(block, partition=partition, contact_since=since, **columns)


def move(dossiers: dict[bytes, Dossier], pseudonym: bytes, source: bytes, target: bytes) -> None:
    """Take all that is known of one pseudonym out of one home and into another, both in `dossiers`.

    What its members bear goes with them, under numbers that the new home has not given yet; the old home keeps it as
    void, so that no notice has its id again. Where nobody stays behind, all that was told goes.
    """
    old, new = dossiers[source], dossiers[target]
    leaving = {m: one for m, one in old.members.items() if (one.pseudonym or source) == pseudonym}
    if not leaving:
        return
    stays = len(leaving) < len(old.members)
    taken = [claim for claim in old.claims if not stays or (claim.bearer in leaving and not claim.void)]
    first = max((claim.group for claim in new.claims), default=0) + 1
    numbers = {group: first + at for at, group in enumerate(dict.fromkeys(claim.group for claim in taken))}
    dossiers[source] = _without(old, leaving, taken)
    theirs = [_taken_along(claim, old.partition, numbers[claim.group]) for claim in taken]
    dossiers[target] = _with(new, old, leaving, theirs, numbers)


def _taken_along(claim: Claim, partition: int, group: int) -> Claim:
    """Return a claim as it goes to another home; its notice went through a partition, and stays there."""
    return claim._replace(group=group, through=partition if claim.through is None else claim.through)


def _without(old: Dossier, leaving: Collection[bytes], taken: Collection[Claim]) -> Dossier:
    return old._replace(
        members={m: one for m, one in old.members.items() if m not in leaving},
        standings={m: one for m, one in old.standings.items() if m not in leaving},
        claims=[claim._replace(void=True) if claim in taken else claim for claim in old.claims],
    )


def _with(
    new: Dossier, old: Dossier, leaving: Mapping[bytes, Member], claims: Sequence[Claim], numbers: Mapping[int, int]
) -> Dossier:
    members, standings = dict(new.members), dict(new.standings)
    for m, one in leaving.items():
        known = members.get(m)
        own = one.pseudonym or old.pseudonym
        moved = one._replace(pseudonym=None if own == new.pseudonym else own)
        if known is None or is_news_of(moved, known):
            members[m] = moved
            standing = old.standings[m]
            standings[m] = standing._replace(told_with=numbers.get(standing.told_with, 0))
    return new._replace(members=members, standings=standings, claims=[*new.claims, *claims])


def decide_moved(before: Mapping[bytes, Dossier], after: Mapping[bytes, Dossier], terms: Terms) -> Effects:
    """Decide about everybody in homes whose members moved."""
    effects = Effects(terms)
    stood = _stood(before.values())
    for home, dossier in after.items():
        if dossier != before[home]:
            _add(effects, before[home], decide(dossier, [()], terms), stood)
    return effects


def _stood(homes: Iterable[Dossier]) -> dict[bytes, tuple[Member, Standing]]:
    """Return where each member stood, at whichever home; of one that left another identity, where it belongs."""
    stood: dict[bytes, tuple[Member, Standing]] = {}
    for one in homes:
        for m, member in one.members.items():
            if m not in stood or is_news_of(member, stood[m][0]):
                stood[m] = member, one.standings[m]
    return stood


def _add(effects: Effects, before: Dossier, decision: Decision, stood: Mapping[bytes, tuple[Member, Standing]]) -> None:
    """Add a decision about a home that members came to, or left, since `before`: all its rows are written."""
    after = decision.dossier
    effects.write(before, after, rewritten=True)
    for known, sign in ((before, -1), (after, 1)):
        for m, standing in known.standings.items():
            effects.stand_in(known.partition, known.members[m].cohort, standing.outcome, sign)
            effects.count_in(known.partition, known.members[m].cohort, CONFLICTING, sign * standing.conflict)
            effects.count_in(known.partition, known.members[m].cohort, BARE_JOINED, sign * standing.joined)
    for m, standing in after.standings.items():
        if standing.outcome in GONE:
            said = _said_of_gone(m, before, after)
        else:
            said = said_of(stood.get(m), after.members[m], standing)
        if said:
            effects.said_in(after.partition).append(said)
    effects.send(decision)


def _said_of_gone(m: bytes, before: Dossier, after: Dossier) -> Said | None:
    """Return what is to be said of a member that left: others say where it stands, but for what it told in error."""
    stood, stands = before.standings.get(m), after.standings[m]
    if Outcome.UNCORRECTED not in {stands.outcome, stood.outcome if stood else None}:
        return None
    return said_of((before.members[m], stood) if stood else None, after.members[m], stands)
