"""Answers of a print house on its SFTP server: they are fetched from a folder there, and kept in ours once read."""

import stat
from collections.abc import Collection, Sequence
from typing import Final, cast

import asyncssh

from services.dispatch.channels.answer_folder import FolderAnswers
from services.dispatch.channels.sftp_calls import SftpCalls
from services.dispatch.print_answers import PrintedLetter
from services.dispatch.provider import AnswerFile
from services.kit.folders import UnfitFileError

__all__ = ["SftpAnswers"]

_EVERY: Final = 15.0
_MOST_FILES: Final = 10_000  # of one look: the next one finds the others


class SftpAnswers:
    """A folder on the server, and the print folder here."""

    def __init__(self, folder: str, here: FolderAnswers, calls: SftpCalls) -> None:
        self._folder, self._here, self._calls = folder, here, calls
        self.every = _EVERY

    async def files(self) -> Sequence[AnswerFile]:
        """Return what lies there; nothing where there is no such folder."""
        found: list[AnswerFile] = []
        async with self._calls.client() as client:
            try:
                async for entry in client.scandir(self._folder):
                    if len(found) == _MOST_FILES:
                        break
                    if not str(entry.filename).startswith(".") and not stat.S_ISDIR(entry.attrs.permissions or 0):
                        found.append(_file(entry))
            except asyncssh.SFTPNoSuchFile:
                return []
        return sorted(found)

    async def read(self, one: AnswerFile, most: int) -> bytes:
        """Return what an answer holds. Raises UnfitFileError, OSError."""
        async with self._calls.client() as client:
            known = await client.lstat(self._path(one))
            if stat.S_ISLNK(known.permissions or 0):
                raise UnfitFileError("link")
            if not stat.S_ISREG(known.permissions or stat.S_IFREG):
                raise UnfitFileError("no-file")
            async with client.open(self._path(one), "rb") as file:
                body = cast("bytes", await file.read(most + 1))  # declared as text, whatever the mode
        if len(body) > most:
            raise UnfitFileError("too-large")
        return body

    async def put_away(self, one: AnswerFile, body: bytes) -> None:
        """Keep an answer here, and remove it there."""
        await self._here.keep(one, body)
        async with self._calls.client() as client:
            await client.remove(self._path(one))

    async def letters(self, job: bytes) -> Sequence[PrintedLetter] | None:
        """Return the letters of a print file, as the manifest here has them."""
        return await self._here.letters(job)

    async def printed(self) -> Sequence[bytes]:
        """Return the jobs whose print files lie here."""
        return await self._here.printed()

    async def clear(self, jobs: Collection[bytes], answered_before: float) -> None:
        """Remove what lies here of these jobs; what lies there is the print house's own."""
        await self._here.clear(jobs, answered_before)

    def _path(self, one: AnswerFile) -> str:
        return f"{self._folder}/{one.name}"


def _file(entry: asyncssh.SFTPName) -> AnswerFile:
    return AnswerFile(str(entry.filename), entry.attrs.size or 0, entry.attrs.mtime or 0)
