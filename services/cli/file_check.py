"""Checks a file of member records as intake would, without a server: nothing is sent, and nothing is kept."""

import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import IO, Any

from services.cli.file_shape import encoding_advice, header_advice, inflated, is_gzipped, unreadable_shape
from services.cli.problem_words import in_words
from services.core.channel import CHANNELS
from services.core.cohort import Cohort
from services.core.facts import MAX_CATEGORIES
from services.core.incident import Controller, DataCategory, Incident
from services.intake.domain import Chunk, Problem, Severity
from services.intake.errors import BadHeaderError, BrokenBodyError
from services.intake.members.chunks import ChunkBuilder, Reader, shown_ref
from services.intake.reading.csv import CsvReader
from services.intake.reading.gunzip import Gunzip
from services.intake.reading.lines import TOO_LONG, RawRecord, RecordSplitter
from services.intake.reading.ndjson import NdjsonReader
from services.intake.records.hashes import HashesByIncident
from services.intake.records.record import Flawed, Record
from services.intake.records.texts import says_nothing

__all__ = ["FileCheck", "check_file"]

_PIECE = 256 * 1024
_NOBODY = Controller("", (), "", "")


@dataclass(slots=True)
class FileCheck:
    """What intake would say of a file; `stopped` says why it could not be read any further."""

    accepted: int = 0
    rejected: int = 0
    unreadable: int = 0
    warned: int = 0
    problems: list[Problem] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    categories_checked: bool = False
    gzipped: bool = False

    @property
    def is_sound(self) -> bool:
        """Tell whether every line would be taken."""
        return not (self.stopped or self.rejected or self.unreadable)

    def as_json(self) -> dict[str, Any]:
        """Return the answer that intake would give, with each problem in words as well."""
        return {
            "received": self.accepted + self.rejected, "accepted": self.accepted, "rejected": self.rejected,
            "unreadable": self.unreadable, "warnings": self.warned,
            "problems": [
                {
                    "line": p.line, "memberRef": p.member_ref, "field": p.field, "problem": p.problem,
                    "severity": p.severity, "words": in_words(p.field, p.problem),
                }
                for p in self.problems
            ],
            "stopped": self.stopped, "categoriesChecked": self.categories_checked,
        }  # fmt: skip


