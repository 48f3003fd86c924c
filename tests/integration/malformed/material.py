"""The malformed uploads: what sources have sent, and one made-up person in it who must never be seen again."""

import gzip
import re
from dataclasses import dataclass, field
from typing import Any

import orjson

from services.intake.reading.lines import LINE_LIMIT

__all__ = ["BAD_BSN", "BSN", "CANARIES", "EMAIL", "HEADER", "NAME", "SHORT_BSN", "STREET", "UPLOADS", "Upload"]
__all__ += ["a_member", "a_row", "id_of"]

# Found nowhere else: whoever sees one of these sees this person.
NAME, STREET, EMAIL = "Kanariezanger", "Zeldzaamvogelpad", "kanarie.zanger@vogels.example"
BSN, BAD_BSN, SHORT_BSN = "718281834", "718281835", "31415933"  # the last one lacks its leading zero
CANARIES = (NAME, STREET, EMAIL, BSN, BAD_BSN, SHORT_BSN)

COLUMNS = "memberRef,bsn,familyName,street,houseNumber,postcode,city,country,email,dataCategories"
HEADER = COLUMNS.encode() + b"\n"
_NDJSON = "application/x-ndjson"


def a_member(ref: str = "m-1", **changed: Any) -> dict[str, Any]:
    """Return a member record of that person."""
    stated = {
        "memberRef": ref, "bsn": BSN, "familyName": NAME, "street": STREET, "houseNumber": "12", "postcode": "1234AB",
        "city": "Utrecht", "country": "NL", "email": EMAIL, "dataCategories": "name|bsn",
    }  # fmt: skip
    return stated | changed


def a_row(ref: str = "m-1", **changed: str) -> bytes:
    """Return the same as a line of CSV."""
    return ",".join(a_member(ref, **changed).values()).encode() + b"\n"


def a_line(ref: str = "m-1", **changed: Any) -> bytes:
    """Return the same as a line of NDJSON."""
    return orjson.dumps(a_member(ref, **changed)) + b"\n"


def _bomb(unit: bytes, times: int) -> bytes:
    """Return gzip whose second record is one of many megabytes."""
    return gzip.compress(HEADER + a_row("m-1") + unit * times + b"\n" + a_row("m-2"), 6)


def _flipped(packed: bytes) -> bytes:
    """Return gzip with a bit that fell over, where it shows in the checksum alone or earlier."""
    middle = len(packed) // 2
    return packed[:middle] + bytes([packed[middle] ^ 0x10]) + packed[middle + 1 :]


