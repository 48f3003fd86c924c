"""The kit is machinery: it knows no room's noun, and what nobody asked for is not loaded."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from services.core.rooms import ROOMS
from services.kit.config import LOGS

SERVICES = Path(__file__).parents[2] / "services"
KIT = SERVICES / "kit"
NOUNS = re.compile(r"(?<!dead[ -])\b(letter|email|portal|cohort)s?\b", re.IGNORECASE)
# The fields of a log line are the field's words.
SHARED_WORDS = {"log.py"}

CLIENTS = {"aiokafka", "asyncpg", "aiohttp", "aiosmtplib", "typst", "cryptography"}
FACES = sorted(f"services.kit.{face.parent.name}" for face in KIT.glob("*/__init__.py"))
APPS = [f"services.{room}.app" for room in ROOMS]
SETTINGS = ["services.kit.config", *(f"services.{room}.config" for room in ROOMS)]


def _loaded_by(*modules: str) -> set[str]:
    """Return which clients a fresh process has loaded once it has imported these modules."""
    code = f"import json, sys, {', '.join(modules)}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    return CLIENTS.intersection(json.loads(done.stdout))


def test_kit_knows_no_rooms_noun() -> None:
    """Machinery that names a channel or a cohort belongs to a room."""
    guilty = {
        path.name: sorted({match.group(0) for match in NOUNS.finditer(path.read_text(encoding="utf-8"))})
        for path in [*KIT.rglob("*.py"), *KIT.rglob("*.sql")]
        if path.name not in SHARED_WORDS
    }

    assert {name: nouns for name, nouns in guilty.items() if nouns} == {}


def test_the_readme_names_every_package() -> None:
    """A reader finds all of the kit in its order; the order itself is held by the import rules."""
    rows = re.findall(r"^\| (`.+?) \|", (KIT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    named = sorted(name for row in rows for name in re.findall(r"`(\w+)`", row))

    assert named == sorted(
        path.stem
        for path in KIT.iterdir()
        if path.name != "__init__.py" and (path.suffix == ".py" or (path / "__init__.py").exists())
    )


def test_which_log_it_is_is_asked_of_the_log() -> None:
    """No code compares the word of HERAUT_LOG: a new log is a row in `config.LOGS` and one in `choose.py`."""
    guilty = {
        str(path.relative_to(SERVICES)): node.lineno
        for path in SERVICES.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Compare)
        and any(isinstance(part, ast.Constant) and part.value in LOGS for part in ast.walk(node))
    }

    assert guilty == {}


@pytest.mark.parametrize("module", SETTINGS)
def test_reading_settings_loads_no_client(module: str) -> None:
    """Whoever checks a configuration needs no broker's, database's or provider's library for it."""
    assert set() == _loaded_by(module)


def test_a_process_loads_no_kafka_before_it_is_chosen() -> None:
    """The kit's faces, and whole services on the embedded log, do without Kafka's client."""
    assert "aiokafka" not in _loaded_by(*FACES, *APPS)
