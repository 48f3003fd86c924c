"""What an operator decided about rejected attempts, in words: it is done once nothing is overtaken by it."""

from collections.abc import Mapping
from typing import Any

from services.cli.console import number

__all__ = ["after", "decided_cells"]


def after(found: Mapping[str, Any]) -> str:
    """Return when it is done, and what waits already; `found` is the answer to an act."""
    done = ", once all is known that was accepted before" if found.get("letters", found.get("notices")) else ""
    return f"{done}; {number(found['waiting'])} wait for an earlier act" if found["waiting"] else done


def decided_cells(decided: Mapping[str, Any] | None) -> list[str]:
    """Return two cells: how many wait, and since when and for which partitions of deduplication."""
    if not decided:
        return ["", ""]
    behind = ", ".join(map(str, decided["behindIn"]))
    waits = f"deduplication, partitions {behind}" if behind else "its turn"
    return [number(decided["notices"]), f"{waits}, since {decided['since']}"]
