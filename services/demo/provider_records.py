"""The records of the stand-ins: one JSON object per line, written before the stand-in answers."""

import asyncio
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from services.core.channel import Channel

__all__ = ["ProviderRecords", "read_provider_records", "record_file"]

# Seconds of records that a power cut may lose. The stand-ins are for trying out; to sync each message would cost more
# than to take it.
_SYNC_EVERY = 0.5


def record_file(folder: Path, channel: Channel) -> Path:
    """Return the file in which the stand-in of a channel keeps its records."""
    return folder / f"{channel.label}.ndjson"


class ProviderRecords:
    """A file that records are appended to. A record survives the end of the process, and after a sync a power cut."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._unsynced = False

    def append(self, record: dict[str, Any]) -> None:
        """Write one record."""
        os.write(self._file, orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE))
        self._unsynced = True

    async def sync_regularly(self, stop: asyncio.Event) -> None:
        """Sync what was written twice a second until `stop`, and once more then."""
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _SYNC_EVERY)
            if self._unsynced:
                self._unsynced = False
                await asyncio.to_thread(os.fdatasync, self._file)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def read_provider_records(path: Path) -> Iterator[dict[str, Any]]:
    """Return the records of a file in the order of writing; a missing file has none.

    A last line without its end is left out: the process was killed while it wrote it, and never answered the message.
    """
    if not path.exists():
        return
    with path.open("rb") as lines:
        for line in lines:
            if line.endswith(b"\n"):
                yield orjson.loads(line)
