"""The rules of who is told what, written once more and plainly, by what the sources sent. Slow, and easy to check."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, NamedTuple

__all__ = ["Claimed", "Records", "Said", "as_sent", "contradict"]


class Said(NamedTuple):
    """What a source says of somebody. An empty text is not said."""

    bsn: str
    birth: str
    family: str
    initial: str
    addition: str
    taken: frozenset[str]  # codes of categories
    sure: bool
    deceased: bool = False

    @property
    def identity(self) -> str:
        """What is the same in all records of one person; others may have it too."""
        return self.bsn or f"{self.family}/{self.birth}"


class Claimed(NamedTuple):
    """A notice as it went out, and who bore it."""

    notice: bytes
    bearer: tuple[str, str]  # cohort and memberRef
    version: int
    named: frozenset[str]
    sure: frozenset[str]
    new: frozenset[str]  # what no notice before it said, or not for sure
    first: bool


def as_sent(ref: str, said: Said) -> dict[str, Any]:
    """Return a record as its source sends it."""
    record = {
        "memberRef": ref, "bsn": said.bsn, "birthDate": said.birth, "familyName": said.family,
        "initials": said.initial, "email": f"{ref}@example.nl", "dataCategories": sorted(said.taken),
        "certainty": "confirmed" if said.sure else "possible", "deceased": said.deceased or None,
    }  # fmt: skip
    if not said.bsn:
        record |= {"postcode": "1234AB", "houseNumber": "12", "houseNumberAddition": said.addition}
    return {name: value for name, value in record.items() if value not in ("", None)}


def contradict(one: Said, other: Said) -> bool:
    """Tell whether two records cannot be about one person."""
    if one.birth and other.birth and one.birth != other.birth:
        return True
    born_alike = one.birth and one.birth == other.birth
    if not born_alike and one.family and other.family and one.family != other.family:
        return True
    if one.bsn or other.bsn:
        return False
    return any(mine and theirs and mine != theirs for mine, theirs in zip(one[3:5], other[3:5], strict=True))


@dataclass
class Records:
    """All that was acknowledged: every version of every record; None = withdrawn."""

    said: dict[tuple[str, str], list[Said | None]] = field(default_factory=dict)
    released: set[str] = field(default_factory=set)
    cancelled: set[str] = field(default_factory=set)
    told: list[Claimed] = field(default_factory=list)
    # Identities of which an operator ever said that records are one person's, or different people's.
    joined: set[str] = field(default_factory=set)
    parted: set[str] = field(default_factory=set)

    def stopped(self, notices: Collection[bytes]) -> None:
        """Forget notices that told nobody."""
        self.told = [claimed for claimed in self.told if claimed.notice not in notices]

    def judged(self, keys: Iterable[tuple[str, str]], *, are_one: bool) -> None:
        """Note what an operator said of records; whether it holds of what they say later is not asked here."""
        identities = {said.identity for key in keys for said in self.said[key] if said}
        (self.joined if are_one else self.parted).update(identities)

    def latest(self, key: tuple[str, str]) -> Said | None:
        """Return what a record says now; None where it was withdrawn, or its cohort cancelled."""
        return None if key[0] in self.cancelled else self.said[key][-1]

    def at(self, claimed: Claimed) -> Said:
        """Return what the bearer of a notice said when it went out."""
        said = self.said[claimed.bearer][claimed.version - 1]
        assert said is not None, "a record that was withdrawn bears a notice"
        return said

    def ever(self, identity: str) -> list[Said]:
        """Return all that was ever said under an identity."""
        return [said for said in self._all() if said.identity == identity]

    def is_one_person(self, identity: str) -> bool:
        """Tell whether nothing that was ever said under an identity contradicts anything else, nor did an operator."""
        if identity in self.parted:
            return False
        return not any(contradict(*pair) for pair in combinations(self.ever(identity), 2))

    def may_be_one(self, one: Said, other: Said) -> bool:
        """Tell whether two records of an identity may be one person's, by what they say or an operator did."""
        return one.identity in self.joined or not contradict(one, other)

    def stands(self, claimed: Claimed) -> bool:
        """Tell whether a notice was somebody's first, and its bearer was never found to be somebody else."""
        identity = self.at(claimed).identity
        return claimed.first and all(said.identity == identity for said in self.said[claimed.bearer] if said)

    def nobody_elses(self, claimed: Claimed) -> bool:
        """Tell whether somebody who may be the bearer was said to have lost each category that a notice names."""
        bearer = self.at(claimed)
        theirs = [said for said in self.ever(bearer.identity) if self.may_be_one(said, bearer)]
        return claimed.named <= {code for said in theirs for code in said.taken}

    def knows_all(self, key: tuple[str, str]) -> bool:
        """Tell whether the notices to whoever may be a record's person name all that it says."""
        latest = self.latest(key)
        assert latest is not None
        versions = [said for said in self.said[key] if said]
        heard = [
            claimed
            for claimed in self.told
            if self.at(claimed).identity == latest.identity
            and any(self.may_be_one(self.at(claimed), said) for said in versions)
        ]
        named = latest.taken <= _codes(claimed.named for claimed in heard)
        return named and (not latest.sure or latest.taken <= _codes(claimed.sure for claimed in heard))

    def due(self) -> list[tuple[str, str]]:
        """Return the records of released cohorts that say something, of people nobody ever called deceased."""
        found = [key for key in self.said if key[0] in self.released and self.latest(key)]
        return [key for key in found if not any(said.deceased for said in self._of(key))]

    def _of(self, key: tuple[str, str]) -> Sequence[Said]:
        latest = self.latest(key)
        return self.ever(latest.identity) if latest else []

    def _all(self) -> Iterable[Said]:
        return (said for versions in self.said.values() for said in versions if said)


def _codes(sets: Iterable[frozenset[str]]) -> frozenset[str]:
    return frozenset(code for codes in sets for code in codes)
