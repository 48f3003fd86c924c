"""What a file of records looks like by its first bytes, and what to do where intake would not read it.

Nothing is guessed that would change what a name says: the user is told the command that mends the file.
"""

import re
import zlib
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Sequence
from typing import Final

from services.cli.problem_words import in_words, meant_column
from services.intake.records.fields import FIELD_NAMES

__all__ = ["encoding_advice", "inflated", "unreadable_shape"]

_GZIP = b"\x1f\x8b"
# Formats that people send for a table, by their first bytes.
_FORMATS: Final = (
    (b"PK\x03\x04", "a workbook or a zip archive: save the sheet as `CSV UTF-8 (comma delimited)`, or unzip it"),
    (b"\xd0\xcf\x11\xe0", "an old workbook: save the sheet as `CSV UTF-8 (comma delimited)`"),
    (b"%PDF", "a PDF: ask for the table that it was made from"),
    (b"BZh", "packed by bzip2: unpack it with `bunzip2 FILE`, or pack it with gzip"),
    (b"\xfd7zXZ", "packed by xz: unpack it with `unxz FILE`, or pack it with gzip"),
    (b"\x28\xb5\x2f\xfd", "packed by zstd: unpack it with `unzstd FILE`, or pack it with gzip"),
    (BOM_UTF16_LE, "text in UTF-16: `iconv -f UTF-16 -t UTF-8 FILE > mended.csv`"),
    (BOM_UTF16_BE, "text in UTF-16: `iconv -f UTF-16 -t UTF-8 FILE > mended.csv`"),
)
_SEPARATORS: Final = {";": "semicolons", "\t": "tabs", "|": "bars"}
# What mends a file whose cells are parted otherwise; Python is there, and minds the quotes.
_WITH_COMMAS = "python3 -c \"import csv, sys; csv.writer(sys.stdout).writerows(csv.reader(sys.stdin, delimiter='{}'))\""
_SEP_LINE = re.compile(r"\s*\"?sep=(.)", re.IGNORECASE)


def inflated(head: bytes, size: int = 65_536) -> bytes:
    """Return the first bytes of a file, unpacked where it is gzipped; nothing where that cannot be done."""
    if not head.startswith(_GZIP):
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
    for magic, advice in _FORMATS:
        if head.startswith(magic):
            return [f"the file is {advice}"]
    if b"\0" in head[:4]:
        return ["the file is text in UTF-16: `iconv -f UTF-16 -t UTF-8 FILE > mended.csv`"]
    first = head.removeprefix(BOM_UTF8).lstrip().split(b"\n", 1)[0].decode(errors="replace").strip("\r")
    if first[:1] in {"{", "["}:
        return _of_json(first)
    return _of_header(first)


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


def _of_header(first: str) -> list[str]:
    told = _SEP_LINE.match(first)
    if told:
        mending = f"tail -n +2 FILE | {_with_commas(told[1])}" if told[1] in _SEPARATORS else "tail -n +2 FILE"
        return [f"the first line is Excel's `sep=`, and no header: `{mending} > mended.csv`"]
    for separator in _SEPARATORS:
        names = {name.strip(' "') for name in first.split(separator)}
        if len(names) > 1 and any(name in FIELD_NAMES or meant_column(name) for name in names):
            mending = f"{_with_commas(separator)} < FILE > mended.csv"
            return [f"the cells are parted by {_SEPARATORS[separator]}, and commas are needed: `{mending}`"]
    return _of_names([name.strip(' "') for name in first.split(",")])


def _of_names(names: Sequence[str]) -> list[str]:
    """Return a hint for each column that a field is likely to be meant by, where the line looks like a header."""
    meant = {name: meant_column(name) for name in names if name not in FIELD_NAMES}
    hints = {name: field for name, field in meant.items() if field}
    if "memberRef" in names or 2 * (len(names) - len(meant) + len(hints)) < len(names):
        return []  # intake names what is unknown; or the line is somebody's record
    return [in_words(name, "unknown-column") for name in hints]


def _with_commas(separator: str) -> str:
    return _WITH_COMMAS.format(separator.replace("\t", "\\t"))


def encoding_advice(line: int | None) -> str:
    """Return what to do about a line that is not UTF-8."""
    where = f"line {line}" if line else "a line"
    return (
        f"{where} is not UTF-8; a file saved by Excel is often Windows-1252: "
        "`iconv -f WINDOWS-1252 -t UTF-8 FILE > mended.csv`, then look whether the names are right"
    )
