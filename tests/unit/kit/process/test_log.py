"""A log line is JSON, and holds nothing that was not meant for it."""

import logging

import orjson

from services.kit.errors import RetryableError
from services.kit.process.log import JsonFormatter


def _format(record: logging.LogRecord) -> dict[str, object]:
    line: dict[str, object] = orjson.loads(JsonFormatter("intake").format(record))
    return line


def _record(message: str, error: BaseException | None = None, **extra: object) -> logging.LogRecord:
    exc_info = (type(error), error, error.__traceback__) if error else None
    record = logging.LogRecord("services.x", logging.WARNING, "x.py", 1, message, None, exc_info)
    record.__dict__.update(extra)
    return record


def test_known_fields_are_kept_and_others_left_out() -> None:
    """A field that nobody allowed cannot carry a name into the log."""
    line = _format(_record("took it", partition=3, family_name="Jansen"))

    assert line["partition"] == 3
    assert "family_name" not in line


def test_texts_of_foreign_exceptions_are_left_out() -> None:
    """A library's error text can repeat the row it failed on; its class and place are enough."""
    line = _format(_record("failed", ValueError("bad row: Jansen, 999990019")))

    assert "Jansen" not in orjson.dumps(line).decode()
    assert "ValueError" in orjson.dumps(line["error"]).decode()


def test_texts_of_our_own_exceptions_are_kept() -> None:
    """What Heraut raises is written without personal data, and worth reading."""
    line = _format(_record("failed", RetryableError("the log cannot be reached")))

    assert "the log cannot be reached" in orjson.dumps(line["error"]).decode()
