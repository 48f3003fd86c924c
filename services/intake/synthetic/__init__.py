"""The synthetic person: sent into the rooms again and again, and waited for."""

from services.intake.metrics import SyntheticMetrics
from services.intake.synthetic.rows import SyntheticRows
from services.intake.synthetic.sending import SyntheticSender
from services.intake.synthetic.waiting import SyntheticWaiting

__all__ = ["SyntheticMetrics", "SyntheticRows", "SyntheticSender", "SyntheticWaiting"]
