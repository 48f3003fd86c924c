"""The table of malformed input in tests/README.md names tests that exist, and leaves out no file of them."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.integration.malformed.material import UPLOADS, id_of

TESTS = Path(__file__).parents[1]
TABLE = (TESTS / "README.md").read_text(encoding="utf-8").partition("## Malformed input")[2]
ROWS = [line for line in TABLE.splitlines() if line.startswith("| ")][1:]
NAMED = re.findall(r"`([\w/]+\.py)::(\w+)`", "\n".join(ROWS))
BODIES = re.findall(r"`uploads\[([^\]]+)\]`", "\n".join(ROWS))


@cache
def _tests_of(path: Path) -> frozenset[str]:
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return frozenset(node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@pytest.mark.parametrize(("file", "name"), sorted(set(NAMED)))
def test_named_test_is_there(file: str, name: str) -> None:
    """Whoever follows the table finds the test."""
    assert name in _tests_of(TESTS / file)


def test_named_bodies_are_there() -> None:
    """Each body that the table names is sent."""
    assert set() == set(BODIES) - {id_of(upload) for upload in UPLOADS}


@pytest.mark.parametrize("row", ROWS)
def test_row_names_a_test(row: str) -> None:
    """Each kind of malformed input has its answer and at least one test that shows it."""
    _, given, answer, shown, _ = row.split("|")

    assert given.strip()
    assert answer.strip()
    assert re.search(r"`.+`", shown)


def test_no_file_of_malformed_input_is_left_out() -> None:
    """A file of tests that is added is in the table."""
    folders = (TESTS / "integration" / "malformed", TESTS / "unit" / "malformed")
    files = {str(path.relative_to(TESTS)) for folder in folders for path in folder.glob("test_*.py")}

    assert set() == files - {file for file, _ in NAMED}
