"""What a file of records looks like by its first bytes, and what to do where intake would not read it.

Nothing is guessed that would change what a name says: the user is told the command that mends the file.
"""

import re
import shlex
import zlib
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterable, Sequence
from typing import Final

from services.cli.problem_words import in_words, meant_column
from services.intake.errors import BadHeaderError, BrokenBodyError
from services.intake.reading.csv import CsvReader
from services.intake.records.fields import FIELD_NAMES, is_name

__all__ = [
    "encoding_advice",
    "for_file",
    "header_advice",
    "inflated",
    "is_gzipped",
    "unreadable_shape",
    "wrong_encoding",
]

_GZIP = b"\x1f\x8b"
_ZIP = b"PK\x03\x04"
# Writes FILE's name with the ending csv: cells parted by commas (44), quoted by `"` (34), in UTF-8 (76).
_WORKBOOK = (
    "a workbook: save the sheet as `CSV UTF-8 (comma delimited)`, or let LibreOffice do it: "
    "`soffice --headless --convert-to 'csv:Text - txt - csv (StarCalc):44,34,76' FILE`"
)
_UTF_16 = "text in UTF-16: `iconv -f UTF-16 -t UTF-8 FILE > mended.csv`"
# Formats that people send for a table, by their first bytes.
_FORMATS: Final = (
    (b"\xd0\xcf\x11\xe0", _WORKBOOK),
    (b"%PDF", "a PDF: ask for the table that it was made from"),
    (b"BZh", "packed by bzip2: unpack it with `bunzip2 FILE`, or pack it with gzip"),
    (b"\xfd7zXZ", "packed by xz: unpack it with `unxz FILE`, or pack it with gzip"),
    (b"\x28\xb5\x2f\xfd", "packed by zstd: unpack it with `unzstd FILE`, or pack it with gzip"),
    (BOM_UTF16_LE, _UTF_16),
    (BOM_UTF16_BE, _UTF_16),
)
# What the first file in a workbook is called; in any other archive it is the list itself.
_IN_WORKBOOK = re.compile(rb"\[Content_Types\]\.xml|_rels/|xl/|mimetypeapplication/vnd\.oasis")
_SEPARATORS: Final = {";": "semicolons", "\t": "tabs", "|": "bars"}
# What mends a file whose cells are parted otherwise; Python is there, and minds the quotes.
_WITH_COMMAS = "python3 -c \"import csv, sys; csv.writer(sys.stdout).writerows(csv.reader(sys.stdin, delimiter='{}'))\""
_IN_UTF_8 = "iconv -f WINDOWS-1252 -t UTF-8"
_SEP_LINE = re.compile(r"\s*\"?sep=(.)", re.IGNORECASE)


def is_gzipped(head: bytes) -> bool:
    """Tell whether a file that begins so is packed by gzip."""
    return head.startswith(_GZIP)


def inflated(head: bytes, size: int = 65_536) -> bytes:
    """Return the first bytes of a file, unpacked where it is gzipped; nothing where that cannot be done."""
    if not is_gzipped(head):
        return head[:size]
    try:
        return zlib.decompressobj(wbits=31).decompress(head, size)
    except zlib.error:
        return b""  # reading it says what is wrong


def unreadable_shape(head: bytes) -> list[str]:
    """Return, a line each, why intake would read no record in a file that begins so, and what mends that.

    `head` is unpacked. Nothing of a line is repeated but what has the shape of a column's name.
    """
    if not head:
        return []
    if head.startswith(_ZIP):
        return [f"the file is {_WORKBOOK if _IN_WORKBOOK.search(head[:200]) else _archive()}"]
    for magic, advice in _FORMATS:
        if head.startswith(magic):
            return [f"the file is {advice}"]
    if b"\0" in head[:4]:
        return [f"the file is {_UTF_16}"]
    first = head.removeprefix(BOM_UTF8).lstrip().split(b"\n", 1)[0].strip(b"\r")
    if first[:1] in {b"{", b"["}:
        return _of_json(first.decode(errors="replace"))
    return _of_header(first, in_utf_8=wrong_encoding(head) is None)


def _archive() -> str:
    return "a zip archive: unpack it, `unzip -p FILE > mended.csv`, or pack it with gzip"


