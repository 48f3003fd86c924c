"""What a print house answers is read for what it is; what is no answer is named by its field, and repeated nowhere."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.ids import format_reference
from services.core.receipts import ReceiptKind, ReceiptReason
from services.dispatch.print_answers import (
    REASONS,
    InvalidAnswer,
    PrintedLetter,
    Verdict,
    is_answer_name,
    laid_against,
    read_answer,
)
from tests.unit.dispatch.people import an_id

NOW = 1_790_000_000_000
FILE = an_id("file").hex()
LETTERS = [PrintedLetter(an_id(one), 1, format_reference(an_id(("reference", one))), 1 + one % 2) for one in range(4)]
POSTED, TAKEN = Verdict(ReceiptKind.POSTED), Verdict(ReceiptKind.ACKNOWLEDGED)


def answer(**fields: Any) -> bytes:
    """Return an answer about a print file."""
    return json.dumps({"job": FILE} | fields).encode()


@pytest.mark.parametrize(
    ("state", "verdict"),
    [
        ("acknowledged", TAKEN),
        ("posted", POSTED),
        ("rejected", Verdict(ReceiptKind.REFUSED, ReceiptReason.PROVIDER, "other")),
    ],
)
def test_a_job_is_answered_as_a_whole(state: str, verdict: Verdict) -> None:
    """What is said of a job is one thing, at the time that is said."""
    found = read_answer(answer(state=state, at=NOW - 5), NOW)

    assert (FILE, NOW - 5, verdict, False) == (found.job, found.at, found.whole, found.names_letters)
    assert bytes.fromhex(FILE) == found.file


def test_a_print_run_is_no_print_file() -> None:
    """What print houses call a job is of several files."""
    assert read_answer(answer(job="20260820-3-secret-1", state="posted"), NOW).file is None


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (None, NOW),
        (NOW + 5, NOW),
        ("2026-08-20T10:00:00+02:00", 1_787_212_800_000),
        ("2026-08-20", 1_787_263_199_000),
        ("2096-08-20", NOW),
    ],
)
def test_a_time_is_read_as_it_is_said_and_never_later_than_now(at: object, expected: int) -> None:
    """Clocks differ, and a day is over at its end, in the Netherlands."""
    assert expected == read_answer(answer(state="posted", at=at), NOW).at


@pytest.mark.parametrize("word", list(REASONS))
def test_whoever_is_to_blame_is_no_recipient_where_several_letters_are_rejected(word: str) -> None:
    """A whole job has no bad address. One letter's may be."""
    one = {"noticeId": LETTERS[0].notice.hex(), "state": "rejected", "reason": word.upper().replace("-", " ")}
    found = read_answer(answer(state="rejected", reason=word, letters=[one]), NOW)
    alone = laid_against(found, LETTERS)[0]

    assert found.whole
    assert found.whole.reason in {ReceiptReason.PROVIDER, ReceiptReason.CONTENT}
    assert (REASONS[word], word) == (alone.reason, alone.word)


def test_what_a_print_house_writes_is_kept_as_a_word_of_ours_or_not_at_all() -> None:
    """A reason in its own words may name somebody."""
    found = read_answer(answer(state="rejected", reason="mevrouw De Vries woont hier niet"), NOW)

    assert Verdict(ReceiptKind.REFUSED, ReceiptReason.PROVIDER, "other") == found.whole


def test_sheets_and_letters_are_exceptions_from_the_whole() -> None:
    """A letter lacks whatever one of its sheets lacks, and what names it says it better."""
    sheets = [{"first": 2, "last": 4, "state": "rejected", "reason": "damaged"}]
    letters = [{"reference": LETTERS[2].reference.lower(), "state": "posted"}]
    found = read_answer(answer(state="acknowledged", sheets=sheets, letters=letters), NOW)
    damaged = Verdict(ReceiptKind.REFUSED, ReceiptReason.PROVIDER, "damaged")

    assert {1: damaged, 2: POSTED} == laid_against(found, LETTERS)
    assert found.whole == TAKEN


@given(st.integers(1, 6), st.integers(0, 5))
def test_a_range_of_sheets_means_each_letter_that_has_one_of_them(first: int, more: int) -> None:
    """Letters of one sheet and of two, by a plain count."""
    last = min(6, first + more)
    found = read_answer(answer(sheets=[{"first": first, "last": last, "state": "posted"}]), NOW)
    owners = [row for row, one in enumerate(LETTERS) for _ in range(one.sheets)]

    assert {owners[sheet - 1] for sheet in range(first, last + 1)} == set(laid_against(found, LETTERS))


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"letters": [{"reference": format_reference(an_id("other")), "state": "posted"}]}, "letters[0]"),
        ({"letters": [{"noticeId": an_id("other").hex(), "state": "posted"}]}, "letters[0]"),
        ({"sheets": [{"first": 6, "last": 7, "state": "posted"}]}, "sheets[0]"),
    ],
)
def test_what_is_not_in_the_file_is_no_answer(said: dict[str, Any], field: str) -> None:
    """Nothing is taken from the rest of it: it may be of another job altogether."""
    with pytest.raises(InvalidAnswer) as error:
        laid_against(read_answer(answer(**said), NOW), LETTERS)

    assert (field,) == error.value.args


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", "json"),
        (b"\xff\xfe", "json"),
        (b"[" * 100_000, "json"),
        (b"[]", "json"),
        (b'{"state": "posted"}', "job"),
        (answer(job="../in", state="posted"), "job"),
        (answer(job=7, state="posted"), "job"),
        (answer(), "state"),
        (answer(state="burnt"), "state"),
        (answer(state=["posted"]), "state"),
        (answer(state="posted", at="yesterday"), "at"),
        (answer(state="posted", at="2026-08-20T10:00:00"), "at"),
        (answer(state="posted", at=-1), "at"),
        (answer(state="posted", at=True), "at"),
        (answer(state="posted", letters="all"), "letters"),
        (answer(state="posted", letters=[7]), "letters[0]"),
        (answer(letters=[{"reference": "XXXX-XXXX-XXXX-XXXX", "state": "posted"}]), "letters[0].reference"),
        (answer(letters=[{"reference": LETTERS[0].reference}]), "letters[0].state"),
        (answer(sheets=[{"first": 0, "last": 1, "state": "posted"}]), "sheets[0]"),
        (answer(sheets=[{"first": 2, "last": 1, "state": "posted"}]), "sheets[0]"),
        (answer(sheets=[{"first": True, "last": 1.5, "state": "posted"}]), "sheets[0]"),
    ],
)
def test_what_is_no_answer_is_named_by_its_field(body: bytes, field: str) -> None:
    """And nothing of it is repeated."""
    with pytest.raises(InvalidAnswer) as error:
        read_answer(body, NOW)

    assert (field,) == error.value.args


@given(st.binary(max_size=200) | st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists).map(
    lambda value: json.dumps({"job": value, "state": value, "letters": value, "at": value}).encode()
))  # fmt: skip
def test_any_bytes_are_an_answer_or_are_not(body: bytes) -> None:
    """Nothing else happens."""
    with suppress(InvalidAnswer):
        read_answer(body, NOW)


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        (f"{FILE}.answer.json", True), ("20260820-0-normal-1.json", True), ("a.xml", False), ("..json", False),
        ("a/b.json", False), (f"{'a' * 200}.json", False), ("é.json", False),
    ],
)  # fmt: skip
def test_a_name_that_leads_elsewhere_is_none(name: str, *, fits: bool) -> None:
    """It stands in the log, and in paths."""
    assert fits == is_answer_name(name)
