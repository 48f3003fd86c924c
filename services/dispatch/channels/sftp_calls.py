"""Calls of a print house's SFTP server: one connection for all, bounded in time, and every fault an OSError."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

import asyncssh

__all__ = ["SftpCalls"]

_LONGEST: Final = 60.0  # seconds for one call
_LOST = (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection)


class SftpCalls:
    """The connection that files are sent over, for whatever else is asked of the server."""

    def __init__(
        self, connected: Callable[[], Awaitable[asyncssh.SFTPClient]], leave: Callable[[], Awaitable[None]]
    ) -> None:
        """Make them; `connected` gives the connection, `leave` lets go of it."""
        self._connected, self._leave = connected, leave

    @asynccontextmanager
    async def client(self) -> AsyncIterator[asyncssh.SFTPClient]:
        """Give the connection; one that broke is let go of. Raises OSError whatever fails."""
        try:
            async with asyncio.timeout(_LONGEST):
                yield await self._connected()
        except asyncssh.SFTPNoSuchFile as error:
            raise FileNotFoundError("it is not there any more") from error
        except asyncssh.SFTPError as error:
            if isinstance(error, _LOST):
                await self._leave()
            raise OSError(f"the print house's server answers {type(error).__name__}") from error
        except (asyncssh.Error, OSError) as error:
            await self._leave()
            raise OSError("the print house cannot be asked") from error
