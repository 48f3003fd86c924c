"""Rule 7: files and functions stay small enough to be read at one sitting."""

import ast
import subprocess
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[2]
FILE_LINES = 400
FUNCTION_LINES = 50


def _sources() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "*.py"],  # noqa: S607 - git is found on the path
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout.split()  # fmt: skip
    return [ROOT / name for name in listed if "_pb2" not in name and (ROOT / name).exists()]


def _functions(path: Path) -> list[tuple[str, int]]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [
        (f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", (node.end_lineno or node.lineno) - node.lineno + 1)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def test_no_file_is_too_long() -> None:
    """A file that outgrows its budget has two subjects."""
    long = {
        str(path.relative_to(ROOT)): lines
        for path in _sources()
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > FILE_LINES
    }

    assert long == {}


def test_no_function_is_too_long() -> None:
    """A function that needs scrolling is taken apart."""
    long = [(name, lines) for path in _sources() for name, lines in _functions(path) if lines > FUNCTION_LINES]

    assert long == []


def test_the_usual_function_is_short() -> None:
    """The median function of the services has at most ten lines."""
    lengths = [lines for path in _sources() if "services" in path.parts for _, lines in _functions(path)]

    assert median(lengths) <= 10
