"""Checks records and collects them as chunks: the columns that one transaction takes. Pure."""

from collections.abc import Iterable, Sequence
from datetime import date
from functools import partial
from typing import Any, Final, Protocol

from services.core.cohort import Cohort
from services.core.incident import Incident
from services.core.notices import FLAG_DECEASED, FLAG_NEXT_OF_KIN
from services.intake.domain import Chunk, Fault, Problem, Rejected, Severity
from services.intake.errors import BrokenBodyError
from services.intake.reading.lines import TOO_LONG, RawRecord
from services.intake.records.columnar import CheckedColumns, ColumnsChecker
from services.intake.records.fields import FIELD_NAMES
from services.intake.records.hashes import HashesByIncident
from services.intake.records.identity import canonical
from services.intake.records.record import (
    Flawed,
    Reading,
    Record,
    RecordColumns,
    Unreadable,
    contact_json,
    contacts_json,
)
from services.intake.records.refs import shown_of_contact, shown_of_record
from services.intake.records.texts import says_nothing
from services.intake.records.validation import Checked, Validator, is_accepted, is_nobody

__all__ = ["CHUNK_RECORDS", "ChunkBuilder", "Reader", "shown_ref"]

# Records of one transaction. Smaller chunks cost more (4k: a quarter more CPU a person); larger ones keep more in
# memory and lock the cohort's totals for longer.
CHUNK_RECORDS = 16_384
_KEPT_FIELDS = frozenset(FIELD_NAMES) | {"identity"}  # any other name came from the source, and is not kept

