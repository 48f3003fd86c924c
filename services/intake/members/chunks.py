"""Checks records and collects them as chunks: the columns that one transaction takes. Pure."""

from collections.abc import Iterable, Sequence
from datetime import date
from functools import partial
from typing import Any, Protocol

from services.core.cohort import Cohort
from services.core.incident import Incident
from services.core.notices import FLAG_DECEASED
from services.intake.domain import Chunk, Fault, Problem, Rejected
from services.intake.errors import BrokenBodyError
from services.intake.reading.lines import RawRecord, TooLong
from services.intake.records.columnar import CheckedColumns, ColumnsChecker
from services.intake.records.fields import FIELD_NAMES
from services.intake.records.hashes import Hashes
from services.intake.records.identity import MemberIds, canonical
from services.intake.records.record import (
    Reading,
    Record,
    RecordColumns,
    Unreadable,
    contact_json,
    contacts_json,
)
from services.intake.records.validation import PERSON_KEY_DIGITS, Checked, Validator, bsn_digits, is_bsn

__all__ = ["CHUNK_RECORDS", "ChunkBuilder", "Reader"]

# Records of one transaction. Smaller chunks cost more (4k: a quarter more CPU a person); larger ones keep more in
# memory and lock the cohort's totals for longer.
CHUNK_RECORDS = 16_384
_KEPT_FIELDS = frozenset(FIELD_NAMES) | {"identity"}  # any other name came from the source, and is not kept

# An entry of each of a chunk's columns: line, memberRef as it may be repeated, member, content, pseudonym,
# witnesses, exposed and confirmed facts, channels, flags, language, contact data.
Row = tuple[int, str | None, bytes, bytes, bytes, bytes, int, int, int, int, str, bytes]


class Reader(Protocol):
    """Reads lines of one format."""

    def read(self, lines: Sequence[bytes], first: int = 0) -> list[Reading]:
        """Return a reading for each line. Raises BrokenBodyError, with `first` + index, where one is not UTF-8."""
        ...

    def columnar(self, lines: Sequence[bytes]) -> Iterable[tuple[int, RecordColumns | None]]:
        """Return runs of the lines as columns, each with its number of lines; None for a run that `read` is for."""
        ...


