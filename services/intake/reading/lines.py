"""Cuts a body, which arrives in pieces of any size, into records: lines of NDJSON, or rows of CSV. Pure.

No record over `LINE_LIMIT` bytes is held in memory: the splitter reads past a longer one.
"""

import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from enum import Enum
from typing import Final, Literal

from services.intake.errors import BrokenBodyError

__all__ = ["LINE_LIMIT", "TOO_LONG", "RawRecord", "RecordSplitter", "decoded"]

_BLANK = 10_000  # lines that may be blank in any body; in a longer one, half of its lines

LINE_LIMIT = 65_536  # bytes, without the line end; the interface's 64 KB

_QUOTE, _NEWLINE, _RETURN = b'"', b"\n", b"\r"
_COMMA_OR_NEWLINE, _ONLY_NEWLINE = re.compile(rb"[,\n]"), re.compile(rb"\n")
# A quoted field that is closed, with the text after it up to the comma; or a field that begins without a quote.
_FIELD = rb'(?:"(?:[^"]++|"")*+"[^,]*+|[^",][^,]*+|)'
_CLOSED_FROM_START = re.compile(_FIELD + rb"(?:," + _FIELD + rb")*+\Z")
# Fields with their commas in a record that is read past: its end is not known, so a line end ends a field as well.
_WHOLE_FIELDS = re.compile(rb'(?:(?:"(?:[^"]++|"")*+"[^,\n]*+|[^",\n][^,\n]*+|),)*+')
_WITHIN_QUOTES = re.compile(rb'(?:[^"]++|"")*+')
_CLOSED_FROM_QUOTED = re.compile(rb'(?:[^"]++|"")*+"[^,]*+(?:,' + _FIELD + rb")*+\Z")


class _TooLong(Enum):
    """The one stand-in for records over the limit."""

    TOO_LONG = "too long"


TOO_LONG: Final = _TooLong.TOO_LONG

# The line that the record begins at, from 1, and its bytes without the line end. A plain tuple: `zip` makes
# them at a third of the price.
RawRecord = tuple[int, bytes | Literal[_TooLong.TOO_LONG]]


def decoded(line: bytes, at: int) -> str:
    """Return a line as text. Raises BrokenBodyError("encoding", at) where it is not UTF-8."""
    try:
        return line.decode()
    except UnicodeDecodeError:
        raise BrokenBodyError("encoding", at) from None


