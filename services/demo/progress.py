"""How far the demo is."""

from dataclasses import dataclass, field

__all__ = ["Progress"]


@dataclass(slots=True)
class Progress:
    """How far the demo is. The demo writes it; the view reads it at any time."""

    phase: str = "starting"
    expected: int = 0  # records
    to_send: dict[str, int] = field(default_factory=dict)  # bytes by cohort
    sent: dict[str, int] = field(default_factory=dict)  # the same
    totals: dict[str, int] = field(default_factory=dict)  # of the ledger
    began: float | None = None  # first upload, on the monotonic clock
