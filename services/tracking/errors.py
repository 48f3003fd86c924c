"""What can be wrong with what tracking is given."""

from services.kit.errors import InvalidMessage

__all__ = ["UnknownWordError"]


class UnknownWordError(InvalidMessage):
    """A block names a channel or an outcome that this version does not know: counting it would be a guess."""
