"""Who was told: the letters that were written, beside the people that were sent."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import orjson

from loadtests.cohort_files import Load
from loadtests.peers.peer import PeerFailed

__all__ = ["LineCount", "check_told", "members_of"]


def check_told(loads: Iterable[Load], letters: Path, recorded: int) -> None:
    """Compare the letters of a folder, and how many deliveries were recorded, with all who were sent.

    Raises PeerFailed where anybody is missing, or was told twice, or is a stranger.
    """
    wanted = {member for load in loads for member in members_of(load)}
    told = Counter(
        orjson.loads(line)["member"] for path in letters.iterdir() for line in path.read_bytes().splitlines()
    )
    missing, strangers = len(wanted - told.keys()), len(told.keys() - wanted)
    twice = sum(1 for times in told.values() if times > 1)
    if missing or strangers or twice or recorded != len(wanted):
        raise PeerFailed(
            f"of {len(wanted)} people {missing} were not told, {twice} twice; {strangers} were strangers; "
            f"{recorded} deliveries are recorded"
        )


def members_of(load: Load) -> set[str]:
    """Return the `memberRef` of everybody in a load; records of one person have the same."""
    return {
        line.partition(",")[0]
        for path in load.paths
        for line in path.read_text(encoding="utf-8").splitlines()[1:]  # below the header
    }


class LineCount:
    """The lines of a folder's files so far; what was counted is not read again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[Path, int] = {}  # bytes
        self._lines = 0

    def now(self) -> int:
        """Return how many lines there are."""
        for path in self._folder.iterdir():
            with path.open("rb") as file:
                file.seek(self._read.get(path, 0))
                while piece := file.read(1 << 20):
                    self._lines += piece.count(b"\n")
                self._read[path] = file.tell()
        return self._lines
