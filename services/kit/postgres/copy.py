"""PostgreSQL's binary COPY: rows packed by the caller, framed here."""

import io
import struct
from collections.abc import Iterable

__all__ = ["BINARY_COPY_HEADER", "BINARY_COPY_TRAILER", "binary_copy"]

# COPY's binary format (PostgreSQL documentation, COPY): signature, flags, length of the header's extension.
BINARY_COPY_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)


BINARY_COPY_TRAILER = struct.pack("!h", -1)


def binary_copy(rows: Iterable[bytes]) -> io.BytesIO:
    """Frame packed rows for `copy_to_table(..., format="binary")`.

    Each row is packed by the caller with its own `struct.Struct`: number of fields (int16), then for each
    its length (int32) and bytes, all big-endian.
    """
    return io.BytesIO(b"".join((BINARY_COPY_HEADER, *rows, BINARY_COPY_TRAILER)))
