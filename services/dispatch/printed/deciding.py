"""What an operator decides about letters that the print house rejected: they are printed again, or given up.

Nothing else begins them anew. Printed again, a letter is another attempt in another print file. That is written down
here, and done once nothing is overtaken by it (`rejected/carrying_out.py`).
"""

from services.core.access import Act, Caller
from services.dispatch.printed.store import PrintedStore
from services.dispatch.provider import Traits
from services.dispatch.rejected.decided import Decision
from services.dispatch.rejected.deciding import Decisions
from services.kit.errors import LostOwnershipError
from services.kit.stage import StageHandle

__all__ = ["Deciding", "PostedError", "UnknownJobError", "file_of"]


class UnknownJobError(LookupError):
    """There is no such print run, and no such print file."""


class PostedError(Exception):
    """The print house said of some of it that it was posted, and rejected it as well: people may be told twice."""


class Deciding:
    """Takes what operators decide, for all partitions: rows are locked, whoever owns them."""

    def __init__(self, decisions: Decisions, stage: StageHandle, traits: Traits) -> None:
        self._decisions, self._stage, self._printed = decisions, stage, PrintedStore(traits.channel)

    async def print_again(self, job: str, caller: Caller, *, even_if_posted: bool = False) -> Decision:
        """Have what was rejected of a run or a print file printed again, as attempts of their own.

        Raises UnknownJobError, PostedError unless `even_if_posted`, LostOwnershipError, and what databases raise.
        """
        return await self._decide(Act.PRINTED_AGAIN, job, caller, even_if_posted=even_if_posted)

    async def give_up(self, job: str, caller: Caller, *, even_if_posted: bool = False) -> Decision:
        """Have what was rejected of a run or a print file given back to routing, for the next channel. Likewise."""
        return await self._decide(Act.PRINT_GIVEN_UP, job, caller, even_if_posted=even_if_posted)

    async def _decide(self, act: Act, job: str, caller: Caller, *, even_if_posted: bool) -> Decision:
        owned = min(self._stage.owned(), default=None)
        if owned is None:
            raise LostOwnershipError("no partition is owned")
        async with self._stage.fenced([owned]) as transaction:
            connection = transaction.connection
            files = await self._printed.files_of(connection, job, file_of(job))
            if not files:
                raise UnknownJobError
            batches = await self._printed.unprinted(connection, [one.job for one in files])
            posted = {one.job for one in files if one.posted}
            if any(batch.print_job in posted for batch in batches) and not even_if_posted:
                raise PostedError
            return await self._decisions.add(connection, act, job, batches, caller, even_if_posted=even_if_posted)


def file_of(job: str) -> bytes | None:
    """Return the print file that is named; None where it can only be a print run."""
    try:
        found = bytes.fromhex(job)
    except ValueError:
        return None
    return found if len(job) == 2 * len(found) == 32 else None
