"""What records say of who somebody is, as it travels."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.witnesses import LENGTHS, Witnesses, are_others, unpacked
from services.intake.records.record import Record, RecordColumns
from services.intake.records.witnesses import Remembered
from services.intake.records.witnesses import Witnesses as Maker

MAKER = Maker(b"w" * 32, "lab")
TEXTS = st.sampled_from(["", "A", "Jansen-Berg", "onbekend", "J.P.", "Chr.", "bis", "12", "É"])


def said(**fields: Any) -> Witnesses:
    """Return the witnesses of a record with these fields."""
    return unpacked(MAKER.of(Record(**fields)))


def on_match_key(**fields: Any) -> Witnesses:
    """Return the witnesses of somebody without BSN and person key."""
    return said(family_name="Vries", birth_date="1970-03-05", **fields)


def named(name: str) -> frozenset[bytes]:
    """Return the forms of a family name."""
    return said(bsn="123456782", family_name=name).forms


def test_nothing_known_is_nothing_said() -> None:
    """A source that sends pseudonyms and facts alone says nothing of who somebody is, but that it has a number."""
    assert Witnesses(True, frozenset(), bytes(3), b"", b"", b"", b"") == said(person_key="0" * 64)


@pytest.mark.parametrize(
    ("born", "known"),
    [("1970-03-05", (True, True, True)), ("1970-00-00", (True, False, False)), ("1970-03-00", (True, True, False)),
     ("0000-00-00", (False, False, False)), ("", (False, False, False))],
)  # fmt: skip
def test_a_birth_date_is_known_as_far_as_it_goes(born: str, known: tuple[bool, ...]) -> None:
    """A register's incomplete date has a year, or nothing."""
    assert known == tuple(map(bool, said(bsn="1", birth_date=born).birth))


def test_no_two_days_of_a_lifetime_are_taken_for_one_another() -> None:
    """Years, months and days have few values: each has a byte of its own, so that none agrees by chance."""
    years = {said(bsn="1", birth_date=f"{year}-01-01").birth[0] for year in range(1800, 2055)}
    months = {said(bsn="1", birth_date=f"1970-{month:02}-01").birth[1] for month in range(1, 13)}
    days = {said(bsn="1", birth_date=f"1970-01-{day:02}").birth[2] for day in range(1, 32)}

    assert (255, 12, 31) == (len(years), len(months), len(days))
    assert 0 not in years | months | days


@pytest.mark.parametrize(
    ("one", "other"),
    [("de Vries", "VRIES"), ("Müller", "Muller"), ("Jansen-de Vries", "de Vries"), ("Jansen-de Vries", "Jansen"),
     ("Jansen - de Vries", "Vries"), ("van 't Hof", "Hof"), ("Øster", "oster")],
)  # fmt: skip
def test_ways_to_write_a_name_share_a_form(one: str, other: str) -> None:
    """Prefixes, case, diacritics and the parts of a double name make nobody somebody else."""
    assert named(one) & named(other)


@pytest.mark.parametrize(
    "text", ["", "onbekend", "ONBEKEND", "Unknown", "n.v.t.", "N/A", "-", "x", "X.", "???", "NULL"]
)
def test_a_name_that_says_that_there_is_none_is_none(text: str) -> None:
    """It would contradict every real one."""
    assert frozenset() == named(text)


def under_a_number(**names: str) -> Witnesses:
    """Return the witnesses of somebody with a number, of whose birth date nothing is known."""
    return said(bsn="123456782", **names)


JANSEN, VRIES, BAKKER = (under_a_number(family_name=name) for name in ("Jansen", "Vries", "Bakker"))


@pytest.mark.parametrize(
    ("names", "agrees"),
    [
        ({"family_name": "Jansen", "birth_name": "de Vries"}, (True, True, False)),
        ({"family_name": "Jansen-de Vries", "birth_name": "de Vries", "partner_name": "Jansen"}, (True, True, False)),
        ({"family_name": "Vries", "partner_name": "Jansen"}, (False, True, False)),  # could be the partner
        ({"birth_name": "de Vries", "partner_name": "Jansen"}, (True, True, False)),
        ({"birth_name": "de Vries"}, (False, True, False)),
        ({"partner_name": "Jansen"}, (True, False, False)),
        ({"family_name": "onbekend", "birth_name": "de Vries"}, (False, True, False)),
    ],
)
def test_a_name_from_birth_is_a_form_of_the_name(names: dict[str, str], agrees: tuple[bool, ...]) -> None:
    """Who changed names is nobody else; the partner's name is the partner's too, unless no name is known to be used."""
    one = under_a_number(**names)

    assert agrees == tuple(not are_others(one, other) for other in (JANSEN, VRIES, BAKKER))


