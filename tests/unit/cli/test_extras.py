"""A command that needs what only a checkout has."""

import sys

import pytest
from click.testing import CliRunner

from services.cli.__main__ import heraut


def test_a_command_without_its_parts_says_which_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The image has no demo in it."""
    monkeypatch.delitem(sys.modules, "services.cli.commands.demo", raising=False)
    monkeypatch.setitem(sys.modules, "services.demo.run", None)
    done = CliRunner().invoke(heraut, ["demo"])

    assert 1 == done.exit_code
    assert "`heraut demo` needs services.demo.run, which is not installed here: heraut[demo]" in done.output
