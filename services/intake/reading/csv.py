"""Lines of CSV, read to records one by one or many together. Pure."""

import csv
from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Protocol

from services.intake.errors import BadHeaderError
from services.intake.reading.lines import decoded
from services.intake.records.fields import FIELD_NAMES, FIELDS, is_name
from services.intake.records.record import Reading, Record, RecordColumns, Unreadable

__all__ = ["CsvReader"]

_COLUMNAR_ROWS = 16  # fewer rows are read sooner one by one
_REQUIRED = tuple(field.name for field in FIELDS if field.about.required)

_Cells = tuple[list[bytes], list[list[str]]]  # `RecordColumns.rows`, and the columns in the order of the header


class _Rows(Protocol):
    """The part of what `csv.reader` returns that is used here."""

    @property
    def line_num(self) -> int: ...
    def __iter__(self) -> Iterator[list[str]]: ...


class CsvReader:
    """Reads the lines of a CSV body (RFC 4180, strict) whose first line names the columns."""

    def __init__(self, header: bytes) -> None:
        """Take the header row. Raises BadHeaderError, naming each column that is no field of a member record."""
        try:
            names = [name.strip() for name in next(csv.reader([decoded(header, 1)]), [])]
        except csv.Error:
            names = []
        problems = list(_header_problems(names))
        if problems:
            raise BadHeaderError(problems)
        self._width = len(names)
        # Columns that are left out are read from an empty cell put after each row.
        self._at = [names.index(name) if name in names else self._width for name in FIELD_NAMES]
        self._pick = itemgetter(*self._at)
        self._left_out = frozenset(field.attribute for field in FIELDS if field.name not in names)

    def columnar(self, lines: Sequence[bytes]) -> Iterator[tuple[int, RecordColumns | None]]:
        """Return the lines as columns, a run of lines at a time, each with its number of lines.

        A run that cannot be read so has None: its lines are for `read`.
        """
        try:
            columns = self._columns(lines) if len(lines) >= _COLUMNAR_ROWS else None
        except (UnicodeDecodeError, csv.Error):
            if len(lines) >= 2 * _COLUMNAR_ROWS:  # halved, so that few good lines are read one by one for a bad one
                half = len(lines) // 2
                yield from self.columnar(lines[:half])
                yield from self.columnar(lines[half:])
                return
            columns = None
        yield len(lines), columns

    def _columns(self, lines: Sequence[bytes]) -> RecordColumns | None:
        """Return the lines as columns; None where few of them are as wide as the header.

        Raises UnicodeDecodeError or csv.Error where a line is no row at all.
        """
        read = self._cut(lines) or self._parsed(lines)
        if read is None:
            return None
        rows, cells = read
        cells.append([])  # each column that is left out gets a list of its own: odd cells are blanked in place
        columns = (cells[at] or [""] * len(rows) for at in self._at)
        return RecordColumns(*columns, rows=rows, left_out=self._left_out)

    def _cut(self, lines: Sequence[bytes]) -> _Cells | None:
        """Cut lines at their commas; None where quotes, line ends or widths make that wrong."""
        count, width = len(lines), self._width
        # A line end between commas is a cell of its own: each in its place proves that every line is as wide.
        joined = b",\n,".join(lines)
        if b'"' in joined or joined.count(b"\n") != count - 1:
            return None
        cells = joined.decode().split(",")
        if len(cells) != count * (width + 1) - 1 or cells[width :: width + 1].count("\n") != count - 1:
            return None
        return list(lines), [cells[at :: width + 1] for at in range(width)]

    def _parsed(self, lines: Sequence[bytes]) -> _Cells | None:
        """Return the columns of lines of any kind; None where few of them are as wide as the header.

        A row of another width becomes a blank one here. Without a memberRef it is odd, so it is read alone later,
        and that reading says what is wrong.
        """
        rows = list(csv.reader([line.decode() for line in lines], strict=True))
        if len(rows) != len(lines):
            raise csv.Error("a quote was left open")
        wide = [row if len(row) == self._width else None for row in rows]
        if wide.count(None) > len(rows) // 2:
            return None
        full = [row or [""] * self._width for row in wide]
        return [_commas_between(row).encode() for row in full], [list(column) for column in zip(*full, strict=True)]

    def read(self, lines: Sequence[bytes], first: int = 0) -> list[Reading]:
        """Return a reading for each line. Raises BrokenBodyError("encoding", first + index) where it is not UTF-8."""
        try:
            texts = [line.decode() for line in lines]
        except UnicodeDecodeError:
            texts = [decoded(line, at) for at, line in enumerate(lines, first)]
        readings: list[Reading] = []
        rows = csv.reader(texts, strict=True)
        while len(readings) < len(texts):
            try:
                self._read_rows(rows, readings)
            except csv.Error:
                # The parser used up some lines before it failed, and none of them gave a record.
                readings += [Unreadable("csv-syntax")] * (rows.line_num - len(readings))
        return readings

    def _read_rows(self, rows: _Rows, readings: list[Reading]) -> None:
        width, pick = self._width, self._pick
        for row in rows:
            if rows.line_num != len(readings) + 1:
                raise csv.Error("a quote was left open")  # the row ran into the next line: neither is a record
            if len(row) == width:
                row.append("")
                readings.append(Record(*pick(row)))
            else:
                # No cell is surely in its place: the first may hold all that another separator would have parted.
                readings.append(Unreadable("column-count"))


def _commas_between(row: Sequence[str]) -> str:
    """Join cells by commas, with the commas within them replaced.

    A row with a line end in a cell keeps its line ends: the check of columns finds it by them.
    """
    joined = "\n".join(row)
    return joined.replace(",", ";").replace("\n", ",") if joined.count("\n") < len(row) else joined


def _header_problems(names: Sequence[str]) -> Iterator[dict[str, str]]:
    known = [name for name in names if name in FIELD_NAMES]
    if ("memberRef" not in known and 2 * len(known) < len(names)) or not known:
        # Nothing of the line is repeated: without a header row it is somebody's record, and one of its cells may be
        # called like a column, as the category `bsn` is.
        hint = "; columns are separated by commas" if any(";" in name for name in names) else ""
        yield {"field": "header", "problem": f"the first line must name the columns, such as memberRef{hint}"}
        return
    for at, name in enumerate(names, 1):
        shown = name if is_name(name) else f"column {at}"
        if name not in FIELD_NAMES:
            yield {"field": shown, "problem": "unknown-column"}
        elif name in names[: at - 1]:
            yield {"field": shown, "problem": "repeated-column"}
    for name in _REQUIRED:
        if name not in known:
            yield {"field": name, "problem": "missing-column"}
