"""The peers' check: everybody exactly once, by letters and by records."""

from pathlib import Path

import pytest

from loadtests.cohort_files import Load
from loadtests.peers.peer import PeerFailed
from loadtests.peers.told import LineCount, check_told, members_of

_LETTERS = {"1.ndjson": '{"member": "r1"}\n{"member": "r2"}\n', "2.ndjson": '{"member": "r3"}\n'}


def _sent(folder: Path, *members: str) -> Load:
    path = folder / "cohort.csv"
    path.write_text("memberRef,bsn\n" + "".join(f"{member},\n" for member in members), encoding="utf-8")
    return Load([path], len(members), len(set(members)))


def _letters(folder: Path, files: dict[str, str]) -> Path:
    (folder / "letters").mkdir()
    for name, lines in files.items():
        (folder / "letters" / name).write_text(lines, encoding="utf-8")
    return folder / "letters"


def test_who_was_sent_twice_is_one_person(tmp_path: Path) -> None:
    """Waves that overlap have records of the same people."""
    load = _sent(tmp_path, "r1", "r2", "r1", "r3")

    assert {"r1", "r2", "r3"} == members_of(load)
    check_told([load], _letters(tmp_path, _LETTERS), 3)


@pytest.mark.parametrize(
    ("members", "recorded", "said"),
    [
        (("r1", "r2", "r3", "r4"), 4, "of 4 people 1 were not told, 0 twice; 0 were strangers; 4 deliveries"),
        (("r1", "r2"), 2, "of 2 people 0 were not told, 0 twice; 1 were strangers; 2 deliveries"),
        (("r1", "r2", "r3"), 2, "of 3 people 0 were not told, 0 twice; 0 were strangers; 2 deliveries"),
    ],
)
def test_missing_people_strangers_and_lost_records_fail(
    tmp_path: Path, members: tuple[str, ...], recorded: int, said: str
) -> None:
    """A peer that loses somebody has no figures."""
    with pytest.raises(PeerFailed, match=said):
        check_told([_sent(tmp_path, *members)], _letters(tmp_path, _LETTERS), recorded)


def test_who_is_told_twice_fails(tmp_path: Path) -> None:
    """Also where the two letters are of different processes."""
    letters = _letters(tmp_path, _LETTERS | {"3.ndjson": '{"member": "r1"}\n'})
    with pytest.raises(PeerFailed, match="0 were not told, 1 twice"):
        check_told([_sent(tmp_path, "r1", "r2", "r3")], letters, 3)


def test_lines_are_counted_as_they_come(tmp_path: Path) -> None:
    """What was counted once is not counted again, and new files are found."""
    folder = _letters(tmp_path, {"1.ndjson": "a\nb\n"})
    count = LineCount(folder)
    first = count.now()
    with (folder / "1.ndjson").open("a", encoding="utf-8") as file:
        file.write("c\n")
    (folder / "2.ndjson").write_text("d\n", encoding="utf-8")

    assert (2, 4) == (first, count.now())
