"""Queries live in SQL files, under names."""

from pathlib import Path

import pytest

from services.kit.postgres.queries import Queries


def _load(folder: Path, text: str) -> Queries:
    path = folder / "queries.sql"
    path.write_text(text)
    return Queries.load(path)


def test_queries_are_found_by_name(tmp_path: Path) -> None:
    """A section is a name, a description and a statement; what stands above the first is about the file."""
    queries = _load(tmp_path, "-- The file.\n\n-- name: one\n-- Gives one.\nselect 1;\n\n-- name: two\nselect 2;\n")

    assert ["one", "two"] == list(queries)
    assert "-- Gives one.\nselect 1;" == queries["one"]


@pytest.mark.parametrize("text", ["-- name: one\nselect 1;\n-- name: one\nselect 2;\n", "-- name: one\n\n"])
def test_a_name_is_given_once_and_to_something(tmp_path: Path, text: str) -> None:
    """A copied section that kept its name would hide the first one."""
    with pytest.raises(ValueError, match=r"queries\.sql: the query one"):
        _load(tmp_path, text)


def test_an_unknown_query_is_an_error(tmp_path: Path) -> None:
    """A typo is found at its first use."""
    with pytest.raises(KeyError, match="three"):
        _load(tmp_path, "-- name: one\nselect 1;\n")["three"]
