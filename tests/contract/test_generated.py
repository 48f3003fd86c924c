"""Generated code is what the contracts say today."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

PROTO = Path(__file__).parents[2] / "proto"


@pytest.fixture
def generate() -> ModuleType:
    """Return the script that makes the code."""
    spec = importlib.util.spec_from_file_location("proto_generate", PROTO / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    generate = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = generate
    spec.loader.exec_module(generate)
    return generate


def test_generated_code_is_fresh(generate: ModuleType) -> None:
    """Whoever changes a contract commits the code that follows from it."""
    stale = [path.name for path, text in generate.generated().items() if path.read_text(encoding="utf-8") != text]

    assert stale == []


@pytest.mark.parametrize(
    ("family", "beside"),
    [
        ("heraut.a.{source}.v1", "heraut.a.accepted.v1"),
        ("heraut.a.{source}", "heraut.b.v1"),
        ("heraut.{source}.v1", "heraut.b.v1"),
        ("heraut.a.v1", "heraut.b.v1"),
    ],
)
def test_a_family_cannot_take_the_name_of_another_topic(generate: ModuleType, family: str, beside: str) -> None:
    """A source called like a topic's last word is no way into that topic: such a contract is not generated."""
    with pytest.raises(SystemExit, match=r"heraut\.a\.v1: "):
        generate._check_families([("heraut.a.v1", {"family": family}), (beside, {})])
    generate._check_families([("heraut.a.v1", {"family": "heraut.a.{source}.v1"}), ("heraut.a.b.c.v1", {})])
