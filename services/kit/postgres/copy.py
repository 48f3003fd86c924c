"""PostgreSQL's binary COPY: rows packed by the caller, framed here."""

import struct
from collections.abc import Iterable, Sequence
from typing import Any, Final

from services.kit.postgres.pool import Connection

__all__ = ["copy_packed"]

# COPY's binary format (PostgreSQL documentation, COPY): signature, flags, length of the header's extension.
_HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER: Final = struct.pack("!h", -1)


async def copy_packed(connection: Connection, table: str, columns: Sequence[str], rows: Iterable[bytes]) -> None:
    """Copy rows into a table as they were packed; the caller's transaction.

    Each row is packed with its own `struct.Struct`: number of fields (int16), then for each its length (int32) and
    bytes, all big-endian. Raises UniqueViolationError and whatever else the server says of them.
    """
    # A view, as asyncpg takes bytes for a path. It reads a file in a thread, by a class that it makes for each call:
    # that is a cycle, so the file and all that is in it stay until the collector comes, which it does seldom here.
    content: Any = memoryview(b"".join((_HEADER, *rows, _TRAILER)))
    await connection.copy_to_table(table, source=content, columns=columns, format="binary")
