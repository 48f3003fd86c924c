"""What can be wrong with what tracking is given."""

from services.kit.errors import InvalidMessage

__all__ = ["UnknownWordError"]


class UnknownWordError(InvalidMessage):
    """A block names a channel, an outcome or a counter that this version does not know.

    Counting the rest of it would be a guess; leaving the word out would show people as in flight for ever. A replay
    counts the block once a version runs that knows the word. `reason`: unknown-channel, unknown-outcome or
    unknown-counter.
    """
