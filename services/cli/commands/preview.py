"""`heraut preview`: every language and variant of an incident's notices, to made-up people."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import pypdfium2

from services.cli.client import call
from services.cli.console import Fault, say
from services.cli.document_file import as_lines, read_document, read_incident
from services.cli.options import data_option
from services.core.channel import CHANNEL_NAMES, Channel, channel_named
from services.rendering.preview import Preview, previews
from services.rendering.proof import problems_of

__all__ = ["preview"]

_KINDS = {Channel.LETTER: ("pdf", "png", "text"), Channel.EMAIL: ("text",), Channel.PORTAL: ("text",)}
_SUFFIXES = {"pdf": "pdf", "png": "png", "text": "txt"}


@click.command()
@click.argument("channel", type=click.Choice(list(CHANNEL_NAMES.values())))
@click.option("--incident", "incident_id", metavar="ID", help="An incident that is known.")
@click.option("--file", type=click.File("rb"), help="A document instead; it needs no server.")
@click.option("--to", "folder", type=click.Path(file_okay=False, path_type=Path), help="A folder for the files.")
@click.option("--as", "kind", type=click.Choice(list(_SUFFIXES)), help="How letters are made; else pdf.")
@data_option
def preview(channel: str, incident_id: str | None, file: Any, data: Path, **how: Any) -> None:
    """Show what people would be told on CHANNEL: each language and variant, to made-up people.

    They have a usual name and address, the longest ones, and odd scripts. Without --to everything is printed as text.
    """
    if (incident_id is None) == (file is None):
        raise click.UsageError("give either --incident or --file")
    on, folder = channel_named(channel), how["folder"]
    made_as = how["kind"] or (_KINDS[on][0] if folder else "text")
    if made_as not in _KINDS[on]:
        raise click.UsageError(f"a notice on {channel} is made as {', '.join(_KINDS[on])}")
    incident = read_incident(_document(incident_id, file, data))
    if problems := problems_of(incident):
        raise Fault("\n".join(as_lines(problems)), 1)
    found = previews(incident, on, "png" if made_as == "png" else "pdf", datetime.now(UTC))
    made = [_as_text(one) if made_as == "text" and on is Channel.LETTER else one for one in found]
    if folder is None:
        _print(made)
    else:
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


def _as_text(letter: Preview) -> Preview:
    """Return a letter as programs read it from the paper's file."""
    document = pypdfium2.PdfDocument(letter.pages[0])
    texts = [document[number].get_textpage().get_text_range() for number in range(len(document))]
    return Preview(letter.name, [text.replace("\r\n", "\n").encode() for text in texts if text.strip()])