@dataclass(frozen=True)
class Upload:
    """A body, and what its sender must hear: status, what went wrong, and who is counted how."""

    name: str
    body: bytes
    status: int = 202
    kind: str = "text/csv"
    encoding: str = "identity"
    reason: str | None = None  # of a body that broke
    problems: list[tuple[int | None, str | None, str]] = field(default_factory=list)  # line, field, code
    counts: tuple[int, int, int] = (0, 0, 0)  # received, rejected, accepted, as the ledger has them

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers to send it with."""
        return {"Content-Type": self.kind, "Content-Encoding": self.encoding}


def id_of(upload: Upload) -> str:
    """Return its name as ids are written."""
    return re.sub(r"[^a-z0-9]+", "-", upload.name.lower()).strip("-")


_TWO = HEADER + a_row("m-1") + a_row("m-2")
_PACKED = gzip.compress(_TWO)

_NO_HEADER = "the first line must name the columns"

UPLOADS = [
    Upload("no header", a_row(), 400, problems=[(None, "header", f"{_NO_HEADER}, such as memberRef")]),
    Upload("header of another system", b"Klantnummer;Naam\n1;" + NAME.encode() + b"\n", 400,
           problems=[(None, "header", f"{_NO_HEADER}, such as memberRef; columns are separated by commas")]),
    Upload("unknown column", HEADER[:-1] + b",shoeSize\n" + a_row()[:-1] + b",43\n", 400,
           problems=[(None, "shoeSize", "unknown-column")]),
    Upload("column named like somebody", b"memberRef,dataCategories," + EMAIL.encode() + b"\n", 400,
           problems=[(None, "column 3", "unknown-column")]),
    Upload("unknown field", a_line("m-1", shoeSize=43) + a_line("m-2"), kind=_NDJSON,
           problems=[(1, "shoeSize", "unknown-field")], counts=(2, 1, 1)),
    Upload("field named like somebody", a_line("m-1", **{EMAIL: 1}), kind=_NDJSON,
           problems=[(1, None, "unknown-field")], counts=(1, 1, 0)),
    Upload("latin-1", HEADER + a_row("m-1") + a_row("m-2", city="Orl\u00e9ans").decode().encode("latin-1"), 400,
           reason="encoding", counts=(1, 0, 1)),
    Upload("utf-16 with a byte order mark", _TWO.decode().encode("utf-16"), 400, reason="utf-16"),
    Upload("utf-16 without one", _TWO.decode().encode("utf-16-le"), 400, reason="utf-16"),
    Upload("a NUL in a name", HEADER + a_row("m-1", familyName=f"{NAME}\0") + a_row("m-2"),
           problems=[(2, "familyName", "control-characters")], counts=(2, 0, 2)),
    Upload("a NUL in a memberRef", a_line("m\0") + a_line("m-2"), kind=_NDJSON,
           problems=[(1, "memberRef", "control-characters")], counts=(1, 0, 1)),
    Upload("nothing but NULs", bytes(1_000), 400, reason="utf-16"),
    Upload("half a surrogate", b'{"memberRef":"\\ud800"}\n' + a_line("m-2"), kind=_NDJSON,
           problems=[(1, None, "invalid-json")], counts=(1, 0, 1)),
    Upload("a number of six thousand digits", b'{"memberRef":' + b"9" * 6_000 + b"}\n" + a_line("m-2"), kind=_NDJSON,
           problems=[(1, None, "invalid-json")], counts=(1, 0, 1)),
    Upload("sixty thousand brackets", b"[" * 60_000 + b"\n" + a_line("m-2"), kind=_NDJSON,
           problems=[(1, None, "invalid-json")], counts=(1, 0, 1)),
    Upload("no gzip at all", _TWO, 400, encoding="gzip", reason="gzip"),
    Upload("gzip that nobody announced", _PACKED, 400, reason="utf-16"),
    Upload("gzip with a bit that fell over", _flipped(_PACKED), 400, encoding="gzip", reason="gzip"),
    Upload("gzip with another checksum", _PACKED[:-6] + b"\0\0" + _PACKED[-4:], 400, encoding="gzip", reason="gzip"),
    Upload("truncated gzip", _PACKED[:-4], 400, encoding="gzip", reason="gzip", counts=(2, 0, 2)),
    Upload("a gzip bomb of zeros", _bomb(b"\0", 12_000_000), encoding="gzip",
           problems=[(3, None, "line-too-long")], counts=(2, 0, 2)),
    Upload("a larger gzip bomb", _bomb(b"\0", 40_000_000), 400, encoding="gzip", reason="gzip-ratio",
           counts=(1, 0, 1)),
    Upload("a gzip bomb of blank lines", _bomb(b"\n", 40_000_000), 400, encoding="gzip", reason="blank-lines",
           counts=(0, 0, 0)),
    Upload("a gzip bomb of quotes", _bomb(b'"', 10_000_001), 400, encoding="gzip", reason="unclosed-quote",
           counts=(1, 0, 1)),
    Upload("a 10 MB line", HEADER + a_row("m-1") + NAME.encode() * 800_000 + b"\n" + a_row("m-2"),
           problems=[(3, None, "line-too-long")], counts=(2, 0, 2)),
    Upload("a line just over the limit", a_line("m-1", city="x" * LINE_LIMIT) + a_line("m-2"), kind=_NDJSON,
           problems=[(1, None, "line-too-long")], counts=(1, 0, 1)),
    Upload("a quote that never closes", HEADER + a_row("m-1") + b'm-2,"' + BSN.encode() + b"\n" + a_row("m-3"), 400,
           reason="unclosed-quote", counts=(1, 0, 1)),
    Upload("a quote within a row", HEADER + b'm-1,"' + BSN.encode() + b'"x,' + NAME.encode() + b"\n" + a_row("m-2"),
           problems=[(2, None, "csv-syntax")], counts=(1, 0, 1)),
    Upload("an empty file", b"", 400, problems=[(None, "header", _NO_HEADER)]),
    Upload("an empty file of lines", b"", kind=_NDJSON),
    Upload("an empty file, packed", b"", 400, encoding="gzip", reason="gzip"),
    Upload("an empty file, packed well", gzip.compress(b""), 400, encoding="gzip",
           problems=[(None, "header", _NO_HEADER)]),
    Upload("nothing but a header", HEADER),
    Upload("CRLF and no last newline", _TWO.replace(b"\n", b"\r\n").rstrip(b"\r\n"), counts=(2, 0, 2)),
    Upload("an unknown category", HEADER + a_row("m-1", dataCategories=f"name|{NAME}") + a_row("m-2"),
           problems=[(2, "dataCategories", "unknown-category")], counts=(2, 1, 1)),
    Upload("a BSN that fails the 11-proof", HEADER + a_row("m-1", bsn=BAD_BSN) + a_row("m-2"),
           problems=[(2, "bsn", "invalid-bsn")], counts=(2, 1, 1)),
    Upload("a BSN lacking its leading zero", HEADER + a_row("m-1", bsn=SHORT_BSN) + a_row("m-2", bsn=f"0{SHORT_BSN}"),
           counts=(2, 0, 2)),
    Upload("a postcode abroad",
           HEADER + a_row("m-1", postcode="B-1000", country="BE") + a_row("m-2", postcode="B-1000"),
           problems=[(3, "postcode", "invalid-postcode")], counts=(2, 0, 2)),
    Upload("a country that is none", HEADER + a_row("m-1", country="XX"),
           problems=[(2, "country", "unknown-country")], counts=(1, 0, 1)),
    Upload("a repeated memberRef", HEADER + a_row("m-1") + a_row("m-1") + a_row("m-1", city="Breda"),
           problems=[(4, "memberRef", "repeated-member-ref")], counts=(1, 0, 1)),
    Upload("BSNs for memberRefs", HEADER + a_row(BAD_BSN, bsn=BAD_BSN) + a_row(BSN) + a_row(BSN, city="Breda"),
           problems=[(2, "bsn", "invalid-bsn"), (4, "memberRef", "repeated-member-ref")], counts=(2, 1, 1)),
    Upload("e-mail addresses for memberRefs", HEADER + a_row(EMAIL, email="") + a_row(EMAIL, email="", city="Breda"),
           problems=[(3, "memberRef", "repeated-member-ref")], counts=(1, 0, 1)),
    Upload("BSNs for memberRefs in rows that are cut", HEADER + f"{BSN},{NAME}\n{EMAIL},{NAME}\n".encode(), 400,
           problems=[(2, None, "column-count"), (3, None, "column-count")]),
    Upload("BSNs for memberRefs of the unreachable", b"memberRef,bsn,dataCategories\n" + f"{BSN},{BSN},name\n".encode(),
           problems=[(2, None, "unreachable")], counts=(1, 0, 1)),
    Upload("cells too many", HEADER + a_row("m-1")[:-1] + b",x\n" + a_row("m-2"),
           problems=[(2, None, "column-count")], counts=(1, 0, 1)),
    Upload("another kind", b"<xml>" + NAME.encode() + b"</xml>", 415, kind="text/xml"),
    Upload("another charset", _TWO, 415, kind="text/csv; charset=latin-1"),
    Upload("another packing", _TWO, 415, encoding="br"),
]  # fmt: skip
