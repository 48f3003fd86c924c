"""What is done about a batch that failed, decided without I/O."""

import asyncpg
import pytest

from services.kit.errors import LostOwnershipError, RetryableError
from services.kit.stage.faults import Interrupted, NotReadyError, Remedy, remedy_for


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (ZeroDivisionError(), Remedy.CUT),
        (asyncpg.DataError("a value that the driver refuses"), Remedy.CUT),
        (asyncpg.InterfaceError("a wrong call"), Remedy.CUT),
        (asyncpg.DeadlockDetectedError(), Remedy.RETRY),
        (asyncpg.SerializationError(), Remedy.RETRY),
        (NotReadyError(RetryableError("not known yet")), Remedy.WAIT),
        (RetryableError("the log is away"), Remedy.RAISE),
        (ConnectionResetError(), Remedy.RAISE),
        (asyncpg.LockNotAvailableError(), Remedy.RAISE),
        (LostOwnershipError("somebody else is the owner"), Remedy.RAISE),
        (Interrupted(), Remedy.RAISE),
    ],
)
def test_each_fault_has_its_remedy(error: Exception, remedy: Remedy) -> None:
    """A block is looked for only where a block can be to blame."""
    assert remedy == remedy_for(error, collisions=0)


def test_two_transactions_are_not_in_each_others_way_for_ever() -> None:
    """Five collisions are tried again, the sixth is no coincidence."""
    collision = asyncpg.DeadlockDetectedError()

    assert [Remedy.RETRY] * 5 == [remedy_for(collision, collisions=before) for before in range(5)]
    assert Remedy.RAISE == remedy_for(collision, collisions=5)


def test_a_block_that_waits_is_asked_for_again_when_its_room_says() -> None:
    """The wait that a room asks for outlives the change of class."""
    error = NotReadyError(RetryableError("not known yet", after=3.0))

    assert (3.0, "not known yet") == (error.after, str(error))
