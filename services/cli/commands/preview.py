"""`heraut preview`: every language and variant of an incident's notices, to made-up people."""

import struct
import zlib
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import pypdfium2

from services.cli.client import call
from services.cli.console import Fault, say
from services.cli.document_file import as_lines, read_document, read_incident
from services.cli.options import data_option, profile_option
from services.core.channel import CHANNEL_NAMES, Channel, channel_named
from services.rendering.preview import Preview, held, previews
from services.rendering.proof import problems_of

__all__ = ["preview"]

_KINDS = {Channel.LETTER: ("pdf", "copy", "png", "text"), Channel.EMAIL: ("text",), Channel.PORTAL: ("text",)}
_SCALE = 110 / 72  # small print can still be read
_SUFFIXES = {"pdf": "pdf", "copy": "pdf", "png": "png", "text": "txt"}


@click.command()
@click.argument("channel", type=click.Choice(list(CHANNEL_NAMES.values())))
@click.option("--incident", "incident_id", metavar="ID", help="An incident that is known.")
@click.option("--file", type=click.File("rb"), help="A document instead; it needs no server.")
@click.option("--to", "folder", type=click.Path(file_okay=False, path_type=Path), help="A folder for the files.")
@click.option(
    "--as", "kind", type=click.Choice(list(_SUFFIXES)), help="How letters are made; else pdf. A copy is for screens."
)
@profile_option
@data_option
def preview(channel: str, incident_id: str | None, file: Any, data: Path, **how: Any) -> None:
    """Show what people would be told on CHANNEL: each language and variant, to made-up people.

    They have a usual name and address, the longest ones, and odd scripts; parents, next of kin and others read for
    somebody else. Without --to everything is printed as text.
    A letter as pdf is what is printed; as copy it is for screens, and for those who have it read out to them.
    """
    if (incident_id is None) == (file is None):
        raise click.UsageError("give either --incident or --file")
    on, folder = channel_named(channel), how["folder"]
    made_as = how["kind"] or (_KINDS[on][0] if folder else "text")
    if made_as not in _KINDS[on]:
        raise click.UsageError(f"a notice on {channel} is made as {', '.join(_KINDS[on])}")
    incident = read_incident(_document(incident_id, file, data))
    if problems := problems_of(incident, how["profile"]):
        raise Fault("\n".join(as_lines(problems)), 1)
    found = previews(incident, on, datetime.now(UTC), how["profile"], copies=made_as == "copy")
    made = [_SHOWN[made_as](one) for one in found] if on is Channel.LETTER else list(found)
    if folder is None:
        _print(made)
    else:
        if on is Channel.LETTER and (without := held(how["profile"])):
            say(f"no letter to {', '.join(without)}: such people are held as unprintable (heraut doctor says more)")
        say(f"{_write(made, folder, f'{channel}-', _SUFFIXES[made_as])} files in {folder}")


def _document(incident_id: str | None, file: Any, data: Path) -> Any:
    if incident_id is None:
        return read_document(file.read())
    return call(data, "GET", "intake", "incidents", incident_id)["document"]


def _print(found: Iterable[Preview]) -> None:
    for one in found:
        click.echo(f"=== {one.name}\n")
        click.echo("\n".join(page.decode() for page in one.pages))


def _write(found: Iterable[Preview], folder: Path, prefix: str, suffix: str) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    for one in found:
        for number, page in enumerate(one.pages, 1):
            part = f"-{number}" if len(one.pages) > 1 else ""
            (folder / f"{prefix}{one.name}{part}.{suffix}").write_bytes(page)
            count += 1
    return count


def _as_it_is(letter: Preview) -> Preview:
    return letter


def _as_text(letter: Preview) -> Preview:
    """Return a letter as programs read it from its file."""
    document = pypdfium2.PdfDocument(letter.pages[0])
    texts = [document[number].get_textpage().get_text_range() for number in range(len(document))]
    return Preview(letter.name, [text.replace("\r\n", "\n").encode() for text in texts if text.strip()])


def _as_pictures(letter: Preview) -> Preview:
    """Return a letter's pages as they come to stand on paper."""
    document = pypdfium2.PdfDocument(letter.pages[0])
    return Preview(letter.name, [_png(document[number].render(scale=_SCALE)) for number in range(len(document))])


def _png(bitmap: Any) -> bytes:
    """Return a picture of eight bits a colour as PNG (ISO/IEC 15948): no filter, one piece."""
    width, height, stride, pixels = bitmap.width, bitmap.height, bitmap.stride, bytes(bitmap.buffer)
    colours = bytearray(3 * width * height)
    for at in range(3):  # from blue, green, red
        colours[2 - at :: 3] = b"".join(
            pixels[row * stride + at : row * stride + 3 * width : 3] for row in range(height)
        )
    rows = b"".join(b"\0" + colours[3 * width * row : 3 * width * (row + 1)] for row in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*part) for part in parts)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


_SHOWN: Mapping[str, Callable[[Preview], Preview]] = {
    "pdf": _as_it_is,
    "copy": _as_it_is,
    "png": _as_pictures,
    "text": _as_text,
}
