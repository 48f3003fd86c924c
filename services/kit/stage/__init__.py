"""The stage: what every room is, between the blocks that it reads and the blocks that it gives out."""

from services.kit.stage.context import StageContext
from services.kit.stage.metrics import StageMetrics
from services.kit.stage.news import News
from services.kit.stage.port import Handler, StageHandle, StagePolicy
from services.kit.stage.published import wait_published
from services.kit.stage.set_back import Ahead, go_on_behind
from services.kit.stage.stage import Stage
from services.kit.stage.taken import read_taken
from services.kit.stage.totals import TotalsRow, move_totals, sum_totals

__all__ = [
    "Ahead",
    "Handler",
    "News",
    "Stage",
    "StageContext",
    "StageHandle",
    "StageMetrics",
    "StagePolicy",
    "TotalsRow",
    "go_on_behind",
    "move_totals",
    "read_taken",
    "sum_totals",
    "wait_published",
]
