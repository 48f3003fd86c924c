"""The job that every peer does: small, and a job all the same."""

from itertools import islice
from pathlib import Path

import orjson

from loadtests.cohort_files import write_cohorts, write_waves
from loadtests.peers.inside.job import channel_of, letter_of, person_of, records_of
from services.demo.made_up.people import each_person

_PEOPLE = 500


def test_people_are_told_apart_and_found_again(tmp_path: Path) -> None:
    """As many people as there are, also where waves overlap: with a number, a pseudonym, or neither."""
    load = write_waves(tmp_path / "waves", each_person(1, kinds={}), _PEOPLE, 4, 0.2)
    records = [record for path in load.paths for record in records_of(path)]
    persons = {person_of(record) for record in records}

    assert (_PEOPLE, load.persons) == (len(records), len(persons))
    assert {32} == {len(person) for person in persons}
    assert len(persons) == len({record["memberRef"] for record in records})


def test_a_letter_is_one_line_with_all_that_a_printer_needs(tmp_path: Path) -> None:
    """Name, address, language, and what was taken."""
    person = next(islice(each_person(1, kinds={}), 1))
    load = write_cohorts(tmp_path / "cohort", each_person(1, kinds={}), 1, 1)
    (record,) = records_of(load.paths[0])
    line = letter_of(record)
    letter = orjson.loads(line)

    assert ("letter", 1) == (channel_of(record), line.count(b"\n"))
    assert f"{person.initials} {person.family_name}" == letter["address"][0]
    assert (f"r{person.number}", 4, 2) == (letter["member"], len(letter["address"]), len(letter["taken"]))


def test_who_has_no_address_gets_no_letter() -> None:
    """Routing decides something."""
    assert "none" == channel_of({"city": ""})
