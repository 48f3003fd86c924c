"""Rows as PostgreSQL's binary COPY takes them: packed as bytes, in the order of their keys. Pure.

A row is the number of its fields, then each field with its length before it. A member's row begins with what it has of
its own, its person first, and ends with what many rows have in common, which is packed once for all of them. So the
order of the packed rows is that of the key, where neighbours cost the index a fifth less.
"""

import struct
from collections.abc import Iterable, Iterator
from operator import itemgetter
from typing import Final

from services.core.ids import ID_BYTES
from services.deduplication.domain import Standing
from services.deduplication.rows import NewPeople, Row

__all__ = ["MEMBER_COLUMNS", "NOTICE_COLUMNS", "packed_claims", "packed_members"]

MEMBER_COLUMNS: Final = (
    "person", "member", "slot", "witnesses", "contact_since", "pseudonym", "merged_into", "notice",
    "accepted_at", "exposed", "confirmed", "incident", "cohort", "version", "told_with", "nth", "partition", "channels",
    "flags", "outcome", "waits", "usable", "conflict", "joined", "language",
)  # fmt: skip
NOTICE_COLUMNS: Final = (
    "exposed", "confirmed", "incident", "told_group", "revision", "version", "course", "void", "person", "notice",
    "bearer", "supersedes", "through",
)  # fmt: skip
_OWN = struct.Struct("!h i16s i16s iq i")
_COMMON = struct.Struct("!iq iq iq ii ii ii ii ih ih ih ih ih ih ih i? i? i")
_NOTICE = struct.Struct("!h iq iq ii ii ii ii ih i? i16s i16s i16s")
_NULL: Final = struct.pack("!i", -1)
_NONE_OF_FOUR: Final = 4 * _NULL
_A_NOTICE: Final = 3 * _NULL + struct.pack("!i", ID_BYTES)

# What many rows have in common, but for what is the same in all that are packed at once.
_Common = tuple[int, int, int, int, int, str]  # version, exposed, confirmed, channels, flags, language


def packed_members(incident: int, rows: Iterable[Row], new: Iterable[NewPeople]) -> list[bytes]:
    """Return the rows of members, packed and in the order of the key."""
    packed = [*_each(incident, rows)]
    for people in new:
        packed += _columns(incident, people)
    packed.sort()
    return packed


def _columns(incident: int, new: NewPeople) -> Iterator[bytes]:
    """Pack people who are new: no value is looked at but by a loop in C or to be put into its place."""
    tails = _Tails(incident, new)
    common = zip(new.versions, new.exposed, new.confirmed, new.channels, new.flags, new.languages, strict=True)
    own, fields = _OWN.pack, len(MEMBER_COLUMNS)
    middle: Iterable[bytes]
    if new.pseudonyms is None:
        middle = (_NONE_OF_FOUR if one is None else _A_NOTICE + one for one in new.notices)
    else:
        pairs = zip(new.pseudonyms, new.notices, strict=True)
        middle = (_NULL + _optional(one) + _NULL + _optional(notice) for one, notice in pairs)
    columns = new.persons, new.members, new.slots, new.witnesses, middle, map(tails.__getitem__, common)
    for person, member, slot, witnesses, between, tail in zip(*columns, strict=True):
        yield own(fields, 16, person, 16, member, 8, slot, len(witnesses)) + witnesses + between + tail


class _Tails(dict[_Common, bytes]):
    """The ends of the rows of people who are new, each made once."""

    def __init__(self, incident: int, new: NewPeople) -> None:
        super().__init__()
        self._incident, self._new = incident, new

    def __missing__(self, key: _Common) -> bytes:
        """Pack what many rows have in common."""
        new, (version, exposed, confirmed, channels, flags, language) = self._new, key
        standing = new.table[flags][channels]
        place = self._incident, new.cohort, 0, new.partition
        facts = new.accepted_at, exposed, confirmed
        tail = self[key] = _common(place, facts, version, channels, flags, language, standing)
        return tail


def _each(incident: int, rows: Iterable[Row]) -> Iterator[bytes]:
    tails: dict[Row, bytes] = {}
    own, fields = _OWN.pack, len(MEMBER_COLUMNS)
    for (person, partition, nth, notice, member, version, cohort, accepted_at, exposed, confirmed, channels, flags,
         language, slot, witnesses, pseudonym, contact_since, *standing) in rows:  # fmt: skip
        stands = Standing._make(standing)
        place, facts = (incident, cohort, nth, partition), (accepted_at, exposed, confirmed)
        key = place, facts, version, channels, flags, language, stands._replace(merged_into=None)
        tail = tails.get(key)
        if tail is None:
            tail = tails[key] = _common(*key)
        between = _NULL if contact_since is None else _sized(contact_since.to_bytes(4, "big"))
        between += _optional(pseudonym) + _optional(stands.merged_into) + _optional(notice)
        yield own(fields, 16, person, 16, member, 8, slot, len(witnesses)) + witnesses + between + tail


def _common(  # noqa: PLR0917 - what rows have in common
    place: tuple[int, int, int, int],
    facts: tuple[int, int, int],
    version: int,
    channels: int,
    flags: int,
    language: str,
    stands: Standing,
) -> bytes:
    (incident, cohort, nth, partition), (accepted_at, exposed, confirmed) = place, facts
    named = language.encode()
    return _COMMON.pack(
        8, accepted_at, 8, exposed, 8, confirmed, 4, incident, 4, cohort, 4, version, 4, stands.told_with, 2, nth,
        2, partition, 2, channels, 2, flags, 2, stands.outcome, 2, stands.waits, 2, stands.usable, 1, stands.conflict,
        1, stands.joined, len(named),
    ) + named  # fmt: skip


def packed_claims(incident: int, rows: Iterable[Row]) -> Iterator[bytes]:
    """Return the rows of notices, packed and in the order of their persons."""
    pack = _NOTICE.pack
    for (person, revision, notice, bearer, version, exposed, confirmed, supersedes, void, group, course,
         through) in sorted(rows, key=itemgetter(0)):  # fmt: skip
        yield pack(
            len(NOTICE_COLUMNS), 8, exposed, 8, confirmed, 4, incident, 4, group, 4, revision, 4, version, 2, course,
            1, void, 16, person, 16, notice, 16, bearer,
        ) + _optional(supersedes) + (_NULL if through is None else _sized(through.to_bytes(2, "big")))  # fmt: skip


def _optional(value: bytes | None) -> bytes:
    return _NULL if value is None else _sized(value)


def _sized(value: bytes) -> bytes:
    return len(value).to_bytes(4, "big") + value
