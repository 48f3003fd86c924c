"""The faults of uploads, requests and events that intake is given."""

from collections.abc import Mapping

from services.kit.errors import HerautError, InvalidMessage, RetryableError

__all__ = [
    "BadHeaderError",
    "BrokenBodyError",
    "ChangedMeanwhileError",
    "ConflictError",
    "InvalidBlockError",
    "InvalidEventError",
    "MissingTextsError",
    "NotFoundError",
    "NotKnownYetError",
    "NotMatchedYetError",
    "NotPermittedError",
    "NotPublishedError",
    "ThrottledError",
    "UnknownMemberError",
]


class BrokenBodyError(HerautError):
    """The body of an upload cannot be read any further; the records before the break stand.

    `reason`: blank-lines, cut-off, encoding, gzip, gzip-ratio, too-slow, unclosed-quote or utf-16. `line` is where it
    broke, or None.
    """

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line


class BadHeaderError(HerautError):
    """The first line of a CSV body does not name columns that can be used: no record was read."""

    def __init__(self, problems: list[dict[str, str]]) -> None:
        super().__init__("the header row cannot be used")
        self.problems = problems


class ConflictError(HerautError):
    """The request contradicts the incident or cohort as it stands: 409."""


class ChangedMeanwhileError(HerautError):
    """The change is based on another version than the newest, which is `version`: 412."""

    def __init__(self, version: int) -> None:
        super().__init__(f"its newest version is {version}: read it again, and change that")
        self.version = version


class MissingTextsError(HerautError):
    """People would be told with words that are not there: 409. `problems` has {field, problem, cohortId} for each."""

    def __init__(self, problems: list[dict[str, str]]) -> None:
        super().__init__("; ".join(f"{p['cohortId']}: {p['field']}: {p['problem']}" for p in problems))
        self.problems = problems


class NotFoundError(HerautError):
    """The incident or cohort is not known: 404."""


class ThrottledError(HerautError):
    """The caller has asked for this too often, or for too much at once: 429. `after` is the wait, in seconds."""

    def __init__(self, message: str, after: float) -> None:
        super().__init__(message)
        self.after = after


class NotPublishedError(HerautError):
    """A stop is written, and the event log does not take it just now: 503. Nobody has heard of it yet."""

    def __init__(self, stop: str, named: Mapping[str, str | int]) -> None:
        super().__init__(
            f"{stop} is written, but the event log does not take it just now, so notices go on; "
            "it holds from when the log takes it. Ask again to learn whether it has"
        )
        self.named = named  # what the answer says of it beside the words


class UnknownMemberError(NotFoundError):
    """The cohort has no such record, accepted or rejected: 404."""


class NotPermittedError(HerautError):
    """The caller may not do this to what it names: 403."""


class InvalidEventError(InvalidMessage):
    """An event from upstream that will never be understood; the reason is a short code."""


class InvalidBlockError(InvalidMessage):
    """A block of another room that will never be understood; the reason is a short code."""


class NotKnownYetError(RetryableError):
    """An event names an incident or cohort that may still come."""


class NotMatchedYetError(RetryableError):
    """The records of an incident are not matched yet, and one came that is known by its match key alone."""
