"""The print house's SFTP server: its root is a folder, and it misbehaves as told."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncssh

from services.demo.standins.door import Door, Listener
from services.demo.standins.faults import Fault, Faults

__all__ = ["SftpServer"]


class _Session(asyncssh.SFTPServer):
    """One session. It notes what gets a name, and may break off."""

    def __init__(self, channel: asyncssh.SSHServerChannel[bytes], server: "SftpServer") -> None:
        super().__init__(channel, chroot=str(server.folder).encode())
        self._server, self._channel = server, channel

    def write(self, file_obj: object, offset: int, data: bytes) -> Any:
        """Write, unless the connection is to break now."""
        self._server.writes += 1
        if self._server.breaks_at == self._server.writes:
            self._channel.get_connection().abort()
            return 0
        return super().write(file_obj, offset, data)

    async def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
        """Give a file its name, or fail."""
        server, name = self._server, newpath.decode().rpartition("/")[2]
        server.figures["requests"] += 1
        time_of_it = server.times[name] = server.times[name] + 1
        if server.faults.hits(Fault.LATENCY, name, time_of_it):
            await asyncio.sleep(server.faults.latency)
        if server.faults.hits(Fault.ERROR, name, time_of_it):
            raise asyncssh.SFTPFailure("the disk is full")
        super().posix_rename(oldpath, newpath)
        server.figures["taken"] += 1
        server.named.append(name)
        if server.faults.hits(Fault.ANSWER_LOST, name, time_of_it):
            self._channel.get_connection().abort()


class SftpServer:
    """A real server. It lets in who has the key, and keeps what it is sent below `home`."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "there"
        self.inbox = self.folder / "in"
        self.inbox.mkdir(parents=True, exist_ok=True)
        self.host_key, self.our_key = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
        self.key_file = home / "key"  # of who may send
        self.our_key.write_private_key(self.key_file)
        self.key_file.chmod(0o600)
        self._known = asyncssh.import_authorized_keys(self.our_key.export_public_key().decode())
        self.faults = Faults()
        self.figures: Counter[str] = Counter()
        self.times: Counter[str] = Counter()  # how often each name came
        self.named: list[str] = []
        self.writes = self.breaks_at = 0  # the write at which the connection breaks; 0 = none
        self.door = Door(self._listen, "127.0.0.1")

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.door.port

    @property
    def url(self) -> str:
        """Its address, as HERAUT_PRINT_SFTP_URL has it."""
        return f"sftp://heraut@127.0.0.1:{self.port}/in"

    @property
    def settings(self) -> dict[str, str]:
        """The settings of Heraut that lead to it."""
        return {
            "HERAUT_PRINT_SFTP_URL": self.url,
            "HERAUT_PRINT_SFTP_KEY": str(self.key_file),
            "HERAUT_PRINT_SFTP_HOST_KEY": self.host_key.export_public_key().decode().strip(),
        }

    async def _listen(self, host: str, port: int) -> tuple[Listener, int]:
        acceptor = await asyncssh.listen(
            host, port, server_host_keys=[self.host_key], authorized_client_keys=self._known,
            sftp_factory=lambda channel: _Session(channel, self), password_auth=False,
        )  # fmt: skip
        return acceptor, acceptor.get_port()

    @asynccontextmanager
    async def serve(self, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator["SftpServer"]:
        """Listen while the context lasts; the same port when served again."""
        self.door = Door(self._listen, host, port or self.door.port)
        await self.door.open()
        try:
            yield self
        finally:
            self.door.end()
            self.door.close()