def _of_json(first: str) -> list[str]:
    if first.startswith("["):
        return [
            "the file is a JSON array: one object a line is needed, such as `jq -c '.[]' FILE > mended.ndjson` makes"
        ]
    if first.strip() == "{":
        return [
            "the JSON is spread over lines: one object a line is needed, such as `jq -c . FILE > mended.ndjson` makes"
        ]
    return []


def _of_header(line: bytes, *, in_utf_8: bool) -> list[str]:
    first = line.decode(errors="replace")
    read = "cat FILE" if in_utf_8 else f"{_IN_UTF_8} FILE"
    told = _SEP_LINE.match(first)
    if told:
        parts = [read, "tail -n +2", *([_with_commas(told[1])] if told[1] in _SEPARATORS else [])]
        return [f"the first line is Excel's `sep=`, and no header: `{_piped(parts)}`"]
    for separator, words in _SEPARATORS.items():
        if _names_columns(first.split(separator)):
            mending = _piped([read, _with_commas(separator)])
            return [f"the cells are parted by {words}, and commas are needed: `{mending}`"]
    try:
        CsvReader(line)
    except BadHeaderError as error:
        return header_advice(error.problems, [cell.strip(' "') for cell in first.split(",")])
    except BrokenBodyError:
        return []  # reading it says what is wrong
    return []


def _names_columns(cells: Sequence[str]) -> bool:
    """Tell whether half of the cells or more are, or are likely to mean, fields: two of them have to be there."""
    names = [name for cell in cells if is_name(name := cell.strip(' "\r'))]
    known = sum(name in FIELD_NAMES or meant_column(name) is not None for name in names)
    return known >= 2 and 2 * known >= len(cells)


def _piped(parts: Sequence[str]) -> str:
    return f"{' | '.join(parts)} > mended.csv"


def _with_commas(separator: str) -> str:
    return _WITH_COMMAS.format(separator.replace("\t", "\\t"))


def header_advice(problems: Iterable[dict[str, str]], cells: Sequence[str] = ()) -> list[str]:
    """Return what is wrong with a first line, which columns there are, and the command that mends it.

    `cells` are the line's: those that are meant for a column are named only where it is no record of somebody.
    """
    said = [in_words(problem["field"], problem["problem"]) for problem in problems]
    unknown = {cell: meant_column(cell) for cell in cells if cell not in FIELD_NAMES and is_name(cell)}
    meant = {name: field for name, field in unknown.items() if field}
    known = sum(cell in FIELD_NAMES for cell in cells)
    if "memberRef" in cells or 2 * (known + len(meant)) >= len(cells):
        told = "\n".join(said)
        said += [hint for name in meant if (hint := in_words(name, "unknown-column")) not in told]
        said += [f"if that is what they mean: `{_renaming(meant)}`"] if meant else []
    return [*said, f"the columns are {', '.join(FIELD_NAMES)}"]


def _renaming(meant: dict[str, str]) -> str:
    """Return a command that gives columns other names; what stands beside a name is kept, a quote or a return too."""
    beside = "[^[:alnum:]_ -]"
    changes = "; ".join(f"1s/(^|{beside}){name}({beside}|$)/\\1{field}\\2/" for name, field in meant.items())
    return f"sed -E '{changes}' FILE > mended.csv"


def wrong_encoding(head: bytes) -> int | None:
    """Return the first line that is not UTF-8; None where all are. The last line may be cut off."""
    whole = head[: head.rfind(b"\n") + 1] or head
    try:
        whole.decode()
    except UnicodeDecodeError as error:
        return whole.count(b"\n", 0, error.start) + 1
    return None


def encoding_advice(line: int | None) -> str:
    """Return what to do about a line that is not UTF-8."""
    where = f"line {line}" if line else "a line"
    return (
        f"{where} is not UTF-8; a file saved by Excel is often Windows-1252: "
        f"`{_IN_UTF_8} FILE > mended.csv`, then look whether the names are right"
    )


def for_file(advice: Iterable[str], name: str, *, gzipped: bool = False) -> list[str]:
    """Return advice with the file's own name in its commands, so that they may be typed as they stand."""
    lines = list(advice)
    if gzipped and any(" FILE" in line for line in lines):
        lines.insert(0, "unpack it first: `gunzip FILE`")
        named = shlex.quote(name.removesuffix(".gz"))
        return [line.replace(" FILE", f" {shlex.quote(name) if at == 0 else named}") for at, line in enumerate(lines)]
    return [line.replace(" FILE", f" {shlex.quote(name)}") for line in lines]
