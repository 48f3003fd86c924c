"""Whom users of an installation's interface can ask. Pure."""

import re
from typing import NamedTuple

__all__ = ["Helpdesk", "helpdesk"]


class Helpdesk(NamedTuple):
    """Whom to ask, in the words of OpenAPI (`info.contact`)."""

    name: str
    email: str
    url: str


def helpdesk(text: str) -> Helpdesk:
    """Parse `Name <address@example.org> https://...`. Raises ValueError where a part is missing."""
    match = re.fullmatch(r"([^<>]+?)\s*<([^<>\s@]+@[^<>\s@]+)>\s*(https?://\S+)", text)
    if not match:
        raise ValueError("must be: Name <address@example.org> https://...")
    return Helpdesk(*match.groups())
