"""What can be wrong with what routing is given."""

from services.kit.errors import InvalidMessage

__all__ = ["EmptyBlockError"]


class EmptyBlockError(InvalidMessage):
    """A block without a notice: what its writer meant did not arrive."""

    def __init__(self) -> None:
        super().__init__("empty-block")
