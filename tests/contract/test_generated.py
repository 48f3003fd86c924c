"""Generated code is what the contracts say today."""

import importlib.util
import sys
from pathlib import Path

PROTO = Path(__file__).parents[2] / "proto"


def test_generated_code_is_fresh() -> None:
    """Whoever changes a contract commits the code that follows from it."""
    spec = importlib.util.spec_from_file_location("proto_generate", PROTO / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    generate = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = generate
    spec.loader.exec_module(generate)

    stale = [path.name for path, text in generate.generated().items() if path.read_text(encoding="utf-8") != text]

    assert stale == []
