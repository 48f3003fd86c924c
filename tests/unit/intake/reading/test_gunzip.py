"""Unpacking gzip as it comes."""

import gzip
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake.errors import BrokenBodyError
from services.intake.reading.gunzip import PIECE, Gunzip


def unpack(packed: bytes, size: int) -> bytes:
    """Unpack a body that comes in pieces of `size`."""
    gunzip = Gunzip()
    out = [piece for at in range(0, len(packed), size) for piece in gunzip.feed(packed[at : at + size])]
    gunzip.finish()
    return b"".join(out)


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=4), st.integers(1, 40), st.integers(0, 3))
def test_any_pieces_of_any_members_unpack(members: list[bytes], size: int, padding: int) -> None:
    """A body of several gzip members, padded with zeros, unpacks to all of them, however it is cut."""
    packed = b"".join(gzip.compress(member) + bytes(padding) for member in members)

    assert b"".join(members) == unpack(packed, size)


def test_bomb_comes_in_bounded_pieces() -> None:
    """What unpacks to a thousand times its size is given a bounded piece at a time."""
    sizes = [len(piece) for piece in Gunzip().feed(gzip.compress(bytes(15_000_000)))]

    assert (15_000_000, PIECE) == (sum(sizes), max(sizes))


@pytest.mark.parametrize("cut", [0, 1, 5, 12, -8, -1])
def test_body_that_ends_early_is_broken(cut: int) -> None:
    """Without the end of gzip, its CRC and length, the body is not whole."""
    packed = gzip.compress(b"memberRef\nm-1\n")
    with pytest.raises(BrokenBodyError, match="gzip"):
        unpack(packed[:cut], 7)


def test_wrong_crc_is_broken() -> None:
    """A body whose CRC does not fit is not whole."""
    packed = bytearray(gzip.compress(b"memberRef\nm-1\n"))
    packed[-5] ^= 1
    with pytest.raises(BrokenBodyError, match="gzip"):
        unpack(bytes(packed), 1000)


@given(st.binary(max_size=200))
def test_any_bytes_break_and_never_crash(data: bytes) -> None:
    """Bytes that are no gzip are a broken body, whatever they are."""
    with suppress(BrokenBodyError):
        unpack(data, 50)


def test_a_body_unpacks_to_a_hundred_times_its_size_at_most() -> None:
    """What a file of people never comes to is no file of people; it is noticed long before its end."""
    packed = gzip.compress(b"m,a\n" * 15_000_000)
    sizes: list[int] = []
    with pytest.raises(BrokenBodyError, match="gzip-ratio"):
        sizes.extend(map(len, Gunzip().feed(packed)))

    assert 10_000_000 < sum(sizes) < 16_777_216 + 100 * len(packed)
