"""Which identities belong together, by what the records with one match key say. Pure.

A record with a number (BSN or person key) and a whole match key shows two identities of its person: the number, and the
match key, under which other sources may know the same person. The two are tied where it is beyond doubt; where it is
not, the tie is proposed, and an operator says.

The decision is a function of the set of what the records say, not of the order in which they came: as long as it is
the rule that made a tie, what comes later may turn it into a proposal again.
"""

from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from services.core.ids import ID_BYTES
from services.core.witnesses import Witnesses, are_others, unpacked
from services.intake.homes import Home

__all__ = ["MATCHED_BY", "Pair", "State", "Tie", "homes_of", "said_of", "ties_of"]

MATCHED_BY: Final = ("familyName", "birthDate", "postcode", "houseNumber")  # what every tie rests on
_EVIDENCE: Final = ("initials", "givenName")  # a match key alone could be a twin's: one of these must agree as well
_MORE: Final = ("houseLetter", "houseNumberAddition")

_Profiles = Collection[Witnesses]
Pair = tuple[bytes, bytes]  # the pseudonym of a match key, and that of a number


class State(StrEnum):
    """Where a tie stands. The words are stored and answered."""

    PROPOSED = "proposed"
    MADE = "made"
    REFUSED = "refused"  # by an operator; the rule never makes it
    UNDONE = "undone"  # by an operator, after it was made; the rule never makes it again


class Tie(NamedTuple):
    """A tie as it stands. `fields` are those that agree."""

    state: State
    fields: tuple[str, ...] = ()
    by_rule: bool = True  # an operator's word stays, whatever comes


def said_of(profile: bytes) -> tuple[bytes, Witnesses]:
    """Return who a record is about and what it says of them: a profile is a pseudonym with witnesses behind it."""
    return profile[:ID_BYTES], unpacked(profile[ID_BYTES:])


def ties_of(profiles: Iterable[bytes], stored: Mapping[Pair, Tie]) -> dict[Pair, Tie]:
    """Return the ties that follow from all that records with one match key say, those stored included.

    A number is a candidate if somebody known by it could be somebody known by the match key. The tie is made if it is
    the only candidate, and if a record on each side has initials or a given name, which agree. What an operator said of
    a pair stays; a number that an operator refused is no candidate.
    """
    said: dict[bytes, list[Witnesses]] = {}
    for pseudonym, witnesses in map(said_of, profiles):
        said.setdefault(pseudonym, []).append(witnesses)
    numbered = {pseudonym: theirs for pseudonym, theirs in said.items() if theirs[0].identified}
    ties: dict[Pair, Tie] = {}
    for pseudonym, theirs in said.items():
        if pseudonym not in numbered:
            ties |= _ties_of_one(pseudonym, theirs, numbered, stored)
    return ties


def _ties_of_one(
    one: bytes,
    theirs: Collection[Witnesses],
    numbered: Mapping[bytes, Collection[Witnesses]],
    stored: Mapping[Pair, Tie],
) -> dict[Pair, Tie]:
    found: dict[Pair, Tie] = {}
    settled = {pair: tie for pair, tie in stored.items() if pair[0] == one and not tie.by_rule}
    for number, other in numbered.items():
        if (one, number) not in settled and (fields := _agreeing(theirs, other)) is not None:
            found[one, number] = Tie(State.PROPOSED, (*MATCHED_BY, *fields))
    taken = any(tie.state is State.MADE for tie in settled.values())
    if len(found) == 1 and not taken:
        ((pair, tie),) = found.items()
        if not set(_EVIDENCE).isdisjoint(tie.fields):
            found[pair] = tie._replace(state=State.MADE)
    return settled | found


def _agreeing(ours: _Profiles, theirs: _Profiles) -> tuple[str, ...] | None:
    """Return the fields beside the match key that agree in the best pair of records; None where all contradict."""
    best: tuple[str, ...] | None = None
    for one in ours:
        for other in theirs:
            if not are_others(one, other):
                fields = _known_to_both(one, other)
                best = max(best or (), fields, key=lambda known: (not set(_EVIDENCE).isdisjoint(known), len(known)))
    return best


def _known_to_both(one: Witnesses, other: Witnesses) -> tuple[str, ...]:
    """Return the fields that both know, of two who do not contradict each other."""
    pairs = zip((*_EVIDENCE, *_MORE), one[3:], other[3:], strict=True)
    return tuple(name for name, mine, theirs in pairs if mine and theirs)


def _components(pseudonyms: Iterable[bytes], tied: Iterable[Pair]) -> list[set[bytes]]:
    """Return who belongs together of these pseudonyms, by the ties that are made."""
    whole = {pseudonym: {pseudonym} for pseudonym in pseudonyms}
    for one, other in tied:
        if one in whole and other in whole and whole[one] is not whole[other]:
            joined = whole[one] | whole[other]
            whole.update(dict.fromkeys(joined, joined))
    return list({id(part): part for part in whole.values()}.values())


def homes_of(homes: Mapping[bytes, Home], tied: Iterable[Pair], fresh: Collection[bytes] = ()) -> dict[bytes, Home]:
    """Return the homes that change, given those of all pseudonyms that were or are tied to each other.

    A home stays if it can: the fewest people move. Of several that come together it is one of a pseudonym that was
    known before, `fresh` having those that were not. Those who were parted from their home get one of their own.
    """
    changed: dict[bytes, Home] = {}
    for part in _components(homes, tied):
        theirs = sorted({homes[pseudonym].home for pseudonym in part} & part)
        home = min(theirs, key=lambda one: (one in fresh, one), default=min(part))
        for pseudonym in sorted(part):
            before = homes[pseudonym]
            if before.home != home:
                changed[pseudonym] = Home(home, before.version + 1)
    return changed
