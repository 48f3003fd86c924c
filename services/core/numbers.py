"""Numbers as JSON writes them. Pure."""

from typing import Any

__all__ = ["whole"]


def whole(value: Any) -> Any:
    """Return a whole number as an int, also where it is written `195.0`; any other value as it is.

    To JSON Schema (2020-12, 6.1.1) both are integers, and some libraries write every number with a point.
    """
    return int(value) if type(value) is float and value.is_integer() else value
