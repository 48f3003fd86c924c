"""Print files by SFTP (RFC 4254 and draft-ietf-secsh-filexfer-02) to the print house's own folder.

Files are made in our folder first, as without it. Then each is sent under a hidden name and renamed once all of it is
there, its mark last: what has no mark is not to be used. A mark that is there with the same bytes says that the file
went before, and it does not go again. The server has to have the one host key that the settings name. Where they name a
key of the print house (age, C2SP), all but mark and total are encrypted to it, so that nobody else reads them there.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import cast

import asyncssh
import pyrage
from pyrage import x25519

from services.dispatch.channels.answer_folder import ANSWERS
from services.dispatch.channels.letter import PrintFolder
from services.dispatch.channels.sftp_answers import SftpAnswers
from services.dispatch.channels.sftp_calls import SftpCalls
from services.dispatch.channels.sftp_finished import SftpFiles
from services.dispatch.config import SftpAddress
from services.dispatch.domain import Work
from services.dispatch.outcomes import Ending, HandOver, Outage, Result
from services.dispatch.print_runs import PrintRun
from services.kit.folders import open_folder

__all__ = ["PrintHouse"]

logger = logging.getLogger(__name__)

_AGAIN = Result(Ending.REPEAT)
_PATIENCE = 30.0  # seconds to connect and log in
_LONGEST = 110.0  # seconds for the files of one round: some hundred kilobytes as a rule


class PrintHouse:
    """A print folder, and the one at the print house that its files are sent to."""

    def __init__(
        self,
        folder: PrintFolder,
        local: Path,
        address: SftpAddress,
        key: Path,
        host_key: str,
        *,
        recipient: str | None = None,
        answers: str | None = None,
    ) -> None:
        """`local` is where `folder` puts its files; `key` is our own, and `host_key` the server's public one.

        `recipient` is whom files are encrypted to; None = they are not. `answers` is the folder there that the print
        house answers in, below that of the files unless it begins with a slash. Raises ValueError where one of them is
        no key, OSError where ours cannot be read.
        """
        self._inner, self._local, self._address = folder, local, address
        logging.getLogger("asyncssh").setLevel(logging.WARNING)  # it tells of each connection and file
        self._key = asyncssh.read_private_key(key)
        self._host_key = asyncssh.import_public_key(host_key)
        self._recipient = _recipient(recipient) if recipient else None
        self.traits = folder.traits
        self._connecting = asyncio.Lock()
        self._connection: asyncssh.SSHClientConnection | None = None
        self._client: asyncssh.SFTPClient | None = None
        there = answers or ANSWERS
        folder_there = there if there.startswith("/") else self._there(there)
        calls = SftpCalls(self._connected, self._leave)
        self.answers = SftpAnswers(folder_there, folder.answers, calls)
        self.finished = SftpFiles(address.folder, folder.finished, calls)

    async def hand_over(self, work: Work, go: Callable[[], bool]) -> HandOver:
        """Write one print file here, and send it. As long as it is not there whole, it stays begun."""
        handed = await self._inner.hand_over(work, go)
        if handed.printed is None:
            return handed
        if go() and await self._sent(work.name, f"{work.name}.done"):
            return handed
        return HandOver([_AGAIN] * len(work.contacts), Outage() if go() else None)

    async def close_run(self, run: PrintRun) -> bool:
        """Write the total of a print run here, and send it; tells whether it is there."""
        return await self._inner.close_run(run) and await self._sent(run.name, f"{run.name}.job.json")

    async def close(self) -> None:
        """Let go of threads and of the connection."""
        await self._inner.close()
        await self._leave()

    async def _sent(self, name: str, last: str) -> bool:
        """Send our files of a name, the last one after the others; tells whether they are there."""
        try:
            async with asyncio.timeout(_LONGEST):
                files = await asyncio.to_thread(self._ours, name, last)
                await self._send(files)
                return True
        except (OSError, asyncssh.Error) as error:
            logger.warning("the print house cannot be sent to", extra={"error_class": type(error).__name__})
            await self._leave()
            return False

    def _ours(self, name: str, last: str) -> list[tuple[str, bytes]]:
        """Return the files that have a name in our folder, and what is in them. Raises OSError."""
        with open_folder(self._local) as folder:
            names = [found for found in sorted(folder.names()) if found.startswith(f"{name}.") and found != last]
            return [(found, folder.read_own(found) or b"") for found in [*names, last]]

    async def _send(self, files: Sequence[tuple[str, bytes]]) -> None:
        client = await self._connected()
        last, mark = files[-1]
        if await _found(client, self._there(last)) == mark:
            return
        for name, body in [*map(self._closed, files[:-1]), files[-1]]:
            hidden, final = self._there(f".{name}.part"), self._there(name)
            async with client.open(hidden, "wb") as file:
                await file.write(body)
            if await _found(client, hidden) != body:
                raise asyncssh.SFTPFailure("a file is not what was sent")
            await client.posix_rename(hidden, final)

    def _closed(self, file: tuple[str, bytes]) -> tuple[str, bytes]:
        """Return a file as it is sent: encrypted, with a name that says so, where that is wanted."""
        name, body = file
        return file if self._recipient is None else (f"{name}.age", pyrage.encrypt(body, [self._recipient]))

    def _there(self, name: str) -> str:
        return f"{self._address.folder}/{name}" if self._address.folder else name

    async def _connected(self) -> asyncssh.SFTPClient:
        async with self._connecting:
            if self._client is None:
                address = self._address
                self._connection = await asyncssh.connect(
                    address.host,
                    address.port,
                    username=address.user,
                    client_keys=[self._key],
                    known_hosts=([self._host_key], [], []),
                    preferred_auth="publickey",
                    agent_path=None,
                    config=[],
                    connect_timeout=_PATIENCE,
                    login_timeout=_PATIENCE,
                    keepalive_interval=15,
                )
                self._client = await self._connection.start_sftp_client()
            return self._client

    async def _leave(self) -> None:
        """Let go of the connection; the next file opens one."""
        connection, self._connection, self._client = self._connection, None, None
        if connection is not None:
            connection.abort()
            await connection.wait_closed()


def _recipient(text: str) -> x25519.Recipient:
    try:
        return x25519.Recipient.from_str(text)
    except pyrage.RecipientError as error:
        raise ValueError("HERAUT_PRINT_AGE_RECIPIENT is no public key of age") from error


async def _found(client: asyncssh.SFTPClient, path: str) -> bytes | None:
    """Return what a file there holds; None where there is none."""
    with suppress(asyncssh.SFTPNoSuchFile):
        async with client.open(path, "rb") as file:
            return cast("bytes", await file.read())  # declared as text, whatever the mode
    return None
