"""Logs as JSON lines on stderr, with an allow-list of fields: no payload can slip in through `extra`."""

import logging
import sys
import traceback
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

import orjson

from services.kit.tracing import current_trace

__all__ = ["AUDIT", "FIELDS", "configure_logs"]

# Ids of incidents, cohorts and blocks, counts and codes: nothing here can hold a person that Heraut writes to.
# `principal` names who did something here: that is what an audit line is for.
FIELDS = frozenset(
    {"stage", "topic", "partition", "offset", "source", "seq", "epoch", "holder", "part", "attempt", "after"}
    | {"reason", "error_class", "sqlstate", "signal", "status", "incident_id", "cohort_id", "channel", "provider"}
    | {"batch_id", "key_id", "table", "version", "count", "received", "accepted", "rejected", "seconds"}
    | {"port", "url", "path", "principal", "act", "request_id", "run", "files", "trace_id", "span_id"}
    # Of dispatch: what a provider answered (its code), whom it hit (how many), and where a hand-over lies.
    | {"answer", "blame", "hit", "domain", "connections", "times", "people", "incident_version", "batches", "notice"}
    | {"job", "file", "field", "why", "block"}
)
AUDIT = "heraut.audit"  # the logger of audit lines
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_Exception = tuple[type[BaseException], BaseException, TracebackType | None]


class JsonFormatter(logging.Formatter):
    """One JSON object a line. An exception gives its class and where it was raised, never its text.

    Exception texts of libraries can repeat the values they failed on (a row, an address).
    """

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "service": self._service,
            "logger": record.name,
            "message": _message(record),
        }
        line |= current_trace() | {name: value for name, value in record.__dict__.items() if name in FIELDS}
        if record.exc_info and record.exc_info[1]:
            line["error"] = _describe(record.exc_info[1])
        return orjson.dumps(line, default=str).decode()


def _message(record: logging.LogRecord) -> str:
    """Return what a line says. Of asyncio's that is the first line: the others show tasks with the errors they held."""
    message = record.getMessage()
    return message.partition("\n")[0] if record.name == "asyncio" else message


def _describe(error: BaseException) -> list[dict[str, Any]]:
    """Return the chain of causes, each as class and stack; texts only of Heraut's own errors."""
    chain: list[dict[str, Any]] = []
    seen: BaseException | None = error
    while seen is not None and len(chain) < 5:  # a chain is seldom deeper; the first ones tell the most
        entry: dict[str, Any] = {"class": type(seen).__qualname__}
        if type(seen).__module__.startswith("services."):
            entry["text"] = str(seen)
        frames = traceback.extract_tb(seen.__traceback__)[-12:]
        entry["stack"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
        if isinstance(seen, BaseExceptionGroup):
            entry["of"] = [_describe(inner) for inner in seen.exceptions[:3]]
        chain.append(entry)
        seen = seen.__cause__ or seen.__context__
    return chain


def configure_logs(service: str, level: str = "info") -> None:
    """Send all logs of this process to stderr as JSON lines. `level` is one of debug, info, warning, error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(service))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(_LEVELS[level])
    # Who did what is told at every level.
    logging.getLogger(AUDIT).setLevel(logging.INFO)
    # Their lines name records and addresses, or come once a request.
    for chatty in ("aiokafka", "aiohttp.access", "asyncio", "mail.log", "aiosmtplib"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, _LEVELS[level]))
