"""How the release of a cohort goes, in words."""

from collections.abc import Iterator, Mapping
from typing import Any

from services.cli.console import number
from services.cli.grant_options import how_much

__all__ = ["release_lines", "rule_rows"]


def release_lines(going: Mapping[str, Any], stands: Mapping[str, Any]) -> Iterator[str]:
    """Return what tracking knows of a release, and intake of who asked for it and who paused it, as lines."""
    yield _asked(going, stands)
    sent = [
        f"{name}: {number(one['accepted'])} accepted, {number(one['refused'])} refused"
        for name, one in going["channels"].items()
        if one["accepted"] or one["refused"]
    ]
    if sent:
        yield "hand-overs by " + "; ".join(sent)
    posted = [f"{number(going[name])} {name}" for name in ("complaints", "bounced", "returned") if going[name]]
    if posted:
        yield "as people counted: " + ", ".join(posted)
    if stands["paused"]:
        yield f"paused by {stands['pausedBy'] or 'the pause of its incident'}: {stands['pauseId']}"
    if found := stands["stopped"]:
        by = f" by {found['channel']}" if "channel" in found else ""
        share = f"more than {100 * found['above']:g}%"
        yield f"stopped: {found['rule']}, {number(found['count'])} of {number(found['of'])}{by}, {share}"


def _asked(going: Mapping[str, Any], stands: Mapping[str, Any]) -> str:
    waits = f"; {stands['releaseAskedBy']} asked for a release that waits" if stands.get("releaseAsked") else ""
    if stands.get("cancelled"):
        return "cancelled, for good: who was not told by then is not"
    if not going["released"]:
        return f"not released{waits}"
    left = "" if going["left"] is None else f", {number(going['left'])} left"
    gone = f"{number(going['letGo'])} let go{left}, {number(going['told'])} told"
    return f"released{how_much(going)}: {gone}{waits}"


def rule_rows(going: Mapping[str, Any]) -> list[list[Any]]:
    """Return the shares that stop rules look at as rows of a table; those of nothing are left out."""
    return [
        [
            *(one["rule"], one["channel"] or "all", f"{100 * one['share']:.1f}%", f"{100 * one['above']:g}%"),
            f"{number(one['count'])} of {number(one['of'])}" + ("" if one["enough"] else ", too few to stop"),
        ]
        for one in going["rules"]
        if one["of"]
    ]
