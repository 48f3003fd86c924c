"""Headers of a block as the bytes of one column: name and value, each after its length."""

import struct
from collections.abc import Sequence

__all__ = ["Headers", "decode_headers", "encode_headers"]

Headers = tuple[tuple[str, bytes], ...]

_LENGTHS = struct.Struct(">HI")


def encode_headers(headers: Sequence[tuple[str, bytes]]) -> bytes | None:
    """Pack headers; None where there are none, as nearly every block has none."""
    if not headers:
        return None
    return b"".join(
        _LENGTHS.pack(len(encoded := name.encode()), len(value)) + encoded + value for name, value in headers
    )


def decode_headers(packed: bytes | None) -> Headers:
    """Unpack what `encode_headers` packed."""
    headers, at = [], 0
    while packed and at < len(packed):
        name_length, value_length = _LENGTHS.unpack_from(packed, at)
        at += _LENGTHS.size
        name = packed[at : at + name_length].decode()
        at += name_length
        headers.append((name, packed[at : at + value_length]))
        at += value_length
    return tuple(headers)
