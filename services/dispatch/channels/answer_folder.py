"""Answers of a print house in the print folder: it puts them into `answers`, and what was read lies in `answered`.

Print files, marks and manifests lie above both. What a print house wrote is somebody else's: only plain files are read.
"""

import asyncio
import stat
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from services.dispatch.print_answers import PrintedLetter
from services.dispatch.provider import AnswerFile
from services.kit.folders import Folder, make_folder, open_folder

__all__ = ["ANSWERS", "FolderAnswers", "is_job", "letters_in"]

ANSWERS: Final = "answers"
_ANSWERED: Final = "answered"
_EVERY: Final = 5.0
_JOB_DIGITS: Final = 32
_GONE: Final = (".pdf", ".ndjson", ".manifest.csv")  # what goes once the print house has it


class _Row(msgspec.Struct, frozen=True, rename="camel"):
    notice_id: str
    attempt: int
    reference: str
    sheets: int


class _Manifest(msgspec.Struct, frozen=True):
    letters: list[_Row]


class FolderAnswers:
    """Both folders of one print folder. Threads do the work, so that the event loop goes on meanwhile."""

    def __init__(self, folder: Path, group: int | None, *, every: float = _EVERY) -> None:
        """`group` may read and write in `answers`; None = nobody else."""
        self._folder, self._group, self.every = folder, group, every

    async def files(self) -> Sequence[AnswerFile]:
        """Return what lies in `answers`."""
        return await asyncio.to_thread(self._files)

    async def read(self, one: AnswerFile, most: int) -> bytes:
        """Return what an answer holds. Raises UnfitFileError, OSError."""
        return await asyncio.to_thread(self._read, one, most)

    async def put_away(self, one: AnswerFile, body: bytes) -> None:
        """Keep an answer in `answered`, and take it from `answers`."""
        await self.keep(one, body)
        await asyncio.to_thread(self._take, one)

    async def keep(self, one: AnswerFile, body: bytes) -> None:
        """Keep an answer in `answered`."""
        await asyncio.to_thread(self._keep, one, body)

    async def letters(self, job: bytes) -> Sequence[PrintedLetter] | None:
        """Return the letters of a print file, as its manifest has them; None where none lies here that can be read."""
        return await asyncio.to_thread(self._letters, job)

    async def printed(self) -> Sequence[bytes]:
        """Return the jobs whose print files lie here."""
        return await asyncio.to_thread(self._printed)

    async def clear(self, jobs: Collection[bytes], answered_before: float) -> None:
        """Remove the print files of jobs, and answers that were kept before then.

        Marks stay, and manifests without where people live (the KIX).
        """
        await asyncio.to_thread(self._clear, jobs, answered_before)

    def _files(self) -> Sequence[AnswerFile]:
        make_folder(self._folder / ANSWERS, group=self._group, mode=0o770)
        with open_folder(self._folder / ANSWERS) as folder:
            found = [(name, folder.stat(name)) for name in sorted(folder.names()) if not name.startswith(".")]
            return [
                AnswerFile(name, known.st_size, known.st_mtime_ns)
                for name, known in found
                if known is not None and not stat.S_ISDIR(known.st_mode)
            ]

    def _read(self, one: AnswerFile, most: int) -> bytes:
        with open_folder(self._folder / ANSWERS) as folder:
            return folder.read_given(one.name, most)

    def _take(self, one: AnswerFile) -> None:
        with open_folder(self._folder / ANSWERS) as folder:
            folder.remove(one.name)

    def _keep(self, one: AnswerFile, body: bytes) -> None:
        make_folder(self._folder / _ANSWERED)
        with open_folder(self._folder / _ANSWERED) as folder:
            name, number = one.name, 1
            while (there := folder.read_own(name)) is not None and there != body:
                number += 1
                name = f"{number}-{one.name}"
            if there is None:
                folder.write_synced(name, body)
                folder.sync()

    def _letters(self, job: bytes) -> Sequence[PrintedLetter] | None:
        with open_folder(self._folder) as folder:
            body = folder.read_own(f"{job.hex()}.manifest.json")
        return letters_in(body)

    def _printed(self) -> Sequence[bytes]:
        with open_folder(self._folder) as folder:
            names = {name.partition(".")[0] for name in folder.names() if name.endswith(_GONE)}
        return sorted(bytes.fromhex(name) for name in names if is_job(name))

    def _clear(self, jobs: Collection[bytes], answered_before: float) -> None:
        with open_folder(self._folder) as folder:
            for job in jobs:
                _clear_manifest(folder, f"{job.hex()}.manifest.json")
                for ending in _GONE:
                    folder.remove(f"{job.hex()}{ending}")
        make_folder(self._folder / _ANSWERED)
        with open_folder(self._folder / _ANSWERED) as folder:
            for name in folder.names():
                _forget(folder, name, answered_before)


def letters_in(manifest: bytes | None) -> Sequence[PrintedLetter] | None:
    """Return the letters that a manifest has; None where it has none that can be read."""
    try:
        rows = [] if manifest is None else msgspec.json.decode(manifest, type=_Manifest).letters
        return [PrintedLetter(bytes.fromhex(row.notice_id), *_of(row)) for row in rows] or None
    except (msgspec.MsgspecError, ValueError):
        return None


def _of(row: _Row) -> tuple[int, str, int]:
    return row.attempt, row.reference, row.sheets


def _clear_manifest(folder: Folder, name: str) -> None:
    """Take out of a manifest where people live: a KIX is a postcode and a house number. Who was printed stays."""
    body = folder.read_own(name)
    try:
        manifest = {} if body is None else msgspec.json.decode(body, type=dict[str, Any])
        letters = [letter | {"kix": ""} for letter in manifest.get("letters", ())]
    except (msgspec.MsgspecError, TypeError):
        return  # somebody changed it, and answers cannot be read by it either
    if letters and letters != manifest["letters"]:
        folder.write_synced(f".{name}", msgspec.json.encode(manifest | {"letters": letters}))
        folder.rename(f".{name}", name)


def _forget(folder: Folder, name: str, before: float) -> None:
    known = folder.stat(name)
    if known is not None and stat.S_ISREG(known.st_mode) and known.st_mtime < before:
        folder.remove(name)


def is_job(name: str) -> bool:
    """Tell whether print files may be called so."""
    return len(name) == _JOB_DIGITS and all(digit in "0123456789abcdef" for digit in name)
