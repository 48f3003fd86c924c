"""What traces cost a block: `python -m loadtests.traces`, some seconds.

CPU time of the whole process, the thread that sends spans included, for batches of 32 blocks that give out as many:
begin, mark what goes out, end. The collector is another process, which takes and forgets.
"""

import asyncio
import os
import subprocess
import sys
import time
from typing import Any, cast

from prometheus_client import CollectorRegistry

from loadtests.yardstick import yardstick
from services.kit.eventlog import Output, Record
from services.kit.postgres import Pool
from services.kit.stage import StageContext, StageMetrics, StagePolicy
from services.kit.stage.plan import Read
from services.kit.stage.spans import batch_spans
from services.kit.testing import MemoryLog
from services.kit.tracing import NOT_TRACED, Causes, TraceParent, Tracing, headers_of, open_tracing

_ROOM, _TOPIC = "routing", "heraut.notices.released.v1"
_BLOCKS, _BATCHES = 32, 500
_SINK = """
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Sink(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *_):
        pass
server = ThreadingHTTPServer(("127.0.0.1", 0), Sink)
print(server.server_port, flush=True)
server.serve_forever()
"""


def _context(tracing: Tracing, registry: CollectorRegistry) -> StageContext:
    return StageContext(
        stage=_ROOM, topics=[_TOPIC], partitions=8, pool=cast("Pool", None), log=MemoryLog(),
        handler=cast("Any", None), policy=StagePolicy(), metrics=StageMetrics(_ROOM, registry), tracing=tracing,
    )  # fmt: skip


def _reads(causes: Causes) -> list[Read]:
    headers = headers_of(causes)
    return [
        Read(Record(_TOPIC, n % 8, n, "deduplication", n + 1, 0, b"x" * 60_000, headers), work=object())
        for n in range(_BLOCKS)
    ]


def _measure(context: StageContext, causes: Causes) -> float:
    """Return microseconds of CPU a block."""
    reads, outputs = _reads(causes), [Output(_TOPIC, n % 8, b"x") for n in range(_BLOCKS)]
    began = time.process_time()
    for _ in range(_BATCHES):
        with batch_spans(context, reads) as spans:
            spans.marked(outputs)
    return (time.process_time() - began) / (_BATCHES * _BLOCKS) * 1e6


async def _traced(url: str, causes: Causes) -> float:
    registry = CollectorRegistry()
    tracing = open_tracing(url, _ROOM, _ROOM, registry)
    began = time.process_time()
    took = _measure(_context(tracing, registry), causes)
    await tracing.close()
    sending = (time.process_time() - began) / (_BATCHES * _BLOCKS) * 1e6
    lost = registry.get_sample_value(f"{_ROOM}_spans_lost_total", {"reason": "queue-full"})
    print(f"  {took:6.2f} us a block, {sending:6.2f} with what was left to send; {lost:.0f} spans lost")
    return took


def main() -> None:
    """Print the figures."""
    os.environ["OTEL_BSP_MAX_QUEUE_SIZE"] = str(_BLOCKS * _BATCHES)
    kept = TraceParent("a" * 32, "b" * 16, sampled=True)
    many = tuple(TraceParent("a" * 32, f"{n:016x}", sampled=True) for n in range(1, 33))
    print(yardstick())
    print(f"off\n  {_measure(_context(NOT_TRACED, CollectorRegistry()), ()):6.2f} us a block")
    sink = subprocess.Popen([sys.executable, "-c", _SINK], stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own
    try:
        assert sink.stdout is not None
        url = f"http://127.0.0.1:{sink.stdout.readline().strip()}"
        for words, causes in (
            ("on, not sampled", (kept._replace(sampled=False),)),
            ("on", (kept,)),
            ("on, 31 links a block", many),
        ):
            print(words)
            asyncio.run(_traced(url, causes))
    finally:
        sink.terminate()
        sink.wait()


if __name__ == "__main__":
    main()
