"""A command that needs what only a checkout has."""

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from services.cli.__main__ import heraut
from services.cli.commands.doctor import trace_findings
from services.cli.target import read_settings


def test_a_command_without_its_parts_says_which_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The image has no demo in it."""
    monkeypatch.delitem(sys.modules, "services.cli.commands.demo", raising=False)
    monkeypatch.setitem(sys.modules, "services.demo.run", None)
    done = CliRunner().invoke(heraut, ["demo"])

    assert 1 == done.exit_code
    assert "`heraut demo` needs services.demo.run, which is not installed here: heraut[demo]" in done.output


def test_traces_that_cannot_be_sent_are_told_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """By `heraut up`, and by the doctor, who says as well where they can be sent."""
    monkeypatch.setenv("HERAUT_OTLP_URL", "http://127.0.0.1:4318")
    (well,) = trace_findings(read_settings(tmp_path))
    for name in [name for name in sys.modules if name.startswith("opentelemetry")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    (fault,) = trace_findings(read_settings(tmp_path))
    done = CliRunner().invoke(heraut, ["up", "--data", str(tmp_path / "data")])

    assert (True, False, 2) == (well.ok, fault.ok, done.exit_code)
    assert "HERAUT_OTLP_URL: the extra `otel` is not installed" in fault.words
    assert fault.words in " ".join(done.output.split())
    assert [] == [path.name for path in (tmp_path / "data").rglob("*") if path.is_file() and "lock" not in path.name]


def test_who_asks_for_no_traces_is_told_nothing_of_them(tmp_path: Path) -> None:
    """They are off."""
    assert [] == trace_findings(read_settings(tmp_path))
