"""The error of the demo."""

from services.kit.errors import HerautError

__all__ = ["DemoError"]


class DemoError(HerautError):
    """The demo cannot be finished. Each line of the message is one reason; `status` is the exit status."""

    def __init__(self, message: str, status: int = 1) -> None:
        super().__init__(message)
        self.status = status
