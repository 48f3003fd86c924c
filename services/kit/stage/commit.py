"""The one transaction of a batch: positions move, effects and blocks are written, or nothing of it happens."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from services.kit.errors import LostOwnershipError
from services.kit.eventlog import Output, dead_letter, is_dead_letter_topic, is_foreign, original_of
from services.kit.postgres import Queries
from services.kit.stage.context import StageContext
from services.kit.stage.plan import Plan
from services.kit.stage.spans import batch_spans
from services.kit.stage.transaction import Transaction, transaction

__all__ = ["commit"]

logger = logging.getLogger(__name__)

_QUERIES = Queries.load(Path(__file__).with_name("queries.sql"))


async def commit(context: StageContext, plan: Plan, work: Sequence[Any]) -> None:
    """Do what a plan says; `work` is what the handler made of its blocks. Raises whatever prevents the commit."""
    with batch_spans(context, plan.taken) as spans:
        async with transaction(context, {move.at.partition for move in plan.moves}, "batch") as fenced:
            await _move(context.stage, fenced, plan)
            await context.failpoints.reached("batch: moved")
            outputs = list(await context.handler.apply(fenced.connection, work)) if work else []
            outputs += _dead_letters(context.stage, plan)
            fenced.emit(await _less_foreign(context, spans.marked(outputs)))
    context.assignment.move((move.at, move.after) for move in plan.moves)
    _count(context, plan)


async def _move(stage: str, fenced: Transaction, plan: Plan) -> None:
    """Compare and swap positions. Raises LostOwnershipError where one of them is not where we left it."""
    moves = plan.moves
    status = await fenced.connection.execute(
        _QUERIES["move_input"],
        stage,
        [move.at.topic for move in moves],
        [move.at.partition for move in moves],
        [move.before.next_offset for move in moves],
        [move.before.taken for move in moves],
        [move.after.next_offset for move in moves],
        [move.after.taken for move in moves],
    )
    if status != f"UPDATE {len(moves)}":
        raise LostOwnershipError(f"{stage}: of {len(moves)} positions some moved under us ({status})")


def _dead_letters(stage: str, plan: Plan) -> list[Output]:
    """Return the dead letters of records that are no messages."""
    return [
        dead_letter(read.record, stage, type(read.invalid).__name__, read.invalid.reason)
        for read in plan.taken
        if read.invalid is not None
    ]


async def _less_foreign(context: StageContext, outputs: Sequence[Output]) -> Sequence[Output]:
    """Send dead letters of foreign topics straight to the log, as the database must not hold them; return the rest."""
    if not context.log.outside_database:
        return outputs
    kept: list[Output] = []
    for output in outputs:
        if _is_foreign_dead_letter(output.topic):
            await context.log.forward(output)
        else:
            kept.append(output)
    return kept


def _is_foreign_dead_letter(topic: str) -> bool:
    return is_dead_letter_topic(topic) and is_foreign(original_of(topic)[0])


def _count(context: StageContext, plan: Plan) -> None:
    metrics = context.metrics
    metrics.records.inc(len(plan.taken))
    metrics.repeated.inc(plan.repeated)
    for read in plan.taken:
        if read.invalid is not None:
            metrics.dead_letters(read.invalid.reason).inc()
            logger.warning("set a block aside", extra={**context.place_of(read.record), "reason": read.invalid.reason})