@given(st.sampled_from(["Jansen", "A-B-C-D", "onbekend-Vries"]), TEXTS, TEXTS)
def test_further_names_take_no_form_away(family: str, birth: str, partner: str) -> None:
    """So nobody who agreed with a record contradicts it because it says more names."""
    more = under_a_number(family_name=family, birth_name=birth, partner_name=partner)

    assert named(family) <= more.forms


def test_a_long_double_name_has_four_forms() -> None:
    """As it is written, and its first parts."""
    assert 4 == len(named("Aa-Bb-Cc-Dd-Ee"))


@pytest.mark.parametrize(
    ("text", "like", "length"),
    [("J.P.", "J P", 2), ("JP", "J.P.", 2), ("Th.J.", "T.J.", 2), ("Chr.", "C", 1), ("Jan", "J.", 1),
     ("A.B.C.D.E.", "ABCD", 4), ("É.", "E.", 1), ("", "-", 0), ("Ж.", "", 0)],
)  # fmt: skip
def test_initials_are_compared_one_by_one(text: str, like: str, length: int) -> None:
    """However they are written; four at most, and of our alphabet."""
    one, other = on_match_key(initials=text), on_match_key(initials=like)

    assert (one.initials, length) == (other.initials, len(one.initials.rstrip(b"\0")))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [("Jan", "JAN Pieter", True), ("José", "Jose", True), ("Sanne", "Tim", False), ("J.", "", True)],
)
def test_of_a_given_name_the_first_word_counts(one: str, other: str, *, same: bool) -> None:
    """And a letter is no name."""
    assert same == (on_match_key(given_name=one).given_name == on_match_key(given_name=other).given_name)


def test_a_letter_as_addition_is_the_house_letter() -> None:
    """Sources put it into either field; anything longer is an addition."""
    as_addition, as_letter = on_match_key(house_number_addition="a"), on_match_key(house_letter="A")

    assert as_letter == as_addition
    assert (b"", b"") != on_match_key(house_number_addition="bis")[5:] != as_letter[5:]
    assert (b"", b"") == on_match_key(house_number_addition="-")[5:]


def test_who_has_a_number_says_all_the_same_as_who_has_none() -> None:
    """Records without a number may be tied to it: then twins must be told apart."""
    more = {"initials": "J.", "given_name": "Jan", "house_letter": "A", "house_number_addition": "bis"}
    known = {"family_name": "Vries", "birth_date": "1970-03-05"}

    assert on_match_key(**more)._replace(identified=True) == said(bsn="123456782", **known, **more)


def test_other_incidents_have_other_witnesses() -> None:
    """Nobody who reads topics links a person over incidents."""
    record = Record(family_name="Vries", birth_date="1970-03-05", initials="J.", given_name="Jan", house_letter="A")
    one, other = (unpacked(Maker(b"w" * 32, incident).of(record)) for incident in ("lab", "bank"))

    assert [True] * 5 == [getattr(one, name) != getattr(other, name) for name in other._fields[1:6]]


def test_another_pepper_makes_other_witnesses() -> None:
    """Without the key, nothing can be tried."""
    record = Record(bsn="123456782", family_name="Vries", birth_date="1970-03-05")

    assert MAKER.of(record) != Maker(b"v" * 32, "lab").of(record)


RECORDS = st.fixed_dictionaries({
    "bsn": st.sampled_from(["", "123456782"]), "person_key": st.sampled_from(["", "0" * 64]), "family_name": TEXTS,
    "birth_name": TEXTS, "partner_name": TEXTS,
    "birth_date": st.sampled_from(["", "1970-03-05", "1970-00-00", "0000-00-00", "rubbish"]), "initials": TEXTS,
    "given_name": TEXTS, "house_letter": TEXTS, "house_number_addition": TEXTS,
})  # fmt: skip


@given(st.lists(RECORDS, min_size=1, max_size=6))
def test_columns_come_to_what_records_come_to(records: list[dict[str, str]]) -> None:
    """One by one or together: the same witnesses, each as long as its head says."""
    columns = RecordColumns(
        rows=[b""] * len(records),
        left_out=frozenset(),
        **{
            field: [record.get(field, "") for record in records]
            for field in RecordColumns.__struct_fields__
            if field not in {"rows", "left_out"}
        },
    )
    made = MAKER.of_all(columns)

    assert [MAKER.of(Record(**record)) for record in records] == made
    assert [LENGTHS[one[0]] for one in made] == [len(one) for one in made]


def test_what_is_remembered_is_bounded() -> None:
    """A source whose people all have other names costs time, and not memory."""
    remembered = Remembered(str.encode, most=3)

    assert [b"a", b"b", b"c", b"d", b"a", b"d"] == [remembered[text] for text in "abcdad"]
    assert {"a", "b", "c"} == remembered.keys()


def test_records_are_made_of_texts() -> None:
    """The maker reads the fields of a record by their names: they are there."""
    fields = {"initials", "given_name", "family_name", "birth_date", "house_letter", "house_number_addition"}

    assert fields <= {field.name for field in msgspec.structs.fields(Record)}
