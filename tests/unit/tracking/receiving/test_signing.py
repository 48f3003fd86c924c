"""A webhook counts only if a provider that is known signed it, whole and lately (Standard Webhooks)."""

import base64
import json
from pathlib import Path

import pytest

from services.core.channel import Channel
from services.kit.errors import ConfigError
from services.tracking.receiving.signing import is_signed, load_signers, signed_by

# The example of the specification's own libraries.
SECRET = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
HEADERS = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
BODY, AT = b'{"test": 2432232314}', 1_614_265_330.0


def test_the_specifications_own_example_is_signed() -> None:
    """What its libraries sign is taken; and beside other signatures, or under the older of two secrets."""
    rotated = HEADERS | {"webhook-signature": f"v2,abc v1,AAAA {HEADERS['webhook-signature']}"}

    assert is_signed([SECRET], HEADERS, BODY, AT)
    assert is_signed([b"n" * 24, SECRET], rotated, BODY, AT + 299)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"webhook-id": "msg_other"},
        {"webhook-id": ""},
        {"webhook-timestamp": "1614265331"},
        {"webhook-timestamp": "-5"},
        {"webhook-timestamp": "9" * 5000},
        {"webhook-timestamp": "²"},
        {"webhook-signature": ""},
        {"webhook-signature": "v1"},
        {"webhook-signature": "v1,g0hM"},
        {"webhook-signature": "v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
        {"webhook-signature": "v1," + "?" * 44},
    ],
)
def test_whatever_was_changed_is_not_signed(headers: dict[str, str]) -> None:
    """Another id, time or signature; nothing of it raises."""
    assert not is_signed([SECRET], HEADERS | headers if headers else {}, BODY, AT)


def test_another_body_secret_or_hour_is_not_signed() -> None:
    """A signature holds five minutes, for its body and its provider."""
    assert not is_signed([SECRET], HEADERS, BODY + b" ", AT)
    assert not is_signed([b"o" * 24], HEADERS, BODY, AT)
    assert not is_signed([], HEADERS, BODY, AT)
    assert not is_signed([SECRET], HEADERS, BODY, AT + 301)
    assert not is_signed([SECRET], HEADERS, BODY, AT - 301)
    assert 32 == len(signed_by(SECRET, "a", "1", b""))


def a_file(folder: Path, name: str = "portal.json", mode: int = 0o600, **changes: object) -> Path:
    """Write a provider's file."""
    folder.chmod(0o700)
    secret = f"whsec_{base64.b64encode(SECRET).decode()}"
    path = folder / name
    path.write_text(json.dumps({"channel": "portal", "secrets": [secret]} | changes))
    path.chmod(mode)
    return path


def test_each_provider_has_a_file_of_its_own(tmp_path: Path) -> None:
    """Its secrets, and the channel that it speaks of; without a folder there is none."""
    a_file(tmp_path)

    assert {"portal": (int(Channel.PORTAL), [SECRET])} == load_signers(tmp_path)
    assert {} == load_signers(None)


@pytest.mark.parametrize(
    ("name", "mode", "changes"),
    [
        ("Portal X.json", 0o600, {}),
        ("portal.json", 0o622, {}),
        ("portal.json", 0o600, {"channel": "pigeon"}),
        ("portal.json", 0o600, {"secrets": []}),
        ("portal.json", 0o600, {"secrets": ["whsec_AAAA"]}),
        ("portal.json", 0o600, {"secrets": ["no base64"]}),
        ("portal.json", 0o600, {"secrets": None}),
    ],
)
def test_a_file_that_cannot_be_trusted_is_an_error_at_start(
    tmp_path: Path, name: str, mode: int, changes: dict[str, object]
) -> None:
    """Open to others, without secrets, too short, or of a channel that there is not."""
    a_file(tmp_path, name, mode, **changes)

    with pytest.raises(ConfigError):
        load_signers(tmp_path)
