"""Any bytes as an upload's body: every line that says something is counted once, or the body is told to be broken."""

import json
import sys
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.intake.domain import Chunk
from services.intake.errors import BadHeaderError, BrokenBodyError
from services.intake.members.chunks import ChunkBuilder, Reader
from services.intake.reading.csv import CsvReader
from services.intake.reading.lines import LINE_LIMIT, TOO_LONG, RecordSplitter
from services.intake.reading.ndjson import NdjsonReader
from services.intake.records.fields import FIELD_NAMES
from services.intake.records.texts import says_nothing
from tests.unit.intake.builders import a_builder, a_record

HEADER = b"memberRef,bsn,familyName,email,dataCategories\n"
ROW = b"m-1,999990019,Vries,m@example.nl,name\n"
CUTS = st.lists(st.integers(0, 400), max_size=6)
# Bytes at random say little of what they meet; these are made of what means something to a parser.
PIECES = st.sampled_from(
    [HEADER, ROW, b'"', b'""', b",", b"\n", b"\r\n", b"\r", b"\0", b"\xff", b"\xef\xbb\xbf", b"\xc3", b"{", b"}", b"[]",
     b'{"memberRef":"m-2"}\n', b'"\xe2\x80\xae"', b"m-3,", b" ", b'{"bsn":1e400}', b"null", b"\\ud800"]
)  # fmt: skip
BODIES = st.lists(PIECES | st.binary(max_size=6), max_size=14).map(b"".join)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def in_pieces(body: bytes, cuts: Sequence[int]) -> list[bytes]:
    """Cut a body."""
    at = [0, *sorted(cut % (len(body) + 1) for cut in cuts), len(body)]
    return [body[a:b] for a, b in pairwise(at)]


class WholeBody:
    """What a whole body came to, read as an upload reads it."""

    def __init__(self, body: bytes, cuts: Sequence[int], *, is_csv: bool) -> None:
        self.broken: str | None = None
        self.records = 0  # lines that say something, without the header
        self._builder: ChunkBuilder = a_builder()
        self._reader: Reader | None = None if is_csv else NdjsonReader()
        splitter = RecordSplitter(quoted=is_csv)
        try:
            for piece in in_pieces(body, cuts):
                self._take(splitter.feed(piece))
            self._take(splitter.finish())
        except BrokenBodyError as error:
            self.broken = error.reason
        except BadHeaderError:
            self.broken = "header"

    @property
    def chunk(self) -> Chunk:
        """Return what was taken."""
        return self._builder.chunk

    def outcome(self) -> tuple[Any, ...]:
        """Return all that must not depend on how the body was cut."""
        chunk = self.chunk
        return self.broken, chunk.accepted_lines, chunk.members, sorted(chunk.rejected), chunk.problems

    def _take(self, records: list[Any]) -> None:
        for line, raw in records:
            if raw is not TOO_LONG and says_nothing(raw):
                continue
            if self._reader is None:
                if raw is TOO_LONG:
                    raise BadHeaderError([])
                self._reader = CsvReader(raw)
                continue
            self._builder.add([(line, raw)], self._reader)
            self.records += 1


@given(BODIES, CUTS, st.booleans())
@example(HEADER + ROW, [], True)
@example(b'{"memberRef":' + b"9" * 6_000 + b"}\n", [], False)
@example(b"[" * 60_000, [], False)
@settings(max_examples=300)
def test_any_body_is_counted_to_the_line_or_told_to_be_broken(body: bytes, cuts: list[int], is_csv: bool) -> None:  # noqa: FBT001
    """Whatever bytes come, in whatever pieces: each line is counted once, or the body is broken there."""
    read = WholeBody(body, cuts, is_csv=is_csv)
    chunk = read.chunk

    assert read.broken in {None, "header", "encoding", "utf-16", "unclosed-quote"}
    assert read.records == len(chunk)
    assert len(chunk.members) <= chunk.accepted_lines
    assert len(chunk.rejected) <= chunk.rejected_lines


