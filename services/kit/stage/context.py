"""What the parts of one stage share."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from services.kit.eventlog import EventLog, Record
from services.kit.postgres import Pool
from services.kit.stage.assignment import Assignment
from services.kit.stage.failpoints import Failpoints, NoFailpoints
from services.kit.stage.leases import new_holder
from services.kit.stage.liveness import Liveness
from services.kit.stage.metrics import StageMetrics
from services.kit.stage.news import News
from services.kit.stage.port import Handler, StagePolicy
from services.kit.tracing import NOT_TRACED, Tracing, causes_of

__all__ = ["StageContext"]


@dataclass(frozen=True, kw_only=True)
class StageContext:
    """What a stage is made for, and what its parts have in common. One context serves one stage of one process."""

    stage: str  # its name
    topics: Sequence[str]  # what it reads; foreign topics among them carry no sequences of ours
    partitions: int  # how many this installation has
    pool: Pool
    log: EventLog
    handler: Handler[Any]
    policy: StagePolicy
    metrics: StageMetrics
    failpoints: Failpoints = field(default_factory=NoFailpoints)
    tracing: Tracing = NOT_TRACED
    holder: str = field(default_factory=new_holder)  # this process, as its leases name it
    liveness: Liveness = field(default_factory=Liveness)
    # Held during the transaction of a batch or a tick, so that the two never run at the same time.
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    committed: asyncio.Event = field(default_factory=asyncio.Event)  # set when there may be blocks to publish
    news: News = field(default_factory=News)  # of commits of this process, and of what its room follows

    @cached_property
    def assignment(self) -> Assignment:
        """Return the partitions that this process holds: one object, the same at every call."""
        return Assignment(self.stage, self.metrics)

    def place_of(self, record: Record) -> dict[str, str | int]:
        """Return the fields of a log line that say where a record stands, in its trace too."""
        causes = causes_of(record.headers) if self.tracing.is_on else ()
        return {
            **({"trace_id": causes[0].trace_id} if causes else {}),
            "stage": self.stage,
            "topic": record.topic,
            "partition": record.partition,
            "offset": record.offset,
            "source": record.source,
            "seq": record.seq,
        }
