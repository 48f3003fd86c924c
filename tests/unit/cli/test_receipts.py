"""A list of returned mail goes out in pieces that a request takes, each with its first line."""

import io

import pytest

from services.cli.commands import receipts


def test_a_list_is_cut_at_line_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each piece begins with the names of the columns, and says how many lines came before: none is lost."""
    monkeypatch.setattr(receipts, "_PIECE", 20)
    lines = [f"line-{number}\n".encode() for number in range(10)]

    pieces = list(receipts._pieces(io.BytesIO(b"reference\n" + b"".join(lines))))

    assert {b"reference\n"} == {piece[:10] for _, piece in pieces}
    assert b"".join(lines) == b"".join(piece[10:] for _, piece in pieces)
    assert [piece[10:].split(b"\n")[0].decode() for _, piece in pieces] == [f"line-{before}" for before, _ in pieces]
    assert len(pieces) > 1
    assert [] == list(receipts._pieces(io.BytesIO(b"reference\n")))
