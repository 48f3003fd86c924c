"""What can be wrong with a batch, and what is done about it."""

from enum import Enum, auto

import asyncpg

from services.kit.errors import HerautError, LostOwnershipError, RetryableError
from services.kit.postgres import is_retryable

__all__ = ["Interrupted", "NotReadyError", "Remedy", "remedy_for"]

_IN_EACH_OTHERS_WAY = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)
# Two transactions in each other's way: one was told to come again. A sixth time in a row is no coincidence.
_COLLISIONS = 5


class Interrupted(HerautError):  # noqa: N818 - nothing is wrong
    """The blocks that were read are not wanted any more: partitions came or went, or the stage stops."""


class NotReadyError(RetryableError):
    """Some blocks refer to something that is not known here yet; `after` says when to read them again."""

    def __init__(self, error: RetryableError) -> None:
        super().__init__(str(error), error.after)


class Remedy(Enum):
    """What is done about a batch whose commit failed."""

    CUT = auto()  # our code fails on some block: halves are tried until the block is found
    RETRY = auto()  # another transaction was in the way: the same again at once
    WAIT = auto()  # the partition of a block that is not ready waits, the others go on
    RAISE = auto()  # no block is to blame: the whole loop begins again, or the process ends


def remedy_for(error: Exception, collisions: int) -> Remedy:
    """Choose what to do about `error`, after so many collisions with other transactions in this batch."""
    if isinstance(error, _IN_EACH_OTHERS_WAY):
        return Remedy.RETRY if collisions < _COLLISIONS else Remedy.RAISE
    if isinstance(error, NotReadyError):
        return Remedy.WAIT
    if isinstance(error, LostOwnershipError | Interrupted) or is_retryable(error):
        return Remedy.RAISE
    return Remedy.CUT
