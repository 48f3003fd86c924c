"""Writes PDF files (ISO 32000-1): objects one after the other, then the table of where they lie. Pure.

Letters need a few kinds of objects, hundreds of each: a general library takes longer for one than a letter does whole.
"""

import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from hashlib import blake2b
from xml.sax.saxutils import escape

from services.rendering.letters.glyphs import Subset

__all__ = ["SHEET_BOX", "Part", "PdfFile"]

Part = tuple[bytes, bytes | None]  # an object that others name by its position (`@3@`), and its stream, compressed

SHEET_BOX = "[0 0 595.2756 841.8898]"
_HEADER = b"%PDF-1.7\n%\x80\x80\x80\x80\n"
_CATALOG, _PAGES = 1, 2
_PLACE = re.compile(rb"@(\d+)@")
_KEPT_FONTS = 64  # 10 KB each
_NAMED = 100  # signs in one list (Adobe Technical Note 5014)
_STEMS = {"SourceSans3_400Regular": 95, "SourceSans3_600SemiBold": 144}
_TO_UNICODE = """/CIDInit /ProcSet findresource begin
12 dict begin
begincmap
/CIDSystemInfo <</Registry (Adobe) /Ordering (UCS) /Supplement 0>> def
/CMapName /Adobe-Identity-UCS def
/CMapType 2 def
1 begincodespacerange
<0000> <FFFF>
endcodespacerange
{lists}endcmap
CMapName currentdict /CMap defineresource pop
end
end"""
_XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
 xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/">
<dc:format>application/pdf</dc:format>
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">{title}</rdf:li></rdf:Alt></dc:title>
<xmp:CreateDate>{created}</xmp:CreateDate>{standard}
</rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="r"?>"""
_STANDARD = "\n<pdfaid:part>2</pdfaid:part><pdfaid:conformance>B</pdfaid:conformance>"


class PdfFile:
    """A file to which objects are added, each after those that it names. What is added again is there only once."""

    def __init__(self) -> None:
        self._bodies: list[bytes] = [b"", b""]  # the catalog and the page tree, which come last
        self._shared: dict[bytes, int] = {}
        self._pages: list[int] = []

    def put(self, body: bytes) -> int:
        """Add an object; returns its number."""
        self._bodies.append(body)
        return len(self._bodies)

    def put_shared(self, body: bytes) -> int:
        """Add an object, unless the same one is there; returns its number."""
        found = self._shared.get(body)
        if found is None:
            found = self._shared[body] = self.put(body)
        return found

    def put_parts(self, parts: Sequence[Part]) -> list[int]:
        """Add objects that were made elsewhere; returns their numbers."""
        numbers: list[int] = []
        for text, content in parts:
            named = _PLACE.sub(lambda found: b"%d 0 R" % numbers[int(found[1])], text)
            numbers.append(self.put_shared(named if content is None else _stream(named, content)))
        return numbers

    def put_page(self, resources: int, content: str) -> None:
        """Add a page; one without content is blank. It is not compressed: that takes as long as all the rest."""
        about = b"<</Type/Page/Parent %d 0 R/Resources %d 0 R" % (_PAGES, resources)
        if content:
            shown = content.encode("ascii")
            number = self.put(b"<</Length %d>>\nstream\n%b\nendstream" % (len(shown), shown))
            about += b"/Contents %d 0 R" % number
        self._pages.append(self.put(about + b">>"))

    def put_drawing(self, content: str, width: float, height: float) -> int:
        """Add what is drawn in several places (a form, 8.10); returns its number."""
        about = f"<</Type/XObject/Subtype/Form/BBox[0 0 {width:.2f} {height:.2f}]/Resources<<>>>>"
        return self.put(_stream(about.encode(), content.encode("ascii")))

    def put_font(self, of: Subset) -> int:
        """Add a font whose codes are its glyphs' numbers (9.7), and what they stand for (9.10.3)."""
        return self.put_parts(_font(of))[-1]

    def finished(self, title: str, language: str, created: datetime, intents: int | None) -> bytes:
        """Return the file. `intents` is the object with its output intents: with them it is PDF/A-2b (ISO 19005-2)."""
        self._finish(title, language, created, intents)
        chunks, offsets, at = [_HEADER], [], len(_HEADER)
        for number, body in enumerate(self._bodies, 1):
            chunk = b"%d 0 obj\n%b\nendobj\n" % (number, body)
            offsets.append(at)
            chunks.append(chunk)
            at += len(chunk)
        count = len(self._bodies) + 1
        table = b"".join([b"%010d 00000 n \n" % offset for offset in offsets])
        name = blake2b(title.encode(), digest_size=16).hexdigest().encode()
        chunks.append(b"xref\n0 %d\n0000000000 65535 f \n%b" % (count, table))
        chunks.append(b"trailer\n<</Size %d/Root 1 0 R/ID[<%b><%b>]>>\n" % (count, name, name))
        chunks.append(b"startxref\n%d\n%%%%EOF\n" % at)
        return b"".join(chunks)

    def _finish(self, title: str, language: str, created: datetime, intents: int | None) -> None:
        about = _XMP.format(
            title=escape(title), created=created.isoformat(timespec="seconds"), standard=_STANDARD if intents else ""
        )
        metadata = self.put(_stream(b"<</Type/Metadata/Subtype/XML>>", about.encode()))
        standard = f"/OutputIntents {intents} 0 R" if intents else ""
        spoken = f"/Lang{_text_string(language)}" if language else ""
        self._bodies[_CATALOG - 1] = (
            f"<</Type/Catalog/Pages {_PAGES} 0 R/Metadata {metadata} 0 R{spoken}{standard}"
            "/ViewerPreferences<</DisplayDocTitle true>>>>"
        ).encode()
        kids = " ".join([f"{number} 0 R" for number in self._pages])
        self._bodies[_PAGES - 1] = f"<</Type/Pages/Count {len(self._pages)}/MediaBox{SHEET_BOX}/Kids[{kids}]>>".encode()


