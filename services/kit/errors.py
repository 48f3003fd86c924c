"""The three kinds of failure: permanent, passing, and bugs (anything else, which ends the process)."""

__all__ = [
    "ConfigError",
    "HerautError",
    "InvalidMessage",
    "LogPositionError",
    "LogRefusedError",
    "LostOwnershipError",
    "RetryableError",
]


class HerautError(Exception):
    """The base of all errors that Heraut itself raises."""


class ConfigError(HerautError):
    """The settings cannot be used. The message has all faults, one a line."""


class InvalidMessage(HerautError):  # noqa: N818 - the field's own word for it
    """A record that will never be understood: it goes to the dead letters, untouched.

    `reason` is a short code for metrics and headers; it never repeats what the record held.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class RetryableError(HerautError):
    """A passing fault: the same call may succeed after a while. `after` is the wait asked for, in seconds."""

    def __init__(self, message: str, after: float | None = None) -> None:
        super().__init__(message)
        self.after = after


class LostOwnershipError(HerautError):
    """Another process owns the partition now, or has moved its position: the partition is taken over afresh."""


class LogRefusedError(HerautError):
    """The log will never take what we wrote: too large, or not permitted. The partition stops until a human acts."""


class LogPositionError(HerautError):
    """The log and the database disagree in a way that no take-over mends: the partition stops until a human acts."""
