"""The kit is machinery: it knows no room's noun, and what nobody asked for is not loaded."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from services.core.channel import CHANNEL_NAMES
from services.core.rooms import ROOMS

SERVICES = Path(__file__).parents[2] / "services"
KIT = SERVICES / "kit"
NOUNS = re.compile(rf"(?<!dead[ -])\b({'|'.join(CHANNEL_NAMES.values())}|cohort)s?\b", re.IGNORECASE)
# The fields of a log line are the field's words.
SHARED_WORDS = {"log.py", "openapi.py"}  # the latter: who is to be asked has an address, which OpenAPI calls email

# The tables from the word of HERAUT_LOG to what depends on it: setting, adapter, and what the demo starts.
TABLES = {"LOGS", "_LOADERS", "_LOG_SERVERS"}

CLIENTS = {"aiokafka", "asyncpg", "aiohttp", "aiosmtplib", "typst", "cryptography", "opentelemetry", "requests"}
FACES = sorted(f"services.kit.{face.parent.name}" for face in KIT.glob("*/__init__.py"))
APPS = [f"services.{room}.app" for room in ROOMS]
SETTINGS = ["services.kit.config", *(f"services.{room}.config" for room in ROOMS)]


def _loaded_by(*modules: str) -> set[str]:
    """Return which clients a fresh process has loaded once it has imported these modules."""
    code = f"import json, sys, {', '.join(modules)}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    return CLIENTS.intersection(json.loads(done.stdout))


def _decides_by_the_word(node: ast.AST) -> bool:
    """Tell whether a comparison, a `match` or a look into a table depends on an attribute or a name `log`."""
    match node:
        case ast.Compare(ops=[ast.Is() | ast.IsNot()]):
            return False
        case ast.Compare(left=left, comparators=[*others]):
            return any(map(_is_the_word, [left, *others])) and not any(map(_is_table, others))
        case ast.Match(subject=subject):
            return _is_the_word(subject)
        case ast.Subscript(value=table, slice=index):
            return _is_the_word(index) and not _is_table(table)
        case ast.Call(func=ast.Attribute(value=table, attr="get"), args=[*arguments]):
            return any(map(_is_the_word, arguments)) and not _is_table(table)
    return False


def _is_the_word(node: ast.expr) -> bool:
    return (isinstance(node, ast.Attribute) and node.attr == "log") or (isinstance(node, ast.Name) and node.id == "log")


def _is_table(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in TABLES


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


@pytest.mark.parametrize(
    ("code", "guilty"),
    [
        ('config.log == "stone"', True),
        ("self._config.log != DEFAULT_LOG", True),
        ('log in ("stone", "clay")', True),
        ('match wish.log:\n    case "stone":\n        pass', True),
        ('{"stone": 1}[settings.log]', True),
        ('{"stone": 1}.get(config.log)', True),
        ("LOGS[config.log]", False),
        ("is_on(topic, config.log)", False),
        ("log is None", False),
        ('kind == "kafka"', False),
    ],
)
def test_a_decision_by_the_word_is_seen(code: str, *, guilty: bool) -> None:
    """However the word is compared, and nothing else that is compared."""
    assert guilty == any(_decides_by_the_word(node) for node in ast.walk(ast.parse(code)))


def test_which_log_it_is_is_asked_of_the_log() -> None:
    """No code decides by the word of HERAUT_LOG: a new log is a row in `config.LOGS` and one in `choose.py`."""
    guilty = [
        f"{path.relative_to(SERVICES)}: {ast.unparse(node)}"
        for path in SERVICES.rglob("*.py")
        if path != KIT / "eventlog" / "topics.py"  # where `log` is a topic's own: the logs that it is on
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if _decides_by_the_word(node)
    ]

    assert guilty == []


@pytest.mark.parametrize("module", SETTINGS)
def test_reading_settings_loads_no_client(module: str) -> None:
    """Whoever checks a configuration needs no broker's, database's or provider's library for it."""
    assert set() == _loaded_by(module)


def test_a_process_loads_nothing_that_was_not_chosen() -> None:
    """The kit's faces, and whole services on the embedded log, do without Kafka's client, and without OpenTelemetry."""
    assert set() == {"aiokafka", "opentelemetry", "requests"} & _loaded_by(*FACES, *APPS)
