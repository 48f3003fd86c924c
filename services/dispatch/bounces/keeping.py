"""What was heard of attempts goes into the log, in a transaction of this stage; tells whether it is there for good."""

import logging
from collections.abc import Sequence

from services.core.receipts import Receipt
from services.kit.errors import LostOwnershipError
from services.kit.postgres import is_retryable
from services.kit.stage import StageHandle
from services.wire.receipts import encode_received

__all__ = ["keep"]

logger = logging.getLogger(__name__)


async def keep(stage: StageHandle, receipts: Sequence[Receipt]) -> bool:
    """Write receipts; False where that cannot be done now. A repeat changes nothing."""
    partition = min(stage.owned(), default=None)
    if partition is None:
        return False
    try:
        async with stage.fenced([partition]) as transaction:
            transaction.emit(list(encode_received(partition, receipts)))
    except LostOwnershipError:
        return False
    except Exception as error:
        if not is_retryable(error):
            raise
        logger.warning("a receipt cannot be kept", extra={"error_class": type(error).__name__})
        return False
    return True
