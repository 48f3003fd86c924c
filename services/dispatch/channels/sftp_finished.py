"""What finished print files say of themselves, where they are sent by SFTP: in our folder, and on the server.

Our folder says what was made. A mark on the server says that the print house has the file; where it has none, the file
was never sent, or the print house cleaned up. What is only there was made before our folder was lost.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final, cast

from services.dispatch.channels.finished_files import (
    MANIFEST,
    MARK,
    TOTAL,
    FolderFiles,
    finished_file,
    jobs_of,
    marked_job,
)
from services.dispatch.channels.sftp_calls import SftpCalls
from services.dispatch.provider import FinishedFile

__all__ = ["SftpFiles"]

_MOST: Final = 64_000_000  # bytes of a manifest: a dozen times those of the largest file


class SftpFiles:
    """The finished files of a print folder, and of the one at the print house."""

    def __init__(self, folder: str, here: FolderFiles, calls: SftpCalls) -> None:
        """`folder` is the server's, as it has it."""
        self._folder, self._here, self._calls = folder, here, calls
        self._ours, self._there = frozenset[bytes](), dict[bytes, int]()

    async def jobs(self) -> Sequence[bytes]:
        """Return the jobs that have a mark here, in their order, and then those that have one there alone."""
        here, there = await self._here.jobs(), dict[bytes, int]()
        async with self._calls.client() as client:
            async for entry in client.scandir(self._folder or "."):
                if job := marked_job(str(entry.filename)):
                    there[job] = entry.attrs.mtime or 0
        self._ours, self._there = frozenset(here), there
        return [*here, *sorted(there.keys() - self._ours, key=lambda job: (there[job], job))]

    async def read(self, job: bytes) -> FinishedFile:
        """Return what is known of one. Raises UnfitFileError, OSError."""
        if job in self._ours:
            return (await self._here.read(job))._replace(sent=job in self._there)
        mark, manifest = [await self._body(f"{job.hex()}{ending}") for ending in (MARK, MANIFEST)]
        return finished_file(job, mark, manifest, datetime.fromtimestamp(self._there.get(job, 0), UTC), sent=True)

    async def total(self, run: str) -> Sequence[bytes] | None:
        """Return the jobs of a print run in its order; None where it has no total."""
        return await self._here.total(run) or jobs_of(await self._body(f"{run}{TOTAL}"))

    async def _body(self, name: str) -> bytes | None:
        """Return what a file there holds, None where there is none: an encrypted one has another name."""
        with suppress(FileNotFoundError):
            async with (
                self._calls.client() as client,
                client.open(f"{self._folder}/{name}" if self._folder else name, "rb") as file,
            ):
                return cast("bytes", await file.read(_MOST))  # declared as text, whatever the mode
        return None
