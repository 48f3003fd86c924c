"""What limits mean, in words: how much a provider is handed, and what waits for that. Pure."""

from collections.abc import Mapping
from typing import Any

from services.cli.console import number

__all__ = ["cap_words", "held_back"]


def cap_words(cap: Mapping[str, Any]) -> str:
    """Return how much a provider is handed at most, and of a day how much that was."""
    if "usedToday" in cap:
        return f"{cap['messages']} a day, {cap['usedToday']} today"
    return f"{cap['messages']} in {cap['seconds']:g} s"


def held_back(found: Mapping[str, Any]) -> str:
    """Return what waits for limits; empty where nothing does."""
    told = []
    if found["capsUntil"]:
        told.append(f"its caps are used up until {found['capsUntil']}")
    if found["messages"]:
        told.append(f"{number(found['messages'])} wait for limits of domains, of which there are {found['domains']}")
    if found["domainsLeftAlone"]:
        told.append(f"domains that asked for less: {found['domainsLeftAlone']}")
    return "; ".join(told)
