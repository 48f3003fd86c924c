"""`heraut incident put` and `approve` say what came of a document, and what it still takes."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from services.cli.commands import incident as commands

ASKED = {"version": 2, "asked": {"number": 3, "askedBy": "anna"}, "warnings": [], "closed": []}
DONE = {"version": 3, "asked": None, "warnings": [], "closed": ["email"]}


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return what is sent; a PUT is asked for, an approval holds."""
    sent: list[Any] = []

    def call(_: Path, method: str, *path: str, json: Any) -> Any:
        sent.append((method, path, json))
        return ASKED if method == "PUT" else DONE

    monkeypatch.setattr(commands, "call", call)
    return sent


def test_a_document_that_takes_two_says_what_is_to_be_done(sent: list[Any], tmp_path: Path) -> None:
    """Nobody takes an asking for a version: who asked, and what somebody else has to do."""
    (tmp_path / "lab.json").write_text("{}")
    shown = CliRunner().invoke(commands.incident, ["put", str(tmp_path / "lab.json"), "--reissue", "waiting"])

    assert ("PUT", {"reissue": "waiting"}) == (sent[0][0], sent[0][2])
    assert "waits until somebody other than anna does `heraut incident approve lab --number 3`" in shown.output


def test_an_approval_says_which_version_stands(sent: list[Any]) -> None:
    """And which channels it closes; without the number of what was read it is none."""
    shown = CliRunner().invoke(commands.incident, ["approve", "lab", "--number", "3"])
    unnamed = CliRunner().invoke(commands.incident, ["approve", "lab"])

    assert [("POST", ("intake", "incidents", "lab", "approve"), {"number": 3})] == sent
    assert "incident lab, version 3" in shown.output
    assert "email is closed" in shown.output
    assert 2 == unnamed.exit_code