class ChunkBuilder:
    """Takes the records of one upload or event to one cohort, and gives them as chunks."""

    def __init__(self, incident: Incident, cohort: Cohort, hashes: Hashes, today: date, upload: int) -> None:
        self._begin = partial(Chunk, incident.incident_id, incident.version, cohort.cohort_id, upload)
        self._validator = Validator(incident, today)
        self._columns_checker = ColumnsChecker(self._validator)
        self._usable = int(incident.usable_mask)
        self._ids = MemberIds(cohort.incident_id, cohort.cohort_id)
        self._hashes = hashes
        self._witnesses = hashes.witnesses.of(incident.incident_id)
        self.chunk = self._begin()

    @property
    def space(self) -> int:
        """How many more records the chunk may hold."""
        return CHUNK_RECORDS - len(self.chunk)

    def give(self) -> Chunk:
        """Return the chunk so far, and begin the next."""
        chunk, self.chunk = self.chunk, self._begin()
        return chunk

    def add(self, records: Sequence[RawRecord], reader: Reader) -> None:
        """Read and check lines. Raises BrokenBodyError at one that is not UTF-8, with those before it taken."""
        lines, raws = self._readable(records)
        begin = 0
        for count, columns in reader.columnar(raws):
            end = begin + count
            if columns:
                self._take_columns(lines[begin:end], raws[begin:end], columns, reader)
            else:
                self._read(lines[begin:end], raws[begin:end], reader)
            begin = end

    def _readable(self, records: Sequence[RawRecord]) -> tuple[list[int], list[bytes]]:
        """Return the lines that are not blank, and their bytes; rejects those that are too long."""
        lines, raws = [line for line, _ in records], [raw for _, raw in records]
        if set(map(type, raws)) == {bytes} and all(raws) and not any(map(bytes.isspace, raws)):  # type: ignore[arg-type]
            return lines, raws  # type: ignore[return-value]  # all of them are bytes: the line above has checked it
        for line, raw in records:
            if isinstance(raw, TooLong):
                self._reject(line, raw.digest, None, None, (Fault(None, "line-too-long"),))
        readable = [(line, raw) for line, raw in records if isinstance(raw, bytes) and raw and not raw.isspace()]
        return [line for line, _ in readable], [raw for _, raw in readable]

    def take(self, lines: Iterable[tuple[int, bytes]], readings: Iterable[Reading]) -> None:
        """Check records that were read already; `lines` gives the line number and the bytes of each."""
        faults: list[Fault] = []
        for (line, raw), reading in zip(lines, readings, strict=True):
            self.chunk.last_line = line
            if isinstance(reading, Unreadable):
                ref = reading.member_ref
                shown = None if ref is None or _may_name_somebody(ref) else ref
                self._reject(line, raw, ref, shown, (Fault(reading.field, reading.problem),))
                continue
            checked = self._validator.check(reading, faults)
            identity = None if faults else canonical(reading)
            if identity is None:
                self._reject_faulty(line, raw, reading, faults or [Fault("familyName", "required")])
                faults = []
            else:
                self._add_row(self._row(line, reading, identity, checked))

    def _read(self, lines: Sequence[int], raws: Sequence[bytes], reader: Reader) -> None:
        try:
            readings = reader.read(raws)
        except BrokenBodyError as error:
            good = error.line or 0
            self.take(zip(lines[:good], raws[:good], strict=True), reader.read(raws[:good]))
            raise BrokenBodyError(error.reason, lines[good]) from None
        self.take(zip(lines, raws, strict=True), readings)

    def _row(self, line: int, record: Record, identity: bytes, checked: Checked) -> Row:
        exposed, confirmed, channels, flags = checked
        ref, contact, hashes = str(record.member_ref), contact_json(record), self._hashes
        return (
            line, _shown(ref, record.bsn, record.person_key), self._ids.of(ref),
            hashes.fingerprints.content(identity, contact, checked), hashes.pseudonyms.of(identity),
            self._witnesses.of(record), exposed, confirmed, channels, flags, record.language or "", contact,
        )  # fmt: skip

    def _take_columns(self, lines: list[int], raws: Sequence[bytes], cells: RecordColumns, reader: Reader) -> None:
        """Check rows together, and the odd ones among them one by one; rows keep the order of their lines."""
        checked = self._columns_checker.check(cells)
        if checked is None:  # the source writes in a way that is odd throughout
            self._read(lines, raws, reader)
            return
        columns = self._chunk_columns(lines, cells, checked)
        odd = sorted(checked.odd)
        begin = 0
        for row, reading in zip(odd, reader.read([raws[row] for row in odd]), strict=True):
            self._add_rows([column[begin:row] for column in columns])
            self.take([(lines[row], raws[row])], [reading])
            begin = row + 1
        self._add_rows([column[begin:] for column in columns] if begin else columns)

    def _chunk_columns(self, lines: list[int], cells: RecordColumns, checked: CheckedColumns) -> list[list[Any]]:
        """Return the columns of a chunk, in the order of `Row`."""
        contacts = contacts_json(cells)
        numbers = checked.exposed, checked.confirmed, checked.channels, checked.flags
        contents = self._hashes.fingerprints.contents(checked.identities, contacts, zip(*numbers, strict=True))
        return [
            lines, _all_shown(cells), self._ids.of_all(cells.member_ref), contents,
            self._hashes.pseudonyms.of_all(checked.identities), self._witnesses.of_all(cells),
            *numbers, cells.language, contacts,
        ]  # fmt: skip

    def _add_rows(self, columns: Sequence[list[Any]]) -> None:
        """Add rows of valid records to the chunk: all at once where no member comes again."""
        chunk, lines, members = self.chunk, columns[0], columns[2]
        new, count = len(chunk.members), len(members)
        chunk.rows.update(zip(members, range(new, new + count), strict=True))
        if len(chunk.rows) < new + count:
            chunk.rows = {member: row for row, member in enumerate(chunk.members)}  # as they were
            for row in zip(*columns, strict=True):
                self._add_row(row)
        elif count:
            for held, column in zip(self._held(), columns, strict=True):
                held.extend(column)
            chunk.accepted_lines += count
            chunk.last_line = lines[-1]
            if not all(channels & self._usable for channels in set(columns[8])):
                self._note_unreachable(new)

    def _add_row(self, row: Row) -> None:
        """Add the row of a valid record to the chunk, unless its member has one there."""
        chunk = self.chunk
        line, shown, member, content, pseudonym, witnesses, exposed, confirmed, channels, flags, language, contact = row
        chunk.last_line = line
        new = len(chunk.members)
        at = chunk.rows.setdefault(member, new)
        if at == new:
            chunk.lines.append(line)  # written out: a loop over `_held` takes a microsecond more
            chunk.refs.append(shown)
            chunk.members.append(member)
            chunk.contents.append(content)
            chunk.pseudonyms.append(pseudonym)
            chunk.witnesses.append(witnesses)
            chunk.exposed.append(exposed)
            chunk.confirmed.append(confirmed)
            chunk.channels.append(channels)
            chunk.flags.append(flags)
            chunk.languages.append(language)
            chunk.contacts.append(contact)
            chunk.accepted_lines += 1
            if not channels & self._usable:
                self._note_unreachable(new)
        elif chunk.contents[at] == content:
            chunk.again.setdefault(at, []).append(line)
            chunk.accepted_lines += 1
        else:
            chunk.rejected_lines += 1
            chunk.problems.append(Problem(line, chunk.refs[at], "memberRef", "repeated-member-ref"))

    def _held(self) -> tuple[list[Any], ...]:
        """Return the columns of the chunk, in the order of `Row`."""
        c = self.chunk
        return (
            c.lines, c.refs, c.members, c.contents, c.pseudonyms, c.witnesses,
            c.exposed, c.confirmed, c.channels, c.flags, c.languages, c.contacts,
        )  # fmt: skip

    def _note_unreachable(self, first: int) -> None:
        """Add a problem for each row from `first` on that no channel can reach, except those of the dead."""
        chunk, usable = self.chunk, self._usable
        for row in range(first, len(chunk.members)):
            if not chunk.channels[row] & usable and not chunk.flags[row] & FLAG_DECEASED:
                chunk.problems.append(Problem(chunk.lines[row], chunk.refs[row], None, "unreachable"))

    def _reject_faulty(self, line: int, raw: bytes, record: Record, faults: Sequence[Fault]) -> None:
        ref = str(record.member_ref or "") or None
        shown = _shown(ref, record.bsn, record.person_key) if ref else None
        self._reject(line, raw, ref, shown, tuple(faults))

    def _reject(self, line: int, raw: bytes, ref: str | None, shown: str | None, faults: tuple[Fault, ...]) -> None:
        """Reject a record; `shown` is its memberRef as far as it may be repeated."""
        chunk = self.chunk
        record = self._ids.of(ref) if ref else self._hashes.fingerprints.line(chunk.scope, raw)
        kept = tuple(fault if fault.field in _KEPT_FIELDS else Fault(None, fault.problem) for fault in faults)
        chunk.rejected.setdefault(record, Rejected(record, line, shown, kept))
        chunk.problems += [Problem(line, shown, fault.field, fault.problem) for fault in faults]
        chunk.rejected_lines += 1
        chunk.last_line = line


def _shown(ref: str, bsn: str | int | None, key: str | None) -> str | None:
    """Return a memberRef; None where it names the person by itself, because then it must be repeated nowhere."""
    if "@" in ref or ref in (bsn, key):
        return None
    return None if bsn and ref[0].isdigit() and bsn_digits(ref) == bsn else ref


def _all_shown(cells: RecordColumns) -> list[str | None]:
    """Return the memberRefs as far as they may be repeated; those of odd rows are not used."""
    refs = cells.member_ref
    begins = "".join({ref[:1] for ref in refs})
    keys = len(max(refs, key=len)) >= PERSON_KEY_DIGITS
    if keys or "@" in "".join(refs) or any(map(str.isdigit, begins)):
        given = zip(refs, cells.bsn, cells.person_key, strict=True)
        return [_shown(ref, bsn, key) if ref else None for ref, bsn, key in given]
    return list(refs)


def _may_name_somebody(ref: str) -> bool:
    """Tell whether a memberRef has the shape of a BSN, person key or e-mail address; its record cannot be read."""
    return "@" in ref or len(ref) == PERSON_KEY_DIGITS or is_bsn(bsn_digits(ref))