class RecordSplitter:
    """Cuts a body into records. With `quoted`, a line end within a quoted CSV field ends no record."""

    def __init__(self, *, quoted: bool) -> None:
        self._quoted = quoted
        self._line = 1  # the line at which the next record begins
        self._rest = b""  # bytes after the last line end
        self._open: list[bytes] = []  # whole lines of a record whose quote is still open
        self._open_bytes = 0
        self._skipping: _Skipping | None = None
        self._begun = False
        self._blank = 0

    @property
    def line(self) -> int:
        """The line at which the next record begins."""
        return self._line

    def feed(self, data: bytes) -> list[RawRecord]:
        """Return the records that end in this piece. Raises BrokenBodyError where the body is UTF-16."""
        if not self._begun:
            data = self._begin(data, least=4)
        records: list[RawRecord] = []
        while data:
            data = self._skip(data, records) if self._skipping else self._split(data, records)
        return records

    def finish(self) -> list[RawRecord]:
        """Return the last record, which no line end follows; call it once the end of the body is proven.

        Raises BrokenBodyError where a quote was opened and never closed.
        """
        records: list[RawRecord] = []
        data = b"" if self._begun else self._begin(b"", least=0)
        while data:
            data = self._split(data, records)
        if self._skipping:
            if self._skipping.in_quotes:
                raise BrokenBodyError("unclosed-quote", self._line)
            return [*records, (self._line, TOO_LONG)]
        if self._ends_open(self._rest, was_open=bool(self._open)):
            raise BrokenBodyError("unclosed-quote", self._line)
        last = _NEWLINE.join([*self._open, self._rest])
        return [*records, (self._line, _without_return(last))] if last else records

    def _begin(self, data: bytes, least: int) -> bytes:
        """Check the first bytes; returns the bytes to read, and none while fewer than `least` have come."""
        data, self._rest = self._rest + data, b""
        if len(data) < least:
            self._rest = data
            return b""
        self._begun = True
        if data.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) or b"\0" in data[:4]:
            raise BrokenBodyError("utf-16", 1)
        return data.removeprefix(BOM_UTF8)

    def _split(self, data: bytes, records: list[RawRecord]) -> bytes:
        """Cut whole lines off; returns the bytes to read again where a record among them went over the limit."""
        data = self._rest + data
        parts = data.split(_NEWLINE)
        self._rest = parts.pop()
        self._count_blank(parts)
        if self._quoted and (self._open or _QUOTE in data):
            if self._split_quoted(parts, records):
                return self._begin_skipping(parts)
        else:
            if _RETURN in data or (parts and len(max(parts, key=len)) > LINE_LIMIT):
                records += [(line, _without_return(part)) for line, part in enumerate(parts, self._line)]
            else:
                records += zip(range(self._line, self._line + len(parts)), parts)  # noqa: B905 - of one length
            self._line += len(parts)
        # One more than the limit: the last byte may be a carriage return.
        return self._begin_skipping([]) if self._open_bytes + len(self._rest) > LINE_LIMIT + 1 else b""

    def _count_blank(self, parts: list[bytes]) -> None:
        """Count blank lines: a kilobyte of gzip has a million of them. Raises BrokenBodyError("blank-lines")."""
        self._blank += parts.count(b"") + parts.count(_RETURN)
        if self._blank > max(_BLANK, (self._line + len(parts)) // 2):
            raise BrokenBodyError("blank-lines", self._line)

    def _split_quoted(self, parts: list[bytes], records: list[RawRecord]) -> bool:
        """Cut lines with quotes in them; tells whether an open record went over the limit.

        Lines that were not used stay in `parts`.
        """
        parts.reverse()
        while parts:
            part = parts.pop()
            if self._ends_open(part, was_open=bool(self._open)):
                self._open.append(part)
                self._open_bytes += len(part) + 1
                if self._open_bytes > LINE_LIMIT + 1:
                    parts.reverse()
                    return True
            elif self._open:
                record = _NEWLINE.join([*self._open, part])
                records.append((self._line, _without_return(record)))
                self._line += len(self._open) + 1
                self._open, self._open_bytes = [], 0
            else:
                records.append((self._line, _without_return(part)))
                self._line += 1
        return False

    def _ends_open(self, line: bytes, *, was_open: bool) -> bool:
        """Tell whether a quoted field is still open at the end of this line."""
        if was_open:
            return _QUOTE not in line or _CLOSED_FROM_QUOTED.match(line) is None
        return self._quoted and _QUOTE in line and _CLOSED_FROM_START.match(line) is None

    def _begin_skipping(self, unused: list[bytes]) -> bytes:
        """Return everything from the beginning of the record that is too long."""
        self._skipping = _Skipping(quoted=self._quoted)
        begun = _NEWLINE.join([*self._open, *unused, self._rest])
        self._open, self._open_bytes, self._rest = [], 0, b""
        return begun

    def _skip(self, data: bytes, records: list[RawRecord]) -> bytes:
        """Read past a record over the limit; returns the bytes that follow it."""
        assert self._skipping is not None  # noqa: S101 - `feed` asks first
        end = self._skipping.end_in(data)
        if end < 0:
            return b""
        records.append((self._line, TOO_LONG))
        self._line += self._skipping.lines
        self._skipping = None
        return data[end + 1 :]


class _Skipping:
    """Finds the end of a record without keeping the record; quotes mean what they mean in the patterns above."""

    _START, _PLAIN, _QUOTED, _AFTER_QUOTE = range(4)

    def __init__(self, *, quoted: bool) -> None:
        # Without quotes to follow, a field that begins with one is like any other.
        self._state = self._START if quoted else self._PLAIN
        self._marks = _COMMA_OR_NEWLINE if quoted else _ONLY_NEWLINE
        self.lines = 1

    @property
    def in_quotes(self) -> bool:
        return self._state == self._QUOTED

    def end_in(self, data: bytes) -> int:
        """Return the position of the line end that ends the record, or -1 where it goes on after `data`."""
        end = self._find(data)
        seen = data if end < 0 else data[:end]
        self.lines += seen.count(_NEWLINE)
        return end

    def _find(self, data: bytes) -> int:
        at, end = 0, len(data)
        while at < end:
            if self._state == self._START:
                # One match for all whole fields: a loop over them would let a body of short fields stop everybody else.
                at = _WHOLE_FIELDS.match(data, at).end()  # type: ignore[union-attr]  # it matches the empty text too
                self._state = self._QUOTED if data[at : at + 1] == _QUOTE else self._state_after(data, at)
                at += self._state == self._QUOTED
            elif self._state == self._QUOTED:
                at = _WITHIN_QUOTES.match(data, at).end()  # type: ignore[union-attr]
                self._state, at = (self._AFTER_QUOTE, at + 1) if at < end else (self._QUOTED, at)
            elif self._state == self._AFTER_QUOTE and data[at : at + 1] == _QUOTE:  # a doubled quote is text
                self._state, at = self._QUOTED, at + 1
            else:
                mark = self._marks.search(data, at)
                self._state = self._START if mark else self._PLAIN
                if mark is None or mark[0] == _NEWLINE:
                    return mark.start() if mark else -1
                at = mark.end()
        return -1

    def _state_after(self, data: bytes, at: int) -> int:
        """Return the state within the field that begins at `at`, where no quote opens it."""
        return self._PLAIN if at < len(data) else self._START


def _without_return(raw: bytes) -> bytes | Literal[_TooLong.TOO_LONG]:
    """Return a record without the carriage return at its end, or a stand-in where it is over the limit."""
    kept = raw[:-1] if raw.endswith(_RETURN) else raw
    return kept if len(kept) <= LINE_LIMIT else TOO_LONG
