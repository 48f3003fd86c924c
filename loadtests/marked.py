"""The usual print profile with a DataMatrix on the front of each sheet."""

from pathlib import Path

import orjson

from services.rendering.letters import profile_file

__all__ = ["marked_profile"]

_MARK = {"x": 8, "y": 120, "width": 10, "height": 10}


def marked_profile(folder: Path) -> Path:
    """Write it to a folder, and return the file."""
    usual = Path(profile_file.__file__).with_name("profiles") / f"{profile_file.USUAL_PROFILE.name}.json"
    path = folder / "marked.json"
    path.write_bytes(orjson.dumps(orjson.loads(usual.read_bytes()) | {"sheetMark": _MARK}))
    return path
