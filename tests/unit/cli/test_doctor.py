"""What doctor says of the way to each peer, before it tries any."""

from pathlib import Path

import pytest

from services.cli.commands.doctor import peer_findings
from services.cli.finding import Finding
from services.cli.target import read_settings


def _found(data: Path) -> list[Finding]:
    return peer_findings(read_settings(data), data)


def test_every_peer_has_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator sees at a glance what is verified, what is on this machine, and what goes in the open."""
    for name, value in {
        "HERAUT_LOG": "kafka",
        "HERAUT_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9092",
        "HERAUT_DATABASE_URL": "postgresql://u:secret@db.example/x?sslmode=verify-full&sslrootcert=/ca.pem",
        "HERAUT_SMTP_URL": "smtp://u:secret@mail.example",
        "HERAUT_PORTAL_URL": "http://portal.example",
        "HERAUT_ALLOW_PLAINTEXT": "portal",
    }.items():
        monkeypatch.setenv(name, value)

    assert [
        Finding("way to postgres", ok=True, words="HERAUT_DATABASE_URL: TLS, verified"),
        Finding("way to kafka", ok=True, words="HERAUT_KAFKA_BOOTSTRAP_SERVERS: on this machine"),
        Finding("way to smtp", ok=True, words="HERAUT_SMTP_URL: TLS, verified"),
        Finding(
            "way to portal",
            ok=True,
            words="HERAUT_PORTAL_URL: plain text, as HERAUT_ALLOW_PLAINTEXT=portal permits",
        ),
        Finding("way to http", ok=True, words="HERAUT_HTTP_HOST: on this machine"),
    ] == _found(tmp_path)


def test_a_provider_in_the_open_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service would not start, and doctor says why."""
    monkeypatch.setenv("HERAUT_PORTAL_URL", "http://portal.example")
    finding, _ = _found(tmp_path)

    assert ("way to portal", False) == finding[:2]
    assert finding.words.startswith("HERAUT_PORTAL_URL: leads beyond this machine")


def test_doctor_says_what_the_portal_knows_us_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `--check-config` does: an operator sees which of the ways is used, and who gives the tokens."""
    for name, value in {
        "URL": "https://portal.example", "OAUTH_URL": "https://id.example/token", "OAUTH_CLIENT": "heraut",
        "OAUTH_SECRET": "secret", "CERT": "/c.pem", "KEY": "/k.pem",
    }.items():  # fmt: skip
        monkeypatch.setenv(f"HERAUT_PORTAL_{name}", value)
    words = [finding.words for finding in _found(tmp_path)]

    assert [
        "HERAUT_PORTAL_URL: TLS, verified; knows us by tokens of HERAUT_PORTAL_OAUTH_URL and our certificate",
        "HERAUT_PORTAL_OAUTH_URL: TLS, verified; knows us by our password and our certificate",
    ] == words[:2]
