"""Members, terms and blocks for tests, with whatever does not matter filled in."""

from collections.abc import Collection, Iterable, Sequence
from itertools import combinations

from services.core.channel import ALL_CHANNELS, Channel
from services.core.policy import Correction
from services.deduplication.batch import Block
from services.deduplication.domain import Member, NoticeIds, Terms
from services.deduplication.judgements import Judgement, Judgements, Seen
from services.deduplication.quotas import Allowance
from tests.keys import a_key
from tests.unit.deduplication.said import Said, packed

__all__ = ["IDS", "INCIDENT", "a_block", "a_member", "an_id", "judged", "terms"]

INCIDENT = "lab-2025"
IDS = NoticeIds(a_key("notice"), INCIDENT)
NOBODY = Said()  # a source that sends pseudonyms and facts alone


def an_id(name: str) -> bytes:
    """Return 16 bytes that can be read in a failure."""
    return name.encode().ljust(16, b".")


def a_member(
    name: str,
    *,
    version: int = 1,
    cohort: int = 1,
    at: int = 1000,
    exposed: int = 1,
    confirmed: int | None = None,
    channels: int = Channel.LETTER,
    flags: int = 0,
    said: Said = NOBODY,
    since: int | None = None,
) -> Member:
    """Return a member; its facts are certain unless said otherwise."""
    sure = exposed if confirmed is None else confirmed
    return Member(
        an_id(name), version, cohort, at, exposed, sure, int(channels), flags, "nl", a_slot(an_id(name), version),
        packed(said), contact_since=since,
    )  # fmt: skip


def a_slot(member: bytes, version: int) -> int:
    """Return where the data of a member's version lies: no two share a slot."""
    return int.from_bytes(member[:4], "big") << 8 | version


def terms(
    *,
    usable: int = ALL_CHANNELS,
    released: Collection[int] = (1, 2, 3),
    hold: bool = False,
    cancelled: Collection[int] = (),
    correction: Correction = Correction.NONE,
    paused: Collection[int] = (),
    allowance: Allowance | None = None,
    judgements: Iterable[Judgement] = (),
    hold_bare: bool = False,
) -> Terms:
    """Return terms over the cohorts 1 to 3; with `hold`, people who contradict each other are told nothing."""
    names = {1: "c1", 2: "c2", 3: "c3"}
    may_go = set(released) - set(cancelled)
    off, still = set(cancelled), set(paused)
    return Terms(
        INCIDENT, 1, 7, int(usable), names, may_go, IDS, hold, off, correction, paused=still, allowance=allowance,
        judgements=Judgements(judgements), hold_bare=hold_bare,
    )  # fmt: skip


def judged(*members: Member, are_one: bool) -> list[Judgement]:
    """Return what an operator says who sees these members: that they are one person, or that each is another one."""
    seen = [Seen(m.member, m.version, m.witnesses) for m in members]
    return [Judgement(one, other, are_one) for one, other in combinations(seen, 2)]


def a_block(rows: Iterable[tuple[bytes, Member]], *, partition: int = 0) -> tuple[Block, int]:
    """Return a block of (person, member)s of one cohort, and its cohort's number."""
    pairs = list(rows)
    members: Sequence[Member] = [member for _, member in pairs]
    cohort = members[0].cohort
    block = Block(
        incident_id=INCIDENT,
        incident_version=7,
        cohort_id=f"c{cohort}",
        cohort_version=1,
        accepted_at=members[0].accepted_at,
        partition=partition,
        members=[m.member for m in members],
        versions=[m.version for m in members],
        slots=[m.slot for m in members],
        persons=[person for person, _ in pairs],
        exposed=[m.exposed for m in members],
        confirmed=[m.confirmed for m in members],
        channels=[m.channels for m in members],
        flags=[m.flags for m in members],
        languages=[m.language for m in members],
        witnesses=[m.witnesses for m in members],
        contact_since={row: m.contact_since for row, m in enumerate(members) if m.contact_since},
    )
    return block, cohort
