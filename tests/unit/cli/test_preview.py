"""Whoever writes an incident document sees what people would read, without a server."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result

from services.cli.__main__ import heraut
from services.demo.made_up.incident import made_up_incident
from services.rendering.preview import PEOPLE, held

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def document(tmp_path: Path) -> Path:
    """Return the file of a document in one language, without variants."""
    return _written(tmp_path, languages=["nl"], variants=[])


def _written(folder: Path, **changes: Any) -> Path:
    file = folder / "incident.json"
    file.write_bytes(orjson.dumps(made_up_incident(NOW) | changes))
    return file


def _run(*arguments: str | Path) -> Result:
    return CliRunner(env={"HERAUT_DATA_DIR": None}).invoke(heraut, [str(argument) for argument in arguments])


@pytest.mark.parametrize(
    ("kind", "begin", "files"), [("pdf", b"%PDF-", 1), ("copy", b"%PDF-", 1), ("png", b"\x89PNG", 2)]
)
def test_letters_are_files_to_look_at(document: Path, tmp_path: Path, kind: str, begin: bytes, files: int) -> None:
    """Each certainty and kind, to all made-up people whose name can be printed; as pictures one a page."""
    done = _run("preview", "letter", "--file", document, "--to", tmp_path / "out", "--as", kind)
    made = sorted((tmp_path / "out").iterdir())

    assert (0, files * 10 * (len(PEOPLE) - len(held()))) == (done.exit_code, len(made))
    assert bool(held()) == ("no letter to" in done.stderr)
    assert any(path.name.startswith("letter-nl-confirmed-first-longest") for path in made)
    assert all(path.read_bytes().startswith(begin) for path in made)


SHOWN = [("email", "Subject: Uw gegevens"), ("portal", "Uw gegevens"), ("letter", "Datum")]


@pytest.mark.parametrize(("channel", "shown"), SHOWN)
def test_notices_are_printed_as_text(document: Path, channel: str, shown: str) -> None:
    """On the screen, one after the other, each under a name that says whose it is."""
    done = _run("preview", channel, "--file", document)

    assert 0 == done.exit_code
    assert 10 * (len(PEOPLE) - (len(held()) if channel == "letter" else 0)) == done.output.count("=== nl-")
    assert shown in done.output
    assert "Nguyễn-Παππά Київський" in done.output


@pytest.mark.parametrize("arguments", [[], ["--file", "-", "--incident", "lab"]])
def test_a_preview_is_of_one_document(arguments: list[str]) -> None:
    """A file, or an incident that is known."""
    assert 2 == _run("preview", "letter", *arguments).exit_code


def test_what_cannot_be_rendered_has_no_preview(tmp_path: Path) -> None:
    """The same code refuses a document: its place is named."""
    file = _written(tmp_path, title={"nl": "数据 gestolen", "en": "Stolen"})
    previewed, checked = _run("preview", "letter", "--file", file), _run("incident", "check", file)

    assert (1, 1) == (previewed.exit_code, checked.exit_code)
    assert "title.nl" in previewed.stderr
    assert "title.nl" in checked.stderr


def test_a_document_is_checked_without_a_server(tmp_path: Path) -> None:
    """What would be better otherwise is said, and is no fault."""
    right = _run("incident", "check", _written(tmp_path), "--json")
    title = _run("incident", "check", _written(tmp_path, title={"nl": "Bericht", "en": "Your data was stolen"}))
    broken = _run("incident", "check", _written(tmp_path, languages=["nl", "pl"]))

    assert (0, {"problems": [], "warnings": []}) == (right.exit_code, orjson.loads(right.stdout))
    assert (0, True) == (title.exit_code, "warning: title.nl" in title.stderr)
    assert (1, True) == (broken.exit_code, "languages[1]" in broken.stderr)
