"""The files of the made-up waves hold what the expectation says."""

import csv
import gzip
import io
from pathlib import Path

import orjson
import pytest

from services.demo.made_up.cohort_file import COLUMNS
from services.demo.made_up.cohorts import make_waves
from services.demo.made_up.expectation import Expectation
from services.demo.made_up.people import make_people
from services.demo.made_up.wave import Wave
from services.intake.records.fields import FIELD_NAMES


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Wave], Expectation]:
    """Three waves with supplements."""
    return make_waves(make_people(3000, seed=5), 3, 5, tmp_path_factory.mktemp("waves"), supplements=True)


def test_a_cohort_file_has_every_field() -> None:
    """Sources send all that a member record may have; nobody made up is written to through somebody else.

    Their family names are those that they use, so no other name of theirs is given.
    """
    not_sent = {"careOf", "addressee", "salutation", "addressLines", "role", "birthName", "partnerName"}

    assert not_sent == set(FIELD_NAMES) ^ set(COLUMNS)


def _text(path: Path) -> str:
    content = path.read_bytes()
    return (gzip.decompress(content) if path.suffix == ".gz" else content).decode()


def _lines(path: Path) -> list[str]:
    text = _text(path)
    if ".csv" in path.name:
        return [row["memberRef"] for row in csv.DictReader(io.StringIO(text)) if None not in row.values()]
    return [line.split('"')[3] for line in text.splitlines() if line.endswith("}")]


def test_declared_counts_each_member_once(made: tuple[list[Wave], Expectation]) -> None:
    """A repeated line or a correction is no further member, and a line that cannot be read is none."""
    waves, expectation = made

    assert [wave.declared for wave in waves] == [len(set(_lines(wave.path))) for wave in waves]
    assert expectation.received == sum(wave.declared for wave in waves)


def test_one_wave_has_room_for_all_that_sources_say(tmp_path: Path) -> None:
    """Where there is one wave, it has every record of somebody who is known in several ways, each by its reference."""
    waves, expectation = make_waves(make_people(1000, seed=5), 1, 5, tmp_path, supplements=False)

    assert expectation.received == waves[0].declared == len(set(_lines(waves[0].path)))
    assert expectation.notices > 1000 * 0.97


def test_lines_are_repeated_and_corrected(made: tuple[list[Wave], Expectation]) -> None:
    """Every wave has repeated lines, and a file that corrects some of its records."""
    for wave in made[0]:
        refs = _lines(wave.path)
        assert wave.corrections
        assert len(refs) > len(set(refs))
        assert set(_lines(wave.corrections)) <= set(refs)


def test_people_overlap_waves(made: tuple[list[Wave], Expectation]) -> None:
    """About four people in ten are in more than one wave."""
    people = [{int(ref.split("-")[1].rstrip("bcd")) for ref in _lines(wave.path)} for wave in made[0]]
    several = {number for at, some in enumerate(people) for other in people[:at] for number in some & other}

    assert 0.3 < len(several) / 3000 < 0.5


def test_supplements_come_in_the_last_wave(made: tuple[list[Wave], Expectation]) -> None:
    """About one person in ten must be told twice, and nobody more often."""
    revisions = [person.revisions for person in made[1].persons]

    assert 0.05 < revisions.count(2) / 3000 < 0.12
    assert {0, 1, 2} == set(revisions)


def test_without_supplements_nobody_is_told_twice(tmp_path: Path) -> None:
    """The same facts from several sources give one notice."""
    _, expectation = make_waves(make_people(500, seed=5), 2, 5, tmp_path, supplements=False)

    assert {0, 1} == {person.revisions for person in expectation.persons}


def test_the_same_seed_writes_the_same_files(tmp_path: Path) -> None:
    """The same seed writes the same bytes."""
    folders = [tmp_path / name for name in ("a", "b")]
    for folder in folders:
        folder.mkdir()
        make_waves(make_people(200, seed=9), 2, 9, folder, supplements=False)

    assert [p.read_bytes() for p in sorted(folders[0].iterdir())] == [
        p.read_bytes() for p in sorted(folders[1].iterdir())
    ]


def test_ndjson_lines_are_records(made: tuple[list[Wave], Expectation]) -> None:
    """Every line is a JSON object of a member record, except those that are broken on purpose."""
    readable = 0
    lines = made[0][1].path.read_bytes().splitlines()
    for line in lines:
        try:
            readable += "memberRef" in orjson.loads(line)
        except orjson.JSONDecodeError:
            continue

    assert len(lines) * 0.99 < readable < len(lines)


def test_who_moved_is_sent_with_the_old_address_and_corrected(tmp_path: Path) -> None:
    """Nobody is known at the old address in the end: a letter to it is counted. The waves wait for a release."""
    waves, expectation = make_waves(make_people(1000, seed=5), 2, 5, tmp_path, supplements=False, moves=True)
    sent = "".join(_text(wave.path) for wave in waves)
    corrected = "".join(_text(wave.corrections) for wave in waves if wave.corrections)

    assert 50 < sent.count("Vertrokkenweg") < corrected.count("\n")
    assert "Vertrokkenweg" not in corrected
    assert not any(known.street == "Vertrokkenweg" for person in expectation.persons for known in person.known_as)
    assert [False, False] == [wave.document["autoRelease"] for wave in waves]
