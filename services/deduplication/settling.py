"""What becomes of one person: who bears the news, who waits for what, and what does not hold any more. Pure.

The rules are listed in the room's README.
"""

from collections.abc import Collection, Iterable, Sequence
from functools import reduce
from operator import or_

from services.core.facts import NO_FACTS, Facts
from services.core.notices import FLAG_DECEASED, FLAG_NEXT_OF_KIN, FLAG_NOT_DECEASED
from services.deduplication.corrections import addressee, data_version, since_corrected, wants_correction
from services.deduplication.domain import (
    Claim,
    Course,
    Member,
    Outcome,
    Person,
    Release,
    Settled,
    Standing,
    Superseded,
    Terms,
    Waits,
    covers,
    is_reachable,
    is_withdrawn,
)
from services.deduplication.outcomes import HELD_AS

__all__ = ["settle"]


def settle(person: Person, terms: Terms) -> Settled:
    """Decide where each member of one person stands, and release what may go out.

    The id of a first notice is left empty: it depends on the others with the pseudonym.
    """
    return _Settling(person, terms).settled()


class _Settling:
    """The state of one call of `settle`."""

    def __init__(self, person: Person, terms: Terms) -> None:
        self.person = person
        self.live = [m for m in person.live if not is_withdrawn(m, terms)]
        # Of somebody who has died, nobody is told but the next of kin, where a record says who that is.
        kin = [m for m in self.live if m.flags & FLAG_NEXT_OF_KIN]
        self.readers = kin if any(m.flags & FLAG_DECEASED for m in self.live) else self.live
        self.terms = terms
        self.told = [claim for claim in person.claims if not claim.void]
        self.last = {claim.group: claim for claim in self.told}  # of several: groups that are one person now
        self.heard = _together(list(self.last.values()))
        self.wrong = self._mistold()  # by somebody else's record, and to be corrected
        self.released: Release | None = None
        self.superseded: Superseded | None = None

    def settled(self) -> Settled:
        """Decide."""
        died = any(m.flags & FLAG_DECEASED for m in self.live)
        disputed = died and any(m.flags & FLAG_NOT_DECEASED for m in self.live)
        deceased = died and (disputed or not self.readers)
        carriers = [] if deceased else self._carriers()
        waits, waiting = self._release(carriers) if carriers else (Waits.NOTHING, ())
        paused = self._correct() if self.told and not deceased and not self.released else []
        bearers = {claim.bearer for claim in self.told}
        front = self._front(carriers, bearers) if waits else None
        stays = self.told or self.person.mistold
        group, conflict = self.person.number if stays else 0, self.person.conflict
        standings = {}
        for m in self.person.live:
            standings[m.member] = Standing(Outcome.TAKEN_BACK, told_with=group)
        for m in self.live:
            into = None
            if m.member in bearers:
                outcome = Outcome.RELEASED
            elif deceased:
                outcome = Outcome.HELD_DECEASED_CONFLICT if disputed else Outcome.SUPPRESSED
            else:
                outcome, into = self._merged_or_held(m, front, waits)
            standings[m.member] = Standing(outcome, Waits.NOTHING, 0, group, conflict, into)
        for m in paused:
            standings[m.member] = standings[m.member]._replace(waits=Waits.PAUSE, usable=self.terms.usable)
        for m in waiting:
            standings[m.member] = standings[m.member]._replace(waits=waits, usable=self.terms.usable)
        return Settled(standings, self.released, self.superseded, bool(self.wrong and not (deceased or self.released)))

    def _mistold(self) -> Claim | None:
        """Return what the person was told by a record that is somebody else's, if that is to be corrected."""
        mistold = self.person.mistold
        if mistold is None or len(self.last) > 1:
            return None
        said = self._said()
        exposed, confirmed = mistold.exposed & said.exposed, mistold.confirmed & said.confirmed
        if not wants_correction(self.terms.correction, mistold, exposed, confirmed):
            return None
        if self.heard is None or (self.heard.group == mistold.group and self.heard.revision < mistold.revision):
            return mistold
        # They were told past it: the correction says of both what holds.
        told = Facts(mistold.exposed | self.heard.exposed, mistold.confirmed | self.heard.confirmed)
        return mistold._replace(exposed=told.exposed, confirmed=told.confirmed)

    def _is_asked(self) -> bool:
        """Tell whether it is asked for a notice not to begin, so that nothing goes out until that is answered."""
        asked = [*self.told, self.wrong] if self.wrong else self.told
        return any(claim.course == Course.RECALLED for claim in asked)

    def _carriers(self) -> list[Member]:
        """Return the members that have news for the person."""
        return [m for m in self.live if not covers(self.heard, m)] if self.heard else list(self.live)

    def _release(self, carriers: Sequence[Member]) -> tuple[Waits, Iterable[Member]]:
        """Release the news if it may go out and can be written; say what it waits for otherwise, and in whom."""
        usable = self.terms.usable
        # The member that brought the news has the newest data; one that was told before can still be written to.
        reachable = [
            m for m in (*carriers, *self.live) if m in self.readers and is_reachable(m.channels, m.flags, usable)
        ]
        if not reachable:
            return Waits.CHANNEL, carriers
        if self.person.conflict and self.terms.hold_conflicts:
            return Waits.POLICY, carriers
        if self._is_asked():
            return Waits.ANSWER, ()
        return self._permitted(carriers, reachable)

    def _can_read(self, m: Member) -> bool:
        """Tell whether the person, or the next of kin, can be written to by what this record says."""
        return m in self.readers and is_reachable(m.channels, m.flags, self.terms.usable)

    def _permitted(self, carriers: Sequence[Member], reachable: Sequence[Member]) -> tuple[Waits, Iterable[Member]]:
        """Release news that can be written if it may go out now; say what it waits for otherwise, and in whom."""
        released = self.terms.may_go
        may_go = any(m.cohort in released for m in carriers)
        bearer = next((m for m in reachable if m.cohort in released), None)
        if not (bearer and may_go):
            # Each whose release may set it free; where both are missing, the first release only looks again.
            return Waits.RELEASE, [*(() if may_go else carriers), *(() if bearer else reachable)]
        # A notice says what all members say. Nobody is told half of it, and then again.
        if paused := self._paused():
            return Waits.PAUSE, paused
        allowance = self.terms.allowance
        if allowance and (channel := allowance.waits_for(bearer.channels, bearer.flags)):
            return Waits.turn_of(channel), [m for m in (*carriers, *reachable) if m.cohort in released]
        self._send(bearer, self._said(), self._rests_on(bearer, carriers))
        return Waits.NOTHING, ()

    def _paused(self) -> list[Member]:
        """Return the members of paused cohorts: no notice that says what they say may go out just now."""
        return [m for m in self.live if m.cohort in self.terms.paused]

    def _rests_on(self, bearer: Member, carriers: Sequence[Member]) -> frozenset[int]:
        """Return the cohorts under a limit that a notice takes from: one that carries it, one that lends its data."""
        released = self.terms.released
        carrying = {m.cohort for m in carriers}
        used = {bearer.cohort}
        if carrying.isdisjoint({*released, *used}):
            used.add(next(m.cohort for m in carriers if m.cohort in self.terms.may_go))
        return frozenset(used.difference(released))

    def _correct(self) -> list[Member]:
        """Tell what does not hold any more, if the policy wants it and somebody can be written to.

        It says no more than was told: what else there is waits for its release. While a notice may still be stopped,
        nothing is corrected; nor is it where several groups that were told are one person now, each told other things.
        Return the members whose pause holds a correction back. Limits hold none: who was told something wrong hears of
        it.
        """
        if len(self.last) > 1 or self._is_asked():
            return []
        said, told = self._said(), self.wrong or self.told[-1]
        exposed, confirmed = told.exposed & said.exposed, told.confirmed & said.confirmed
        held = self.person.conflict and self.terms.hold_conflicts
        if not held and wants_correction(self.terms.correction, told, exposed, confirmed):
            bearer = addressee(self.told, self.person.live, self.readers, self.terms)
            if bearer and (paused := self._paused()):
                return paused
            if bearer:
                self._send(bearer, Facts(exposed, confirmed), None)
        return []

    def _said(self) -> Facts:
        """Return what all members say together."""
        return reduce(or_, (Facts(m.exposed, m.confirmed) for m in self.live), NO_FACTS)

    def _send(self, bearer: Member, facts: Facts, rests_on: frozenset[int] | None) -> None:
        exposed, confirmed = facts.exposed, facts.confirmed
        before = self.wrong or self.heard
        borne = next((claim for claim in reversed(self.told) if claim.bearer == bearer.member), None)
        claim = self._claim(bearer, before, exposed, confirmed)
        self.told.append(claim)
        cohorts = frozenset([m.cohort for m in self.live] or [bearer.cohort])
        self.released = Release(claim, before, bearer, exposed, confirmed, cohorts, rests_on)
        if borne:
            self.superseded = Superseded(borne.notice, bearer.cohort, 2 * claim.revision - 1)

    def _claim(self, bearer: Member, before: Claim | None, exposed: int, confirmed: int) -> Claim:
        several = len(self.last) > 1
        if before and (several or not wants_correction(self.terms.correction, before, exposed, confirmed)):
            exposed, confirmed = exposed | before.exposed, confirmed | before.confirmed
        claims = self.person.claims
        revision = max(claim.revision for claim in claims) + 1 if claims else 1
        notice = self.terms.ids.of(claims[0].notice, revision) if claims else b""
        supersedes = before.notice if before else None
        version, group = data_version(bearer), self.person.number
        return Claim(revision, notice, bearer.member, version, exposed, confirmed, supersedes, group=group)

    def _front(self, carriers: Sequence[Member], bearers: Collection[bytes]) -> Member | None:
        """Return the member that is held for the news; None where all members that bring it bear earlier notices."""
        free = [m for m in carriers if m.member not in bearers]
        # Where nobody can be written to, it is the first one's work; of the dead, that of who names the next of kin.
        free.sort(key=lambda m: (not self._can_read(m), m not in self.readers))
        return free[0] if free else None

    def _merged_or_held(self, m: Member, front: Member | None, waits: Waits) -> tuple[Outcome, bytes | None]:
        """Return the outcome of a member that bears no notice, and the member that it is merged into."""
        told = self.told if len(self.last) > 1 else since_corrected(self.told)
        covering = next((claim for claim in told if covers(claim, m)), None)
        if not covering and self.heard and covers(self.heard, m):
            covering = self.heard  # what was told to several groups, together
        if covering or not front:
            return Outcome.MERGED, covering.bearer if covering else None
        if m.member != front.member:
            return Outcome.MERGED, front.member
        if waits == Waits.CHANNEL:
            return _unreachable(front.channels, self.terms.usable), None
        return HELD_AS[waits], None


def _together(last: Sequence[Claim]) -> Claim | None:
    """Return the latest notice of a person, with all that the person was told; None where that is nothing.

    `last` has the last notice of each group: it says all that the group was told, less what was corrected.
    """
    if not last:
        return None
    told = reduce(or_, (Facts(claim.exposed, claim.confirmed) for claim in last), NO_FACTS)
    return last[-1]._replace(exposed=told.exposed, confirmed=told.confirmed)


def _unreachable(channels: int, usable: int) -> Outcome:
    """Say why a member that cannot be written to is held: it has no channel, or only the address of others."""
    return Outcome.HELD_NOT_AT_ADDRESS if channels & usable else Outcome.HELD_UNREACHABLE