@lru_cache(_KEPT_FONTS)
def _font(of: Subset) -> list[Part]:
    """Return the objects of a font, the one that pages name last."""
    name, box = f"{_tag(of.signs)}+{of.name}", " ".join(map(str, of.box))
    widths = " ".join(f"{glyph}[{width}]" for glyph, width in of.widths.items())
    return [
        _compressed(f"<</Length1 {len(of.file)}", of.file),
        _compressed("<<", _to_unicode(of.signs)),
        _plain(
            f"<</Type/FontDescriptor/FontName/{name}/Flags 4/FontBBox[{box}]/ItalicAngle 0/Ascent 1024/Descent -400"
            f"/CapHeight 660/StemV {_STEMS[of.name]}/FontFile2 @0@>>"
        ),
        _plain(
            f"<</Type/Font/Subtype/CIDFontType2/BaseFont/{name}/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)"
            f"/Supplement 0>>/FontDescriptor @2@/CIDToGIDMap/Identity/DW 0/W[{widths}]>>"
        ),
        _plain(f"<</Type/Font/Subtype/Type0/BaseFont/{name}/Encoding/Identity-H/DescendantFonts[@3@]/ToUnicode @1@>>"),
    ]


def _text_string(text: str) -> str:
    """Return a text as PDF writes it, in hexadecimal digits."""
    return f"<FEFF{text.encode('utf-16-be').hex().upper()}>"


def _stream(about: bytes, content: bytes) -> bytes:
    """Return an object that is a stream; `about` is its dictionary."""
    return b"%b/Length %d>>\nstream\n%b\nendstream" % (about.removesuffix(b">>"), len(content), content)


def _plain(about: str) -> Part:
    return about.encode(), None


def _compressed(about: str, content: bytes) -> Part:
    return f"{about}/Filter/FlateDecode>>".encode(), zlib.compress(content, 9)


def _to_unicode(signs: Mapping[int, str]) -> bytes:
    named = ((glyph, sign.encode("utf-16-be").hex().upper()) for glyph, sign in sorted(signs.items()))
    rows = [f"<{glyph:04X}> <{sign}>\n" for glyph, sign in named]
    lists = [rows[at : at + _NAMED] for at in range(0, len(rows), _NAMED)]
    text = "".join(f"{len(some)} beginbfchar\n{''.join(some)}endbfchar\n" for some in lists)
    return _TO_UNICODE.format(lists=text).encode()


def _tag(signs: Iterable[int]) -> str:
    """Return six capitals that these glyphs alone decide: which subset of a face this is (9.6.4)."""
    digest = blake2b(repr(sorted(signs)).encode(), digest_size=6).digest()
    return "".join(chr(ord("A") + byte % 26) for byte in digest)
