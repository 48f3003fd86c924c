"""Cutting a body into records."""

import csv
import io
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake.errors import BrokenBodyError
from services.intake.reading.lines import LINE_LIMIT, TOO_LONG, RawRecord, RecordSplitter

CSV_BYTES = st.text(alphabet='ab",\n\r;', max_size=60).map(str.encode)


def split(body: bytes, cuts: list[int] = [], *, quoted: bool = True) -> list[RawRecord]:  # noqa: B006 - never changed
    """Split a body that comes in the pieces that `cuts` make of it."""
    splitter = RecordSplitter(quoted=quoted)
    at = [0, *sorted(cut % (len(body) + 1) for cut in cuts), len(body)]
    records = [record for a, b in pairwise(at) for record in splitter.feed(body[a:b])]
    return records + splitter.finish()


def outcome(body: bytes, cuts: list[int], *, quoted: bool = True) -> list[RawRecord] | str:
    """Split a body, or say how it broke."""
    try:
        return split(body, cuts, quoted=quoted)
    except BrokenBodyError as error:
        return error.reason


def test_lines_are_numbered_from_one() -> None:
    """A record is given with the line that it begins at, without its line end."""
    assert [(1, b"a"), (2, b"b"), (3, b""), (4, b"c")] == split(b"a\nb\r\n\nc")


def test_quoted_line_end_ends_no_record() -> None:
    """A line end within a quoted field belongs to the record; the next record's line counts on."""
    assert [(1, b'a,"x\r\ny"'), (3, b"b")] == split(b'a,"x\r\ny"\r\nb\r\n')


def test_quote_within_a_field_opens_nothing() -> None:
    """A quote that does not begin a field is a letter like any other."""
    assert [(1, b'5" pipe,x'), (2, b"b")] == split(b'5" pipe,x\nb\n')


def test_quotes_mean_nothing_in_ndjson() -> None:
    """Lines of JSON are cut at line ends alone."""
    assert [(1, b'"'), (2, b'"')] == split(b'"\n"\n', quoted=False)


def test_byte_order_mark_of_utf8_is_dropped() -> None:
    """A UTF-8 byte order mark is no part of the first record."""
    assert [(1, b"memberRef")] == split(b"\xef\xbb\xbfmemberRef\n", [1, 2])


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf16_is_told_apart(encoding: str) -> None:
    """A body in UTF-16 is answered as such, not as some odd line."""
    assert "utf-16" == outcome("memberRef,bsn\n".encode(encoding), [1])


def test_quote_that_never_closes_is_told() -> None:
    """A body that ends within a quote is broken, and says at which line the quote's record began."""
    splitter = RecordSplitter(quoted=True)
    splitter.feed(b'a\nb,"x\ny\n')
    with pytest.raises(BrokenBodyError) as caught:
        splitter.finish()

    assert ("unclosed-quote", 2) == (caught.value.reason, caught.value.line)


@pytest.mark.parametrize("quoted", [True, False])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
def test_line_of_the_limit_is_taken_and_a_longer_one_is_not(quoted: bool, end: bytes) -> None:  # noqa: FBT001
    """A line may be 64 KB without its line end, and not one byte more."""
    just, over = b"x" * LINE_LIMIT, b"x" * (LINE_LIMIT + 1)

    assert [(1, just)] == split(just + end, quoted=quoted)
    assert [(1, True)] == [(n, raw is TOO_LONG) for n, raw in split(over + end, quoted=quoted)]


def test_huge_line_is_read_past_and_the_next_is_found() -> None:
    """Ten megabytes without a line end are never held, and cost nobody else their place."""
    splitter = RecordSplitter(quoted=True)
    records = [r for _ in range(160) for r in splitter.feed(b"x" * 65_536)]
    held = len(splitter._rest)
    records += splitter.feed(b"\nnext\n")

    assert 0 == held
    assert [(1, TOO_LONG), (2, b"next")] == records


def test_huge_quoted_record_ends_where_its_quote_does() -> None:
    """A record over the limit may hold line ends within quotes; the lines after it keep their numbers."""
    body = b'a,"' + b'x,""\n' * 20_000 + b'",b\nnext\n'

    assert [1, 20_002] == [line for line, _ in split(body, [65_000, 70_000, 99_999])]


@given(CSV_BYTES, st.lists(st.integers(0, 60), max_size=6), st.booleans())
def test_pieces_do_not_matter(body: bytes, cuts: list[int], quoted: bool) -> None:  # noqa: FBT001
    """However a body is cut into pieces, the records are the same."""
    assert outcome(body, [], quoted=quoted) == outcome(body, cuts, quoted=quoted)


@given(CSV_BYTES, st.lists(st.integers(0, 60), max_size=6), st.integers(0, 8))
def test_pieces_do_not_matter_near_the_limit(body: bytes, cuts: list[int], short: int) -> None:
    """Nor where records are about as long as they may be."""
    body = b"x" * (LINE_LIMIT - short) + body
    cuts = [LINE_LIMIT - short + cut for cut in cuts]

    assert outcome(body, []) == outcome(body, cuts)


@given(CSV_BYTES, st.booleans())
def test_skipping_ends_records_where_cutting_does(body: bytes, quoted: bool) -> None:  # noqa: FBT001
    """A record over the limit ends at the same place as one below it."""
    splitter, skipping = RecordSplitter(quoted=quoted), RecordSplitter(quoted=quoted)
    below = splitter.feed(b"abcd" + body + b"\nend\n")
    skipping.feed(b"x" * (LINE_LIMIT + 2))
    above = skipping.feed(body + b"\nend\n")

    assert [line for line, _ in below] == [line for line, _ in above]


@given(CSV_BYTES)
def test_records_are_those_of_the_csv_module(body: bytes) -> None:
    """What the standard library reads as rows is what is cut as records; nothing is lost or made up."""
    text = body.decode().replace("\r", "")  # a lone carriage return ends a line there, and is a letter here
    got = outcome(text.encode(), [])
    if got == "unclosed-quote":
        return
    assert not isinstance(got, str)
    rows = list(csv.reader(io.StringIO(text)))
    mine = [next(csv.reader([raw.decode()]), []) for _, raw in got if raw is not TOO_LONG]

    assert [row for row in rows if row] == [row for row in mine if row]


@pytest.mark.parametrize("quoted", [True, False])
@pytest.mark.parametrize("blank", [b"\n", b"\r\n"])
def test_a_body_of_blank_lines_ends_soon(blank: bytes, *, quoted: bool) -> None:
    """A million of them are a kilobyte of gzip, and cost as much as a million records."""
    splitter = RecordSplitter(quoted=quoted)
    with pytest.raises(BrokenBodyError, match="blank-lines"):
        splitter.feed(b"memberRef\n" + blank * 20_001)


def test_blank_lines_between_records_are_passed_over() -> None:
    """As many blank lines as records, in a body of any length."""
    splitter = RecordSplitter(quoted=True)

    assert 80_000 == sum(len(splitter.feed(b"a,b\n\n" * 1_000)) for _ in range(40))
