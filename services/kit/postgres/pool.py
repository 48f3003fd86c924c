"""Pools of connections that work as a room's role, and which faults pass by themselves."""

from typing import TypeAlias

import asyncpg
import orjson

from services.kit.errors import RetryableError

__all__ = ["Connection", "Pool", "connect_pool", "is_retryable"]

# Quoted: asyncpg's classes are generic for the type checker only. What a pool lends is a connection too.
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"

# Longer than any statement of ours takes, shorter than a lease times two: a dead socket is noticed.
_COMMAND_SECONDS = 30.0
# Connections are renewed, so that one to a demoted primary does not live for ever.
_IDLE_CONNECTION_SECONDS = 300.0

# The server notices within a minute that a client's machine is gone, and lets go of the locks it held. (No
# meaning on a Unix socket, where the kernel tells at once.)
_KEEPALIVES = {"tcp_keepalives_idle": "30", "tcp_keepalives_interval": "10", "tcp_keepalives_count": "3"}


_PASSING = (
    RetryableError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.LockNotAvailableError,
    asyncpg.QueryCanceledError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.InsufficientResourcesError,  # connections, memory or disk: there may be room again
    asyncpg.ReadOnlySQLTransactionError,  # a demoted primary: the next connection finds the new one
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InvalidCachedStatementError,  # a migration ran meanwhile; the next try prepares its statements anew
    asyncpg.OutdatedSchemaCacheError,
    asyncpg.InternalClientError,  # what asyncpg makes of a server that dies in the middle of an answer
    TimeoutError,
    OSError,  # the socket's own faults: refused, reset, no such file while the server restarts
)


async def connect_pool(url: str, room: str, *, min_size: int = 1, max_size: int = 8) -> Pool:
    """Open a pool that works as the role of `room` and in its schema.

    A URL that logs in as another user (the owner) takes the role on; one that logs in as the role is it.
    """
    return await asyncpg.create_pool(
        url,
        min_size=min_size,
        max_size=max_size,
        command_timeout=_COMMAND_SECONDS,
        max_inactive_connection_lifetime=_IDLE_CONNECTION_SECONDS,
        # Sent with the start-up message, so they are what a reset of the session goes back to.
        server_settings={
            "role": f"heraut_{room}",
            "search_path": room,
            "application_name": f"heraut-{room}",
            # Arrays of any length are looked up key by key in an index. Statistics would mislead the planner: a table
            # grows from nothing to millions of rows within the hour.
            "plan_cache_mode": "force_generic_plan",
            **_KEEPALIVES,
        },
        init=_prepare,
        reset=_as_it_is,
    )


async def _prepare(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    for kind in ("json", "jsonb"):
        await connection.set_type_codec(kind, schema="pg_catalog", encoder=_dumps, decoder=orjson.loads)


async def _as_it_is(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Reset nothing: our settings and locks end with their transaction, and a reset is a round trip each time."""


def _dumps(value: object) -> str:
    return orjson.dumps(value).decode()


def is_retryable(error: BaseException) -> bool:
    """Tell whether the same may succeed when tried again from its beginning.

    True of a RetryableError, and of the database's own faults that pass by themselves.
    """
    if isinstance(error, asyncpg.InterfaceError):
        # asyncpg has one class for a lost connection and for a wrong call, and a bug must not be tried again. A
        # connection that a pool took back because its session ended says so at every later call.
        return any(words in str(error) for words in ("connection is closed", "has been released back to the pool"))
    return isinstance(error, _PASSING)
