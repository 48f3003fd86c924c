"""Letters as data: the lines of a file, for print houses that compose themselves."""

import json
from pathlib import Path

import orjson
import pytest

from services.core.notices import BLOCK_ENTRIES
from services.dispatch.channels.letter import PrintFolder
from tests.unit.dispatch.channels.test_letter import HOSTILE, _batch, _contents, _go
from tests.unit.dispatch.people import a_contact, some_work


async def test_letters_as_data_have_all_parts_of_a_letter(tmp_path: Path) -> None:
    """A print house that composes itself gets a line a letter, and the words that letters share once."""
    work = some_work(3, languages=["nl", "en", "nl"], supersedes=[b"", b"x" * 16, b""])
    await PrintFolder(tmp_path, "ndjson").hand_over(work, _go)
    lines = [json.loads(line) for line in (tmp_path / f"{_batch(work)}.ndjson").read_bytes().splitlines()]
    about = json.loads((tmp_path / f"{_batch(work)}.manifest.json").read_bytes())
    shared = {line["wordingId"]: line for line in lines if "wording" in line}
    letters = [lines[letter["firstPage"] - 1] for letter in about["letters"]]

    assert [letter["noticeId"] for letter in about["letters"]] == [letter["noticeId"] for letter in letters]
    assert [notice.hex() for notice in work.round.notices.ids] == [letter["noticeId"] for letter in letters]
    assert [1, 2, 1] == [letter["wordingId"] for letter in letters]
    assert ["nl", "en"] == [shared[number]["wording"]["lang"] for number in (1, 2)]
    assert {"Bevolkingsonderzoek Voorbeeld"} == {line["sender"]["name"] for line in shared.values()}
    assert work.earlier == [letter["supplementTo"] for letter in letters]
    assert ["J.A. van den Berg0", "Borgesiusstraat 103 c", "2583 XL  SCHEVENINGEN"] == letters[0]["address"]
    assert {
        "careOf": "", "street": "Borgesiusstraat", "houseNumber": "103", "houseLetter": "c", "houseNumberAddition": "",
        "postcode": "2583XL", "city": "Scheveningen", "country": "NL",
    } == letters[0]["addressFields"]  # fmt: skip
    assert "Geachte heer of mevrouw Van den Berg0," == letters[0]["greeting"]
    assert [(3, 1), (4, 1), (5, 1)] == [(letter["firstPage"], letter["pages"]) for letter in about["letters"]]


@pytest.mark.parametrize("name", [*HOSTILE, '},{"noticeId":', '"},{"wordingId":1', "},{", "a\nb\\"])
async def test_no_name_breaks_a_line_of_letters_as_data(tmp_path: Path, name: str) -> None:
    """Whatever somebody is called, a letter is one line with its own values."""
    work = some_work(2, contacts=[a_contact(family_name=name, street=name), a_contact()])
    await PrintFolder(tmp_path, "ndjson").hand_over(work, _go)
    lines = [json.loads(line) for line in (tmp_path / f"{_batch(work)}.ndjson").read_bytes().splitlines()]

    assert [notice.hex() for notice in work.round.notices.ids] == [line["noticeId"] for line in lines[1:]]
    assert [f"J.A. van den {name}", "J.A. van den Berg"] == [line["address"][0] for line in lines[1:]]


@pytest.mark.parametrize("name", [*HOSTILE, "\x00\x1f\x7f\t", "Zoë 李 🦄", "\u2028</a>&", "O'Neil \"\\/"])
async def test_letters_as_data_are_the_same_bytes_every_time(tmp_path: Path, name: str) -> None:
    """Compact JSON in UTF-8, whatever library writes it: a repeat by a later version makes the same files."""
    work = some_work(1, contacts=[a_contact(family_name=name, street=name, city=name)])
    for folder in (tmp_path / "first", tmp_path / "again"):
        folder.mkdir()
        await PrintFolder(folder, "ndjson").hand_over(work, _go)
    first = _contents(tmp_path / "first")
    lines = [*first[f"{_batch(work)}.ndjson"].split(b"\n"), first[f"{_batch(work)}.manifest.json"]]

    assert first == _contents(tmp_path / "again")
    assert [line and orjson.dumps(orjson.loads(line)) for line in lines] == lines


def test_letters_as_data_go_in_files_of_thousands(tmp_path: Path) -> None:
    """Files to sync cost as much for one letter as for thousands: only a profile that says so makes them small."""
    sizes = [PrintFolder(tmp_path, letter_format).traits.batch_size for letter_format in ("ndjson", "pdf")]

    assert [4 * BLOCK_ENTRIES, BLOCK_ENTRIES // 2] == sizes
