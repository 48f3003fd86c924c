"""Who may be spoken to in plain text."""

import pytest

from services.core.transport import is_local, plaintext_fault


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1", True),
        ("127.8.9.10", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("LocalHost.", True),
        ("portal.localhost", True),
        ("localhost.example", False),
        ("127.0.0.1.example", False),
        ("10.0.0.1", False),
        ("0.0.0.0", False),  # noqa: S104 - it is only looked at
        ("::ffff:10.0.0.1", False),
        ("mail", False),
        ("", False),
    ],
)
def test_this_machine(host: str, *, local: bool) -> None:
    """Loopback and its names, and nothing that looks like them."""
    assert local == is_local(host)


@pytest.mark.parametrize(
    ("host", "secured", "allowed", "refused"),
    [
        ("127.0.0.1", False, (), False),
        ("portal.example", True, (), False),
        ("portal.example", False, ("portal",), False),
        ("portal.example", False, (), True),
        ("portal.example", False, ("smtp",), True),
        ("10.0.0.1", False, (), True),
    ],
)
def test_beyond_this_machine_it_takes_tls_or_a_word(
    host: str, allowed: tuple[str, ...], *, secured: bool, refused: bool
) -> None:
    """The fault names the setting and the way out, and no address."""
    fault = plaintext_fault("portal", "HERAUT_PORTAL_URL", host, secured=secured, allowed=allowed)

    assert refused == (fault is not None)
    assert host not in (fault or "")
