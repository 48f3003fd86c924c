"""Faults in the blocks that dispatch is given."""

from services.kit.errors import HerautError, InvalidMessage

__all__ = ["SyntheticError", "UnnumberedAttemptError"]


class UnnumberedAttemptError(InvalidMessage):
    """A routed notice without the number of its attempt: it has no natural key, so it could be sent twice."""

    def __init__(self) -> None:
        super().__init__("no-attempt")


class SyntheticError(HerautError):
    """A bug: somebody who is nobody was about to be handed over to a provider."""