# An entry of each of a chunk's columns: line, memberRef, BSN, member, content, pseudonym, witnesses, likeness, exposed
# and confirmed facts, channels, flags, language, contact data.
Row = tuple[int, str, str, bytes, bytes, bytes, bytes, bytes, int, int, int, int, str, bytes]
_MEMBER: Final = 3  # places in a row
_CHANNELS: Final = 10
_NOBODY_READS: Final = FLAG_DECEASED | FLAG_NEXT_OF_KIN  # of these the first alone: the dead read nothing
_NO_LETTERS = Fault("familyName", "required")  # a name of signs alone: it would be the only name of its record


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

    def __init__(self, incident: Incident, cohort: Cohort, hashes: HashesByIncident, today: date, upload: int) -> None:
        ids = incident.incident_id, incident.version, cohort.cohort_id
        self._begin = partial(Chunk, *ids, upload, incident.key_versions)
        self._validator = Validator(incident, today)
        self._columns_checker = ColumnsChecker(self._validator)
        self._usable = int(incident.usable_mask)
        self._hashes = hashes.of(incident)
        self._ids = self._hashes.members(cohort.cohort_id)
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
        """Return the lines that are not blank, and their bytes; notes those that are too long."""
        lines, raws = [line for line, _ in records], [raw for _, raw in records]
        if set(map(type, raws)) == {bytes} and all(raws) and not any(map(bytes.isspace, raws)):  # type: ignore[arg-type]
            return lines, raws  # type: ignore[return-value]  # all of them are bytes: the line above has checked it
        for line, raw in records:
            if raw is TOO_LONG:
                self._note_unreadable(line, [Fault(None, "line-too-long")])
        readable = [(line, raw) for line, raw in records if isinstance(raw, bytes) and raw and not raw.isspace()]
        return [line for line, _ in readable], [raw for _, raw in readable]

    def take(self, lines: Iterable[tuple[int, bytes]], readings: Iterable[Reading]) -> None:
        """Check records that were read already; `lines` gives the line number and the bytes of each."""
        faults: list[Fault] = []
        for (line, raw), reading in zip(lines, readings, strict=True):
            if isinstance(reading, Unreadable):
                self._take_unreadable(line, raw, reading)
                continue
            if isinstance(reading, Flawed):
                faults += reading.faults
                reading = reading.record  # noqa: PLW2901 - its faults are told, and the rest of it is like any other
            checked = self._validator.check(reading, faults)
            accepted = not faults or is_accepted(faults)
            identity = canonical(reading) if accepted else None
            if identity is None:
                self._take_faulty(line, raw, reading, [*faults, _NO_LETTERS] if accepted else faults)
            else:
                row = self._row(line, reading, identity, checked)
                if faults:
                    shown = shown_of_record(reading, faults)
                    self.chunk.noted.setdefault(row[_MEMBER], shown)
                    self._note(line, shown, faults)
                self._add_row(row)
            if faults:
                faults = []

    def _read(self, lines: Sequence[int], raws: Sequence[bytes], reader: Reader) -> None:
        try:
            readings = reader.read(raws)
        except BrokenBodyError as error:
            good = error.line or 0
            self.take(zip(lines[:good], raws[:good], strict=True), reader.read(raws[:good]))
            raise BrokenBodyError(error.reason, lines[good]) from None
        self.take(zip(lines, raws, strict=True), readings)

    def _row(self, line: int, record: Record, identity: bytes, checked: Checked) -> Row:
        """Return the row of a record that is taken."""
        exposed, confirmed, channels, flags = checked
        ref, contact, hashes = str(record.member_ref), contact_json(record), self._hashes
        witnesses = hashes.witnesses.of(record)
        return (
            line, ref, str(record.bsn or ""), self._ids.of(ref),
            hashes.fingerprints.content(contact, checked), hashes.pseudonyms.of(identity),
            witnesses, hashes.likenesses.of(record, witnesses),
            exposed, confirmed, channels, flags, record.language or "", contact,
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
        contents = self._hashes.fingerprints.contents(contacts, zip(*numbers, strict=True))
        witnesses = self._hashes.witnesses.of_all(cells)
        return [
            lines, cells.member_ref, cells.bsn, self._ids.of_all(cells.member_ref), contents,
            self._hashes.pseudonyms.of_all(checked.identities), witnesses,
            self._hashes.likenesses.of_all(cells, witnesses),
            *numbers, cells.language, contacts,
        ]  # fmt: skip

    def _add_rows(self, columns: Sequence[list[Any]]) -> None:
        """Add rows of valid records to the chunk: all at once where no member comes again."""
        chunk, lines, members = self.chunk, columns[0], columns[_MEMBER]
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
            if not all(channels & self._usable for channels in set(columns[_CHANNELS])):
                self._note_unreachable(new)

    def _add_row(self, row: Row) -> None:
        """Add the row of a valid record to the chunk, unless its member has one there."""
        chunk = self.chunk
        (
            line,
            ref,
            bsn,
            member,
            content,
            pseudonym,
            witnesses,
            likeness,
            exposed,
            confirmed,
            channels,
            flags,
            language,
            contact,
        ) = row
        chunk.last_line = line
        new = len(chunk.members)
        at = chunk.rows.setdefault(member, new)
        if at == new:
            chunk.lines.append(line)  # written out: a loop over `_held` takes a microsecond more
            chunk.refs.append(ref)
            chunk.bsns.append(bsn)
            chunk.members.append(member)
            chunk.contents.append(content)
            chunk.pseudonyms.append(pseudonym)
            chunk.witnesses.append(witnesses)
            chunk.likenesses.append(likeness)
            chunk.exposed.append(exposed)
            chunk.confirmed.append(confirmed)
            chunk.channels.append(channels)
            chunk.flags.append(flags)
            chunk.languages.append(language)
            chunk.contacts.append(contact)
            chunk.accepted_lines += 1
            if not channels & self._usable:
                self._note_unreachable(new)
        elif chunk.contents[at] == content and chunk.pseudonyms[at] == pseudonym:
            chunk.again.setdefault(at, []).append(line)
            chunk.accepted_lines += 1
        else:
            chunk.rejected_lines += 1
            chunk.problems.append(Problem(line, shown_ref(chunk, at), "memberRef", "repeated-member-ref"))

    def _held(self) -> tuple[list[Any], ...]:
        """Return the columns of the chunk, in the order of `Row`."""
        c = self.chunk
        return (
            c.lines, c.refs, c.bsns, c.members, c.contents, c.pseudonyms, c.witnesses,
            c.likenesses, c.exposed, c.confirmed, c.channels, c.flags, c.languages, c.contacts,
        )  # fmt: skip

    def _note_unreachable(self, first: int) -> None:
        """Add a warning for each row from `first` on that no channel can reach, except those of the dead."""
        chunk, usable = self.chunk, self._usable
        for row in range(first, len(chunk.members)):
            if not chunk.channels[row] & usable and chunk.flags[row] & _NOBODY_READS != FLAG_DECEASED:
                warning = Fault(None, "unreachable", Severity.WARNING)
                self._note(chunk.lines[row], shown_ref(chunk, row), [warning])

    def _take_unreadable(self, line: int, raw: bytes, reading: Unreadable) -> None:
        """Reject a record whose fields cannot be read, or note that the line is no member's."""
        faults = [Fault(reading.field, reading.problem)]
        if reading.member_ref:
            self._reject(line, reading.member_ref, None, faults)
        elif not says_nothing(raw):
            self._note_unreadable(line, faults)

    def _take_faulty(self, line: int, raw: bytes, record: Record, faults: Sequence[Fault]) -> None:
        """Reject a record with faults, or note that the line is no member's."""
        if not is_nobody(faults):
            self._reject(line, str(record.member_ref), shown_of_record(record, faults), faults)
        elif not says_nothing(raw):
            self._note_unreadable(line, faults)

    def _reject(self, line: int, ref: str, shown: str | None, faults: Sequence[Fault]) -> None:
        """Reject a record; `shown` is its memberRef as far as it may be repeated."""
        record = self._ids.of(ref)
        kept = tuple(fault if fault.field in _KEPT_FIELDS else Fault(None, fault.problem) for fault in faults)
        self.chunk.rejected.setdefault(record, Rejected(record, line, ref, kept))
        self.chunk.rejected_lines += 1
        self.chunk.last_line = line
        self._note(line, shown, faults)

    def _note_unreadable(self, line: int, faults: Sequence[Fault]) -> None:
        """Note a line that is no member; all of it is told by its number alone."""
        self.chunk.unreadable_lines += 1
        self.chunk.last_line = line
        self._note(line, None, faults)

    def _note(self, line: int, shown: str | None, faults: Iterable[Fault]) -> None:
        """Add what is wrong with a line to the answer."""
        self.chunk.problems += [Problem(line, shown, *fault) for fault in faults]


def shown_ref(chunk: Chunk, row: int) -> str | None:
    """Return the memberRef of a row as far as it may be repeated."""
    if chunk.members[row] in chunk.noted:  # what is sealed of it lacks the fields that had a flaw
        return chunk.noted[chunk.members[row]]
    return shown_of_contact(chunk.refs[row], chunk.bsns[row], chunk.contacts[row])
