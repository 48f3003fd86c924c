"""The stand-ins' record files: one JSON object a line, written before the provider answers."""

import asyncio
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

__all__ = ["EMAIL_FILE", "PORTAL_FILE", "RecordFile", "read_records"]

EMAIL_FILE = "email.ndjson"
PORTAL_FILE = "portal.ndjson"

# What a power cut may take: the stand-ins are for trying out, and a sync a message would be all they do.
_SYNC_EVERY = 0.5


class RecordFile:
    """Appends records; what was appended survives the end of the process at once, and of the machine soon."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._unsynced = False

    def append(self, record: dict[str, Any]) -> None:
        """Write one record."""
        os.write(self._file, orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE))
        self._unsynced = True

    async def sync_regularly(self, stop: asyncio.Event) -> None:
        """Force what was written to the disk, twice a second, until `stop`; and once more then."""
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _SYNC_EVERY)
            if self._unsynced:
                self._unsynced = False
                await asyncio.to_thread(os.fdatasync, self._file)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def read_records(path: Path) -> Iterator[dict[str, Any]]:
    """Return the records of a file, in the order they were written; none where there is no file.

    A last line without its end was being written when the process was killed: it was never answered.
    """
    if not path.exists():
        return
    with path.open("rb") as lines:
        for line in lines:
            if line.endswith(b"\n"):
                yield orjson.loads(line)
