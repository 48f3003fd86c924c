"""What is asked of the demo, and what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.demo.checking.check import Verdict
from services.demo.made_up.expectation import Expectation

__all__ = ["DemoWish", "Result"]


@dataclass(frozen=True, slots=True)
class DemoWish:
    """What is asked of the demo."""

    people: int
    waves: int
    supplements: bool
    log: str
    seed: int
    data: Path | None  # None = a fresh directory
    keep: bool  # leave everything running at the end


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a demo. `seconds` is the time from the first upload to the last hand-over."""

    wish: DemoWish
    ledger: dict[str, Any]
    expectation: Expectation
    verdict: Verdict
    seconds: float
    data: Path
    print_dir: Path
    console: str
    metrics: str
    how_to_stop: Sequence[str]

    @property
    def members(self) -> int:
        """Records sent: the sum of `received`."""
        return int(self.ledger["totals"]["received"])

    @property
    def throughput(self) -> float:
        """Members per second."""
        return self.members / self.seconds if self.seconds else 0.0

    @property
    def holds(self) -> bool:
        """Return whether the ledger balances and the check found nothing wrong."""
        return bool(self.ledger["balanced"]) and self.verdict.holds

    def as_json(self) -> dict[str, Any]:
        """Return the figures (interfaces: `heraut demo --json`)."""
        verdict = self.verdict
        return {
            "people": self.wish.people,
            "members": self.members,
            "notices": self.ledger["totals"]["notified"],
            "seconds": round(self.seconds, 3),
            "throughputPerSecond": round(self.throughput, 1),
            "lost": verdict.lost,
            "duplicates": verdict.duplicates,
            "somebodyElses": verdict.somebody_elses,
            "split": verdict.split,
            "unexpected": verdict.unexpected,
            "untold": verdict.untold,
            "handOvers": verdict.hand_overs,
            "channels": verdict.channels,
            "balanced": self.ledger["balanced"],
            "totals": self.ledger["totals"],
            "log": self.wish.log,
            "seed": self.wish.seed,
            "printDir": str(self.print_dir),
            "console": self.console,
            "metrics": self.metrics,
            "examples": verdict.examples,
        }
