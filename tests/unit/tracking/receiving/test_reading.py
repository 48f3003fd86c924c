"""Lists and webhooks are read as far as they can be, and what cannot is named without being repeated."""

from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.channel import Channel
from services.core.ids import format_reference, parse_reference
from services.core.receipts import ReceiptKind, ReceiptReason
from services.tracking.receiving.returned import Fault, InvalidList, read_list
from services.tracking.receiving.webhook import InvalidWebhook, said_in
from services.tracking.said import Said, reason_of

REFERENCE = format_reference(b"0123456789abcdef")
NAMED = parse_reference(REFERENCE)
TODAY = date(2026, 3, 9)
END_OF_DAY = round(datetime(2026, 3, 2, 22, 59, 59, tzinfo=UTC).timestamp() * 1000)
NOW = 1_800_000_000_000
WRONG = REFERENCE[:-1] + ("A" if REFERENCE[-1] != "A" else "B")


def returned(reason: ReceiptReason) -> Said:
    """Return a letter that came back on 2 March."""
    return Said(NAMED, int(Channel.LETTER), 0, int(ReceiptKind.RETURNED), END_OF_DAY, int(reason))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (f"reference,reason,date\n{REFERENCE},moved,2026-03-02\n", ReceiptReason.MOVED),
        (
            f"\ufeffKenmerk;Retourreden;Datum\r\n{REFERENCE.lower()};Onbekend op adres;02-03-2026\r\n",
            ReceiptReason.NOT_AT_ADDRESS,
        ),
        (f'date,reference,parcel\n20260302,"{REFERENCE}",9\n\n', ReceiptReason.NOT_SAID),
        (f"reference,reason,date\n{REFERENCE},ate the dog,2026-03-02", ReceiptReason.NOT_SAID),
    ],
)  # fmt: skip
def test_lists_of_several_shapes_say_the_same(body: str, reason: ReceiptReason) -> None:
    """Dutch or English names, commas or semicolons, columns in any order, and others beside them."""
    assert [returned(reason)] == list(read_list(body.encode(), TODAY))


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
@pytest.mark.parametrize("day", ["02/03/2026", "2026-03-02 14:05", "02-03-2026 08:00:00", "2026-03-02T14:05:00+01:00"])
def test_an_export_is_read_with_its_times_and_names(day: str, encoding: str) -> None:
    """As post companies and spreadsheets write them: what is not asked for keeps nothing from being read."""
    body = f"Naam;Kenmerk;Retourreden;Retourdatum\r\nRené;{REFERENCE};Verhuisd;{day}\r\n".encode(encoding)

    assert [returned(ReceiptReason.MOVED)] == list(read_list(body, TODAY))


def test_what_is_no_text_is_refused() -> None:
    """A list in UTF-16 and a workbook have no lines that could be named."""
    for body in (f"reference,date\n{REFERENCE},2026-03-02".encode("utf-16"), b"PK\3\4\0\0"):
        with pytest.raises(InvalidList, match="encoding"):
            list(read_list(body, TODAY))


def test_a_line_that_cannot_be_read_is_named_and_the_others_are_taken() -> None:
    """By its number, its field and a code: nothing that stood in it."""
    lines = [f"{WRONG},moved,2026-03-02", f"{REFERENCE},moved,2026-03-02", f"{REFERENCE},moved,2026-03-10"]
    lines += [f"{REFERENCE},moved,soon", "Jan de Vries,moved,2026-03-02", f"{REFERENCE}"]
    found = list(read_list("\n".join(["reference,reason,date", *lines]).encode(), TODAY))

    assert [
        Fault(2, "reference", "mistyped-reference"),
        returned(ReceiptReason.MOVED),
        Fault(4, "date", "date-in-future"),
        Fault(5, "date", "invalid-date"),
        Fault(6, "reference", "mistyped-reference"),
        Fault(7, "date", "invalid-date"),
    ] == found


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_a_list_or_are_not(body: bytes) -> None:
    """Whatever is loaded, it is read or refused with a code."""
    for whole in (body, b"reference,date\n" + body):
        with suppress(InvalidList):
            assert all(isinstance(one, Said | Fault) for one in read_list(whole, TODAY))


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("technical-failure", ReceiptReason.PROVIDER),
        ("Blocked", ReceiptReason.PROVIDER),
        ("too_large", ReceiptReason.CONTENT),
        ("content", ReceiptReason.CONTENT),
    ],
)
def test_providers_own_faults_are_understood(word: str, reason: ReceiptReason) -> None:
    """They are no recipient's, so they have words of their own."""
    (said,) = said_in({"type": "bounced", "data": {"reference": REFERENCE, "reason": word}}, int(Channel.EMAIL), NOW)

    assert reason == said.reason


def test_reasons_are_understood_as_people_write_them() -> None:
    """Case, hyphens and blanks aside; what is not known is not said."""
    words = ["Verhuisd", "OVERLEDEN", "niet afgehaald", "not_at_address", "soft-bounce", "", "?"]

    assert [
        ReceiptReason.MOVED, ReceiptReason.DECEASED, ReceiptReason.NOT_COLLECTED, ReceiptReason.NOT_AT_ADDRESS,
        ReceiptReason.SOFT, ReceiptReason.NOT_SAID, ReceiptReason.NOT_SAID,
    ] == [reason_of(word) for word in words]  # fmt: skip


def test_a_webhook_names_messages_by_reference_or_by_our_key() -> None:
    """One thing or many; the last word of the type is what happened, and no time is later than now."""
    key = f"{'ab' * 16}.2"
    one = said_in(
        {"type": "message.read", "timestamp": "2200-01-01T00:00:00Z", "data": {"idempotencyKey": key}}, 1, NOW
    )
    many = said_in({"type": "bounced", "data": [{"reference": REFERENCE, "reason": "hard"}] * 2}, 2, NOW)

    assert [Said(bytes.fromhex("ab" * 16), 1, 2, int(ReceiptKind.READ), NOW, 0)] == one
    assert [Said(NAMED, 2, 0, int(ReceiptKind.BOUNCED), NOW, int(ReceiptReason.HARD))] * 2 == many
    assert [] == said_in({"type": "message.created", "data": {}}, 1, NOW) == said_in({"type": "unread"}, 1, NOW)


@pytest.mark.parametrize("word", ["refused", "failed", "message.rejected"])
def test_what_a_provider_did_not_take_after_all_is_not_overlooked(word: str) -> None:
    """Nobody was told by it: left alone, its person would count as told for good."""
    (said,) = said_in({"type": word, "data": {"reference": REFERENCE}}, 1, NOW)

    assert (ReceiptKind.REFUSED, ReceiptReason.NOT_SAID) == (said.kind, said.reason)


@pytest.mark.parametrize(
    "body",
    [
        None, [], {}, {"type": 5}, {"type": "read"}, {"type": "read", "data": "text"}, {"type": "read", "data": [5]},
        {"type": "read", "data": {"reference": WRONG}}, {"type": "read", "data": {"idempotencyKey": "x.1"}},
        {"type": "read", "data": {"reference": REFERENCE}, "timestamp": "today"},
        {"type": "read", "data": {"reference": REFERENCE}, "timestamp": "2026-03-02T10:00:00"},
        {"type": "read", "data": [{"reference": REFERENCE}] * 1001},
    ],
)  # fmt: skip
def test_a_body_that_cannot_be_understood_is_refused(body: Any) -> None:
    """And what it said is not repeated."""
    with pytest.raises(InvalidWebhook) as raised:
        said_in(body, 1, NOW)

    assert WRONG not in str(raised.value)