class _Throwaway:
    """Keys for hashes that nobody keeps: they tell within one check who is the same."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def pepper(self, purpose: str, version: int | None = None) -> tuple[int, bytes]:  # noqa: ARG002 - one for all
        return version or 1, self._key

    def newest(self, purpose: str) -> int:  # noqa: ARG002 - one for all
        return 1


def check_file(file: IO[bytes], incident: Incident | None, today: date) -> FileCheck:
    """Read a file to its end and say what intake would.

    Without an incident any category is taken. The file must be seekable then: it is read twice.
    """
    packed = file.read(_PIECE)
    head = inflated(packed)
    found = FileCheck(
        stopped=unreadable_shape(head), categories_checked=incident is not None, gzipped=is_gzipped(packed)
    )
    if found.stopped:
        return found
    file.seek(0)
    body = _Body(file, head)
    try:
        known = incident or _with_categories(body.categories())
        _Checking(known, today, found).take(body)
    except BadHeaderError as error:
        found.stopped = header_advice(error.problems)
    except BrokenBodyError as error:
        found.stopped = [_broken(error)]
    return found


def _broken(error: BrokenBodyError) -> str:
    if error.reason == "encoding":
        return encoding_advice(error.line)
    words = {
        "gzip": "the gzip is cut off or damaged: pack the file again",
        "unclosed-quote": f"a quote is opened on line {error.line} and never closed",
        "utf-16": "the file is text in UTF-16: `iconv -f UTF-16 -t UTF-8 FILE > mended.csv`",
    }
    return words.get(error.reason, f"the file breaks off: {error.reason}")


class _Body:
    """A file as batches of lines, with the reader of its format."""

    def __init__(self, file: IO[bytes], head: bytes) -> None:
        self._file = file
        self._json = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in {b"{", b"["}

    def batches(self) -> Iterator[tuple[Reader, Sequence[RawRecord]]]:
        """Return all lines after the header, with their reader. Raises BadHeaderError, BrokenBodyError."""
        reader: Reader | None = NdjsonReader() if self._json else None
        for lines in self._lines():
            rest: Sequence[RawRecord] = lines
            if reader is None:
                reader, rest = _header(lines)
            if reader and rest:
                yield reader, rest
        if reader is None:
            raise BadHeaderError([{"field": "header", "problem": "the file is empty"}])

    def _lines(self) -> Iterator[list[RawRecord]]:
        splitter = RecordSplitter(quoted=not self._json)
        for piece in _pieces(self._file):
            yield splitter.feed(piece)
        yield splitter.finish()

    def categories(self) -> set[str]:
        """Return the codes of all categories in the file, and read it from its beginning again."""
        codes: set[str] = set()
        for reader, lines in self.batches():
            readings = reader.read([raw for _, raw in lines if isinstance(raw, bytes)], lines[0][0])
            for reading in readings:
                record = reading.record if isinstance(reading, Flawed) else reading
                if isinstance(record, Record):
                    codes |= _codes(record.data_categories)
        self._file.seek(0)
        return codes


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    first = file.read(_PIECE)
    if not first.startswith(b"\x1f\x8b"):
        while first:
            yield first
            first = file.read(_PIECE)
        return
    gunzip = Gunzip()
    while first:
        yield from gunzip.feed(first)
        first = file.read(_PIECE)
    gunzip.finish()


def _header(lines: Sequence[RawRecord]) -> tuple[Reader | None, Sequence[RawRecord]]:
    """Return the reader that the first line that says something makes, and the lines after it."""
    for at, (_, raw) in enumerate(lines):
        if raw is TOO_LONG:
            raise BadHeaderError([{"field": "header", "problem": "line-too-long"}])
        if not says_nothing(raw):
            return CsvReader(raw), lines[at + 1 :]
    return None, ()


def _codes(given: tuple[str, ...] | str | None) -> set[str]:
    codes = given.split("|") if isinstance(given, str) else given or ()
    return {code.strip() for code in codes if code.strip()}


def _with_categories(codes: Iterable[str]) -> Incident:
    """Return an incident that has these categories, as many as an incident may have."""
    categories = tuple(DataCategory(code, {}) for code in sorted(codes)[:MAX_CATEGORIES])
    now = datetime(1970, 1, 1, tzinfo=UTC)
    return Incident("check", 1, {}, now, None, _NOBODY, ("nl",), CHANNELS, frozenset(), categories, {})


class _Checking:
    """Takes the lines of one file as intake would take them into an empty cohort."""

    def __init__(self, incident: Incident, today: date, found: FileCheck) -> None:
        cohort = Cohort(incident.incident_id, "check", 1, "", None, auto_release=False, sealed=False, released=False)
        self._builder = ChunkBuilder(incident, cohort, HashesByIncident(_Throwaway()), today, upload=1)
        self._seen: dict[bytes, bytes] = {}  # member -> content: the same twice is no harm, other content is
        self._found = found

    def take(self, body: _Body) -> None:
        """Check all lines. Raises BadHeaderError or BrokenBodyError, with what was read before it counted."""
        try:
            for reader, lines in body.batches():
                left = lines
                while left:
                    space = self._builder.space
                    self._builder.add(left[:space], reader)
                    left = left[space:]
                    if self._builder.space <= 0:
                        self._count(self._builder.give())
        finally:
            self._count(self._builder.give())

    def _count(self, chunk: Chunk) -> None:
        found, again = self._found, self._repeated(chunk)
        found.accepted += chunk.accepted_lines - len(again)
        found.rejected += chunk.rejected_lines + len(again)
        found.unreadable += chunk.unreadable_lines
        problems = sorted([*chunk.problems, *again], key=lambda problem: problem.line)
        lines = {severity: {p.line for p in problems if p.severity is severity} for severity in Severity}
        found.warned += len(lines[Severity.WARNING] - lines[Severity.ERROR])
        found.problems += problems

    def _repeated(self, chunk: Chunk) -> list[Problem]:
        """Return a problem for each line whose memberRef another chunk had with other content."""
        again: list[Problem] = []
        for member, row in chunk.rows.items():
            content = chunk.contents[row]
            if self._seen.setdefault(member, content) != content:
                lines = [chunk.lines[row], *chunk.again.get(row, ())]
                ref = shown_ref(chunk, row)
                again += [Problem(line, ref, "memberRef", "repeated-member-ref") for line in lines]
        return again
