"""A chunk: the records that one transaction will take, checked and brought to columns. Pure."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import NamedTuple, Protocol

from services.core.cohort import Cohort
from services.core.incident import Incident
from services.core.notices import FLAG_DECEASED
from services.intake.domain import Chunk, Fault, Problem, Rejected
from services.intake.errors import BrokenBodyError
from services.intake.identity import Fingerprints, MemberIds, Pseudonyms, canonical
from services.intake.lines import RawRecord, TooLong
from services.intake.records import Reading, Record, Unreadable, contact_json
from services.intake.validation import PERSON_KEY_DIGITS, Validator, bsn_digits, is_bsn

__all__ = ["CHUNK_RECORDS", "ChunkBuilder", "Hashes", "Reader"]

# One transaction each. Smaller ones make everything dear (4k: a quarter more CPU a person); larger ones keep
# more in memory and hold the cohort's totals for longer.
CHUNK_RECORDS = 16_384


class Hashes(NamedTuple):
    """The keyed hashes that a room was given."""

    pseudonyms: Pseudonyms
    pepper_version: int
    fingerprints: Fingerprints


class Reader(Protocol):
    """Reads lines of one format."""

    def read(self, lines: Sequence[bytes], first: int = 0) -> list[Reading]:
        """Give a reading for each line; raises BrokenBodyError with an index where one is not UTF-8."""
        ...


class ChunkBuilder:
    """Takes records of one cohort, and gives them as chunks."""

    def __init__(self, incident: Incident, cohort: Cohort, hashes: Hashes, today: date) -> None:
        self.incident, self.cohort = incident, cohort
        self._scope = f"{cohort.incident_id}/{cohort.cohort_id}"
        self._validator = Validator(incident, today)
        self._usable = int(incident.usable_mask)
        self._ids = MemberIds(cohort.incident_id, cohort.cohort_id)
        self._hashes = hashes
        self.chunk = Chunk()

    @property
    def room(self) -> int:
        """How many more records the chunk may hold."""
        return CHUNK_RECORDS - len(self.chunk)

    def give(self) -> Chunk:
        """Give the chunk so far, and begin the next."""
        chunk, self.chunk = self.chunk, Chunk()
        return chunk

    def add(self, records: Sequence[RawRecord], reader: Reader) -> None:
        """Read and check lines. Raises BrokenBodyError at one that is not UTF-8, with those before it taken."""
        readable: list[tuple[int, bytes]] = []
        for line, raw in records:
            if isinstance(raw, TooLong):
                self._reject(line, raw.digest, None, None, (Fault(None, "line-too-long"),))
            elif raw and not raw.isspace():
                readable.append((line, raw))
        try:
            readings = reader.read([raw for _, raw in readable])
        except BrokenBodyError as error:
            good = error.line or 0
            self.take(readable[:good], reader.read([raw for _, raw in readable[:good]]))
            raise BrokenBodyError(error.reason, readable[good][0]) from None
        self.take(readable, readings)

    def take(self, lines: Iterable[tuple[int, bytes]], readings: Iterable[Reading]) -> None:
        """Check records that were read already; `lines` gives the line number and the bytes of each."""
        check, hashes, chunk = self._validator.check, self._hashes, self.chunk
        faults: list[Fault] = []
        for (line, raw), reading in zip(lines, readings, strict=True):
            chunk.last_line = line
            if isinstance(reading, Unreadable):
                ref = reading.member_ref
                shown = None if ref is None or _may_name_somebody(ref) else ref
                self._reject(line, raw, ref, shown, (Fault(reading.field, reading.problem),))
                continue
            checked = check(reading, faults)
            identity = None if faults else canonical(reading)
            if identity is None:
                self._reject_faulty(line, raw, reading, faults or [Fault("familyName", "required")])
                faults = []
                continue
            contact = contact_json(reading)
            content = hashes.fingerprints.content(identity, contact, checked)
            if not self._is_first(line, reading, content):
                continue
            exposed, confirmed, channels, flags = checked
            chunk.contents.append(content)
            chunk.contacts.append(contact)
            chunk.pseudonyms.append(hashes.pseudonyms.of(identity))
            chunk.exposed.append(exposed)
            chunk.confirmed.append(confirmed)
            chunk.channels.append(channels)
            chunk.flags.append(flags)
            chunk.languages.append(reading.language or "")
            if not channels & self._usable and not flags & FLAG_DECEASED:
                chunk.problems.append(Problem(line, chunk.refs[-1], None, "unreachable"))

    def _is_first(self, line: int, record: Record, content: bytes) -> bool:
        """Give a valid record its row, unless its member has one in this chunk."""
        chunk = self.chunk
        ref = str(record.member_ref)
        member = self._ids.of(ref)
        new = len(chunk.members)
        row = chunk.rows.setdefault(member, new)
        if row == new:
            chunk.members.append(member)
            chunk.refs.append(_shown(ref, record))
            chunk.lines.append(line)
            chunk.accepted_lines += 1
            return True
        if chunk.contents[row] == content:
            chunk.again.setdefault(row, []).append(line)
            chunk.accepted_lines += 1
        else:
            chunk.rejected_lines += 1
            chunk.problems.append(Problem(line, chunk.refs[row], "memberRef", "repeated-member-ref"))
        return False

    def _reject_faulty(self, line: int, raw: bytes, record: Record, faults: Sequence[Fault]) -> None:
        ref = str(record.member_ref or "") or None
        self._reject(line, raw, ref, _shown(ref, record) if ref else None, tuple(faults))

    def _reject(self, line: int, raw: bytes, ref: str | None, shown: str | None, faults: tuple[Fault, ...]) -> None:
        """Reject a record; `shown` is its memberRef as far as it may be repeated."""
        chunk = self.chunk
        record = self._ids.of(ref) if ref else self._hashes.fingerprints.line(self._scope, raw)
        chunk.rejected.setdefault(record, Rejected(record, line, shown, faults))
        chunk.problems += [Problem(line, shown, fault.field, fault.problem) for fault in faults]
        chunk.rejected_lines += 1
        chunk.last_line = line


def _shown(ref: str, record: Record) -> str | None:
    """Give a memberRef, but not where it names the person by itself: then it is hashed, and repeated nowhere."""
    if "@" in ref or ref in (record.bsn, record.person_key):
        return None
    return None if record.bsn and ref[0].isdigit() and bsn_digits(ref) == record.bsn else ref


def _may_name_somebody(ref: str) -> bool:
    """Tell whether a memberRef has the shape of a BSN, person key or e-mail address; its record cannot be asked."""
    return "@" in ref or len(ref) == PERSON_KEY_DIGITS or is_bsn(bsn_digits(ref))
