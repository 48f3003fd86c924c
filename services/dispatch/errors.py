"""Faults in the blocks that dispatch is given."""

from services.kit.errors import InvalidMessage

__all__ = ["UnnumberedAttemptError"]


class UnnumberedAttemptError(InvalidMessage):
    """A routed notice without the number of its attempt: it has no natural key, so it could be sent twice."""

    def __init__(self) -> None:
        super().__init__("no-attempt")
