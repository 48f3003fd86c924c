"""The rules once more, as plainly as they can be said: sets of facts, no speed, no shared code."""

from dataclasses import dataclass, field

from services.core.channel import CHANNELS, TO_THE_ADDRESS
from services.core.notices import FLAG_DECEASED, FLAG_NOT_AT_ADDRESS, FLAG_RETRACTED
from services.deduplication.domain import Member

__all__ = ["Model"]

Fact = tuple[int, bool]


def facts_of(member: Member) -> set[Fact]:
    """Return what a member says: each category, and each that is certain."""
    return {(bit, False) for bit in range(8) if member.exposed >> bit & 1} | {
        (bit, True) for bit in range(8) if member.confirmed >> bit & 1
    }


@dataclass(slots=True)
class Model:
    """One person: the highest versions, and the notices as (bearer, facts told by them, void)."""

    members: dict[bytes, Member] = field(default_factory=dict)
    heard_at: dict[bytes, int] = field(default_factory=dict)
    notices: list[list[object]] = field(default_factory=list)

    def hear(self, member: Member) -> None:
        """Keep the highest version."""
        known = self.members.get(member.member)
        if known and known.version >= member.version:
            return
        self.members[member.member] = member
        self.heard_at.setdefault(member.member, member.accepted_at)
        if member.flags & FLAG_RETRACTED:
            for notice in self.notices:
                notice[2] = notice[2] or notice[0] == member.member

    def live(self) -> list[Member]:
        """Return the members of this person, oldest first."""
        alive = [m for m in self.members.values() if not m.flags & FLAG_RETRACTED]
        return sorted(alive, key=lambda m: (self.heard_at[m.member], m.member))

    def told(self) -> set[Fact]:
        """Return everything that the person was told."""
        told: set[Fact] = set()
        for _, facts, void in self.notices:
            assert isinstance(facts, set)
            if not void:
                told |= facts
        return told

    def bearers(self) -> set[object]:
        """Return who bears a notice that counts."""
        return {bearer for bearer, _, void in self.notices if not void}

    def look(self, usable: int, released: set[int]) -> dict[bytes, str]:
        """Release what may go out, and say where everybody stands."""
        live = self.live()
        everything = set().union(*(facts_of(m) for m in live))
        deceased = any(m.flags & FLAG_DECEASED for m in live)
        first = not self.bearers()
        bringing = [m for m in live if first or facts_of(m) - self.told()]
        held = ""
        if bringing and not deceased:
            writable = [m for m in [*bringing, *live] if can_be_written(m, usable)]
            if not writable:
                held = "unreachable"
            elif released & {m.cohort for m in bringing}:
                self.notices.append([writable[0].member, everything | self.told(), False])
            else:
                held = "unreleased"
        return self._places(deceased=deceased, held=held, bringing=bringing, usable=usable)

    def _places(self, *, deceased: bool, held: str, bringing: list[Member], usable: int) -> dict[bytes, str]:
        free = [m for m in bringing if m.member not in self.bearers()]
        free.sort(key=lambda m: not can_be_written(m, usable))
        places = dict.fromkeys(self.members, "retracted")
        for m in self.live():
            if m.member in self.bearers():
                places[m.member] = "released"
            elif deceased:
                places[m.member] = "suppressed"
            elif held and free and m is free[0]:
                elsewhere = held == "unreachable" and m.channels & usable
                places[m.member] = "held_not_at_address" if elsewhere else f"held_{held}"
            else:
                places[m.member] = "merged"
        return places


def can_be_written(member: Member, usable: int) -> bool:
    """Tell whether some channel reaches the member."""
    for channel in CHANNELS:
        if member.channels & usable & channel:
            if channel & TO_THE_ADDRESS and member.flags & FLAG_NOT_AT_ADDRESS:
                continue
            return True
    return False
