"""What finished print files say of themselves, read from the print folder.

A file is finished once its mark is there; its manifest says whose letters it has. Both stay when the file goes, so they
tell what was printed where a database was set back and knows less.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from services.dispatch.channels.answer_folder import is_job, letters_in
from services.dispatch.channels.print_files import Mark
from services.dispatch.provider import FinishedFile
from services.kit.folders import UnfitFileError, open_folder

__all__ = ["MANIFEST", "MARK", "TOTAL", "FolderFiles", "finished_file", "jobs_of", "marked_job"]

MARK: Final = ".done"
MANIFEST: Final = ".manifest.json"
TOTAL: Final = ".job.json"


class _Made(msgspec.Struct, frozen=True, rename="camel"):
    created_at: datetime


class _File(msgspec.Struct, frozen=True, rename="camel"):
    batch_id: str


class _Total(msgspec.Struct, frozen=True):
    files: list[_File]


class FolderFiles:
    """The finished files of one print folder. Threads do the work, so that the event loop goes on meanwhile."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def jobs(self) -> Sequence[bytes]:
        """Return the jobs that have a mark, in the order in which they got it."""
        return await asyncio.to_thread(self._jobs)

    async def read(self, job: bytes) -> FinishedFile:
        """Return what is known of one. Raises UnfitFileError, OSError."""
        return await asyncio.to_thread(self._read, job)

    async def total(self, run: str) -> Sequence[bytes] | None:
        """Return the jobs of a print run in its order; None where it has no total."""
        return await asyncio.to_thread(self._total, run)

    def _jobs(self) -> Sequence[bytes]:
        with open_folder(self._folder) as folder:
            marked = {name: job for name in folder.names() if (job := marked_job(name))}
            known = {job: found.st_mtime_ns for name, job in marked.items() if (found := folder.stat(name))}
        return sorted(known, key=lambda job: (known[job], job))

    def _read(self, job: bytes) -> FinishedFile:
        with open_folder(self._folder) as folder:
            mark, manifest = (folder.read_own(f"{job.hex()}{ending}") for ending in (MARK, MANIFEST))
            found = folder.stat(f"{job.hex()}{MARK}")
        when = datetime.fromtimestamp(found.st_mtime if found else 0, UTC)
        return finished_file(job, mark, manifest, when, sent=True)

    def _total(self, run: str) -> Sequence[bytes] | None:
        with open_folder(self._folder) as folder:
            return jobs_of(folder.read_own(f"{run}{TOTAL}"))


def marked_job(name: str) -> bytes | None:
    """Return the job that a file is the mark of; None where it is another file."""
    job, ending = name[: -len(MARK)], name[-len(MARK) :]
    return bytes.fromhex(job) if ending == MARK and is_job(job) else None


def finished_file(
    job: bytes, mark: bytes | None, manifest: bytes | None, when: datetime, *, sent: bool
) -> FinishedFile:
    """Return what mark and manifest say; `when` is when the mark was written. Raises UnfitFileError."""
    try:
        said = msgspec.json.decode(mark or b"", type=Mark)
        return FinishedFile(job, said.job, said.printed, _made_at(manifest, when), letters_in(manifest), sent)
    except (msgspec.MsgspecError, ValueError):
        raise UnfitFileError("mark") from None


def _made_at(manifest: bytes | None, when: datetime) -> datetime:
    try:
        made = msgspec.json.decode(manifest or b"", type=_Made).created_at
    except (msgspec.MsgspecError, ValueError):
        return when
    return made if made.tzinfo else when


def jobs_of(total: bytes | None) -> Sequence[bytes] | None:
    """Return the jobs that a total has, in its order; None where there is none that can be read."""
    try:
        return None if total is None else [bytes.fromhex(one.batch_id) for one in _decoded(total).files]
    except (msgspec.MsgspecError, ValueError):
        return None


def _decoded(total: bytes) -> _Total:
    return msgspec.json.decode(total, type=_Total)
