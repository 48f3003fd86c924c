"""When the event log and the database last answered: a stage that hears from neither may not be the owner any more."""

import time

__all__ = ["Liveness"]


class Liveness:
    """The moments, on the monotonic clock, of the last answers of log and database."""

    def __init__(self) -> None:
        self._log = time.monotonic()  # nothing is asked of the log before the first take-over
        self._database = float("-inf")

    def log_answered(self) -> None:
        """Note that the log answered now."""
        self._log = time.monotonic()

    def database_answered(self, asked_at: float | None = None) -> None:
        """Note that the database answered now, or a question that was asked at `asked_at`."""
        self._database = time.monotonic() if asked_at is None else asked_at

    def log_heard_at(self) -> float:
        """Return when the log answered last, in seconds since 1970."""
        return _on_the_clock(self._log)

    def database_heard_at(self) -> float:
        """Return when the database answered last, in seconds since 1970; 0 = never."""
        return _on_the_clock(self._database)

    def both_within(self, seconds: float) -> bool:
        """Tell whether both answered within the last so many seconds."""
        oldest = time.monotonic() - seconds
        return self._database > oldest and self._log > oldest


def _on_the_clock(moment: float) -> float:
    return max(0.0, time.time() - (time.monotonic() - moment))