@given(BODIES, CUTS, st.booleans())
@settings(max_examples=300)
def test_what_a_body_comes_to_does_not_depend_on_its_pieces(body: bytes, cuts: list[int], is_csv: bool) -> None:  # noqa: FBT001
    """Networks cut where they like: members, rejections and problems are the same."""
    whole = WholeBody(body, [], is_csv=is_csv)
    cut = WholeBody(body, cuts, is_csv=is_csv)
    if whole.broken in {None, "header"}:
        assert whole.outcome() == cut.outcome()
    else:
        assert whole.broken == cut.broken


@given(
    st.lists(
        st.sampled_from(["good", "again", "short", "bsn", "ref", "nul", "quote", "long", "blank", "cells", "zed"]),
        max_size=25,
    ),
    CUTS,
)
def test_no_record_is_lost_or_made_up(kinds: list[str], cuts: list[int]) -> None:
    """Among bad lines of every kind, each good record is one member, each bad one rejected, or nobody's line."""
    lines = {
        "again": b"m-again,999990019,Vries,a@example.nl,name",
        "short": b"m-short,999990019",
        "bsn": b"m-bsn,999999999,Vries,a@example.nl,name",
        "cells": b",,,,",
        "zed": b"\x1a",
        "ref": b",999990019,Vries,a@example.nl,name",
        "nul": b"m-nul,999990019,Vr\0ies,a@example.nl,name",
        "quote": b'm-quote,"1"2,Vries,a@example.nl,name',
        "long": b"m-long," + b"x" * (LINE_LIMIT + 7),
        "blank": b"",
    }
    body = HEADER + b"\n".join(
        lines.get(kind, b"m-%d,999990019,Vries,a@example.nl,name" % at) for at, kind in enumerate(kinds)
    )
    chunk = WholeBody(body, cuts, is_csv=True).chunk
    good = [kind for kind in kinds if kind in {"good", "again", "nul"}]  # a NUL in a name spoils the name alone
    unreadable = [kind for kind in kinds if kind in {"short", "ref", "quote", "long"}]

    assert (len(good), kinds.count("bsn"), len(unreadable)) == (
        chunk.accepted_lines, chunk.rejected_lines, chunk.unreadable_lines,
    )  # fmt: skip
    assert kinds.count("good") + len({"again", "nul"} & {*kinds}) == len(chunk.members)
    assert len({"bsn"} & {*kinds}) == len(chunk.rejected)


@given(st.sampled_from(FIELD_NAMES), JSON)
def test_any_json_in_any_field_is_one_record(name: str, value: Any) -> None:
    """Whatever a field holds, its record is accepted, rejected or nobody's, alone."""
    builder = a_builder()
    lines = [json.dumps({**a_record(memberRef="m-1"), name: value}), json.dumps(a_record(memberRef="m-2"))]
    builder.add([(at, line.encode()) for at, line in enumerate(lines, 1)], NdjsonReader())
    chunk = builder.chunk

    assert 2 == len(chunk)
    assert "m-2" in chunk.refs


@given(st.lists(st.sampled_from([b'"', b",", b"\n", b"\r\n", b"ab", b'""']), max_size=30).map(b"".join), CUTS)
@settings(max_examples=300)
def test_a_record_that_is_read_past_ends_where_one_that_is_kept_does(body: bytes, cuts: list[int]) -> None:
    """Beyond the limit nothing is kept, and still the next record begins where it should, however the body is cut."""
    kept, past = RecordSplitter(quoted=True), RecordSplitter(quoted=True)
    expected = kept.feed(b"abcd," + body + b"\nend\n")
    found = past.feed(b"x" * (LINE_LIMIT + 2) + b",")
    for piece in in_pieces(body + b"\nend\n", cuts):
        found += past.feed(piece)

    assert [line for line, _ in expected] == [line for line, _ in found]


@pytest.mark.parametrize("unit", [b'"', b'","', b",", b'"a"x,', b'a""', b'""x,'])
def test_no_bytes_are_dear_to_read_past(unit: bytes) -> None:
    """A megabyte of whatever is worst for a parser takes some steps, not a million: a bomb stops nobody else."""
    splitter = RecordSplitter(quoted=True)
    splitter.feed(b"x" * (LINE_LIMIT + 2) + b",")
    calls: Counter[str] = Counter()
    sys.setprofile(lambda _frame, event, _argument: calls.update([event]))
    splitter.feed(unit * (1_048_576 // len(unit)))
    sys.setprofile(None)

    assert calls.total() < 100
