"""What doctor says of the way to each peer, before it tries any."""

from pathlib import Path

import pytest

from services.cli.commands.doctor import face_finding, peer_findings, without_provider
from services.cli.finding import Finding
from services.cli.target import read_settings
from services.rendering.letters.own_face import lacking


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


def test_doctor_says_whose_letters_would_be_held() -> None:
    """A script that no face is installed for is named, with what installs one."""
    found = face_finding()

    assert ("names on letters", True) == found[:2]
    assert found.look == bool(lacking()) == ("held as unprintable" in found.words)


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


_EITHER = "{}, or another provider by HERAUT_{}_PROVIDER,"


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({}, {"email": _EITHER.format("HERAUT_SMTP_URL", "EMAIL"), "portal": "HERAUT_PORTAL_URL"}),
        ({"SMTP_URL": "smtp://x", "PORTAL_URL": "https://x"}, {}),
        (
            {"NOTIFY_URL": "https://x", "PORTAL_URL": "https://x"},
            {"email": _EITHER.format("HERAUT_SMTP_URL", "EMAIL")},
        ),
        (
            {"LETTER_PROVIDER": "notify", "NOTIFY_URL": "https://x", "SMTP_URL": "smtp://x", "PORTAL_URL": "https://x"},
            {"letter": _EITHER.format("HERAUT_NOTIFY_KEY", "LETTER")},
        ),
    ],
)
def test_a_channel_has_the_provider_that_is_chosen(
    given: dict[str, str], missing: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another one's address does not stand for it: the process would not start."""
    for name, value in given.items():
        monkeypatch.setenv(f"HERAUT_{name}", value)

    assert missing == without_provider()


def test_a_provider_that_was_chosen_and_lacks_something_is_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it has no address of its own: its process would not start."""
    monkeypatch.setenv("HERAUT_LETTER_PROVIDER", "notify")
    found = {finding.name: finding for finding in _found(tmp_path)}

    assert not found["way to letter"].ok
    assert "HERAUT_NOTIFY_URL is needed with HERAUT_LETTER_PROVIDER=notify, or print" in found["way to letter"].words
