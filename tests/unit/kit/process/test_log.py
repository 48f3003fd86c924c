"""A log line is JSON, and holds nothing that was not meant for it."""

import asyncio
import gc
import logging
from collections.abc import Callable

import orjson
import pytest
import uvloop

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


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_what_a_task_held_is_left_out(new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """The loop tells of a task that failed unseen with the error's text: the class and what happened are enough."""

    async def fail() -> None:
        raise ValueError("bad row: Jansen, 999990019")

    lines: list[str] = []
    handler = logging.Handler()
    handler.setFormatter(JsonFormatter("intake"))
    handler.emit = lambda record: lines.append(handler.format(record))  # type: ignore[method-assign]
    loop, logger = new_loop(), logging.getLogger("asyncio")
    logger.addHandler(handler)
    try:
        task = loop.create_task(fail())
        loop.run_until_complete(asyncio.wait([task]))
        del task
        gc.collect()
        loop.run_until_complete(asyncio.sleep(0))
    finally:
        logger.removeHandler(handler)
        loop.close()

    (line,) = lines
    assert "Task exception was never retrieved" in line
    assert "ValueError" in line
    assert "Jansen" not in line


def test_texts_of_our_own_exceptions_are_kept() -> None:
    """What Heraut raises is written without personal data, and worth reading."""
    line = _format(_record("failed", RetryableError("the log cannot be reached")))

    assert "the log cannot be reached" in orjson.dumps(line["error"]).decode()
