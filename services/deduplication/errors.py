"""What can be wrong with a block of members."""

from services.kit.errors import InvalidMessage

__all__ = ["InvalidBlockError"]


class InvalidBlockError(InvalidMessage):
    """A block of members that says something that cannot be.

    `reason`: no-cohort, no-version, flags, facts, witnesses, homes or judgement.
    """
