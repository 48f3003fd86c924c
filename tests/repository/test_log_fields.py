"""Whatever a line of the log is given beside its words is written: a field that is not allowed would be missing."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.kit.process.log import FIELDS

SERVICES = Path(__file__).parents[2] / "services"


def _given(function: ast.AST) -> Iterator[str]:
    """Return the names of the fields that a function gives to lines of the log, as far as they are written in it."""
    assigned: dict[str, list[ast.expr]] = {}
    for node in ast.walk(function):
        targets = node.targets if isinstance(node, ast.Assign) else []
        targets = [node.target] if isinstance(node, ast.AnnAssign | ast.AugAssign) else targets
        for target in targets:
            if isinstance(target, ast.Name) and isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
                assigned.setdefault(target.id, []).extend([node.value] if node.value else [])
    for node in ast.walk(function):
        if isinstance(node, ast.keyword) and node.arg == "extra":
            yield from _named(node.value, assigned)


def _named(value: ast.expr | None, assigned: dict[str, list[ast.expr]]) -> Iterator[str]:
    """Follow what is written as a dict, put together of some, or known by a name."""
    match value:
        case ast.Dict():
            yield from (str(key.value) for key in value.keys if isinstance(key, ast.Constant))
            for key, inner in zip(value.keys, value.values, strict=True):
                yield from _named(inner, assigned) if key is None else ()
        case ast.Name():
            for other in assigned.pop(value.id, []):
                yield from _named(other, assigned)
        case ast.BinOp():
            yield from _named(value.left, assigned)
            yield from _named(value.right, assigned)
        case ast.IfExp():
            yield from _named(value.body, assigned)
            yield from _named(value.orelse, assigned)


def _fields(path: Path) -> set[str]:
    functions = [
        node
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return {name for function in functions for name in _given(function)}


@pytest.mark.parametrize("room", sorted(path.name for path in SERVICES.iterdir() if (path / "__init__.py").exists()))
def test_every_field_of_a_line_is_written(room: str) -> None:
    """The code of the answer that paused a channel, and the name of a rejected job, are why the line is there."""
    given = {path.name: _fields(path) - FIELDS for path in (SERVICES / room).rglob("*.py")}

    assert {} == {name: fields for name, fields in given.items() if fields}
