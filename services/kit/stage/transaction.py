"""Transactions that prove first that this process still owns their partitions, and write their blocks last."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager

from services.kit.eventlog import Output, append_outputs
from services.kit.postgres import Connection
from services.kit.stage.context import StageContext
from services.kit.stage.epochs import LostEpochsError, fence

__all__ = ["Transaction", "job_transaction", "transaction"]


class Transaction:
    """An open transaction that has compared its epochs; what it gives out is written just before the commit."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.outputs: list[Output] = []

    def emit(self, outputs: Sequence[Output]) -> None:
        """Add blocks."""
        self.outputs.extend(outputs)


@asynccontextmanager
async def transaction(
    context: StageContext, partitions: Collection[int], name: str, *, is_look: bool = False
) -> AsyncIterator[Transaction]:
    """Open a fenced transaction; blocks go last, then it commits. `name` goes before its failpoints.

    `is_look`: without blocks it is no news.

    Raises LostOwnershipError before anything is written. Any other fault of the commit may mean that it
    was done and only its answer lost.
    """
    epochs, reached = context.assignment.epochs_of(partitions), context.failpoints.reached
    async with context.pool.acquire() as connection:
        async with connection.transaction():
            await fence(connection, context.stage, epochs)
            await reached(f"{name}: fenced")
            fenced = Transaction(connection)
            yield fenced
            await reached(f"{name}: applied")
            await append_outputs(connection, context.stage, fenced.outputs)
            await reached(f"{name}: committing")
        await reached(f"{name}: committed")
    if fenced.outputs:
        context.committed.set()
    if fenced.outputs or not is_look:
        context.news.spread()


@asynccontextmanager
async def job_transaction(
    context: StageContext, partitions: Collection[int], *, is_look: bool = False
) -> AsyncIterator[Transaction]:
    """Open a fenced transaction for a tick, which nearly always only looks, or a room's own job.

    Raises LostOwnershipError, with nothing written, where one of the partitions is not ours any more.
    """
    try:
        async with transaction(context, partitions, "job", is_look=is_look) as fenced:
            yield fenced
    except LostEpochsError as error:
        context.assignment.disown(error.epochs)  # where the lease is still ours, it is taken over afresh
        raise
    context.liveness.database_answered()
