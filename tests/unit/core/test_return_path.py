"""The address that a mail goes back to: it names the attempt, and nobody else can make it."""

from hypothesis import given
from hypothesis import strategies as st

from services.core.return_path import RETURN_TAG, read_return_address, return_address

MAILBOX = "retour@ministerie.example"
NOTICES = st.binary(min_size=16, max_size=16)


@given(NOTICES, st.integers(1, 999), st.text("ABCDEFGHJKMNPQRSTVWXYZ23456789-", min_size=1, max_size=20))
def test_it_is_read_as_it_was_made(notice: bytes, attempt: int, reference: str) -> None:
    """Also where a mail program changed its capitals."""
    address = return_address(MAILBOX, notice, attempt, reference)
    for written in (address, address.upper()):
        tag = read_return_address(MAILBOX, written)
        assert tag is not None
        assert (notice, attempt, True) == (tag.notice, tag.attempt, tag.is_proved_by(reference))
    assert len(address.partition("@")[0]) <= len("retour+") + RETURN_TAG


@given(NOTICES, NOTICES, st.integers(1, 998))
def test_a_proof_is_of_one_attempt_of_one_notice(notice: bytes, other: bytes, attempt: int) -> None:
    """Whoever has an address of theirs, or knows ids of others from a topic, can report on nobody else."""
    tag = read_return_address(MAILBOX, return_address(MAILBOX, notice, attempt, "A-REFERENCE"))
    assert tag is not None

    assert not tag._replace(attempt=attempt + 1).is_proved_by("A-REFERENCE")
    assert not tag.is_proved_by("ANOTHER")
    assert notice == other or not tag._replace(notice=other).is_proved_by("A-REFERENCE")


def test_other_addresses_are_none() -> None:
    """The mailbox itself, another one's, and what is cut or padded."""
    whole = return_address(MAILBOX, b"\x01" * 16, 1, "R")
    local = whole.partition("@")[0]
    wrong = (
        MAILBOX,
        f"{local}@other.example",
        whole[1:],
        f"x{whole}",
        f"{local}x@ministerie.example",
        "",
        "retour+@ministerie.example",
    )

    assert [None] * len(wrong) == [read_return_address(MAILBOX, address) for address in wrong]
