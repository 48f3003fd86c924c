"""Who may be spoken to in plain text."""

import pytest

from services.core.transport import Peer, is_local


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
    ("hosts", "secured", "allowed", "way"),
    [
        ((), False, (), "on this machine"),
        (("127.0.0.1",), False, (), "on this machine"),
        (("portal.example",), True, (), "TLS, verified"),
        (("portal.example",), False, ("portal",), "plain text, as HERAUT_ALLOW_PLAINTEXT=portal permits"),
        (("portal.example",), False, (), None),
        (("portal.example",), False, ("smtp",), None),
        (("127.0.0.1", "portal.example"), False, (), None),
        (("",), False, (), None),
    ],
)
def test_beyond_this_machine_it_takes_tls_or_a_word(
    hosts: tuple[str, ...], allowed: tuple[str, ...], way: str | None, *, secured: bool
) -> None:
    """The fault names the setting and the way out, and no address."""
    peer = Peer("portal", "HERAUT_PORTAL_URL", hosts, secured=secured, remedy="mend it")
    fault = peer.fault(allowed)

    assert (way is None) == (fault is not None)
    assert way is None or f"HERAUT_PORTAL_URL: {way}" == peer.way()
    assert fault is None or ("mend it" in fault and "HERAUT_ALLOW_PLAINTEXT=portal" in fault)
    assert "example" not in (fault or "")
