"""The supervisor keeps its children running and ends them with itself. The children of these tests do nothing."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from services.cli.console import Fault
from services.cli.supervisor import Child, Supervisor
from services.kit.process.children import start_child, stop_child

# A service as the supervisor sees it: it writes its address to the ready file, and answers that it is ready.
SERVICE = """
import http.server, os, pathlib, sys
class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
    def log_message(self, *_): pass
server = http.server.HTTPServer(("127.0.0.1", int(os.environ["HERAUT_HTTP_PORT"])), Ready)
pathlib.Path(sys.argv[sys.argv.index("--ready-file") + 1]).write_text("http://127.0.0.1:%d" % server.server_port)
server.serve_forever()
"""
PARENT = """
import asyncio, pathlib, sys
from services.kit.process.children import start_child
async def main():
    child = await start_child([sys.executable, "-c", "import time; time.sleep(600)"],
                              environ={}, log=pathlib.Path(sys.argv[1]))
    print(child.pid, flush=True)
    await child.wait()
asyncio.run(main())
"""


def _child(data: Path, code: str, said: list[str]) -> Child:
    return Child(
        service="intake", argv=[sys.executable, "-c", code], environ=dict(os.environ), log=data / "logs" / "intake.log",
        ready_file=data / "run" / "intake.url", port=0, say=said.append, drain=5.0,
    )  # fmt: skip


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - other processes set no event of ours
            await asyncio.sleep(0.05)


async def test_a_killed_service_comes_back_at_its_address(tmp_path: Path) -> None:
    """The address in services.json stays true after a service died and was started again."""
    said: list[str] = []
    child = _child(tmp_path, SERVICE, said)
    stop, ready = asyncio.Event(), asyncio.Event()
    running = asyncio.create_task(Supervisor(tmp_path, [child]).run(stop, lambda _: ready.set()))
    try:
        await asyncio.wait_for(ready.wait(), 20)
        addresses = orjson.loads((tmp_path / "services.json").read_bytes())
        assert child.process
        first = child.process
        first.kill()
        await _until(lambda: child.process is not first and _read(child.ready_file) != "")
    finally:
        stop.set()
        await asyncio.wait_for(running, 20)

    assert addresses == {"intake": child.ready_file.read_text()}
    assert (1, True) == (child.restarts, "status -9" in said[0])


async def test_a_wrong_configuration_ends_all(tmp_path: Path) -> None:
    """A service whose settings are wrong is not started again, and the user reads what it said."""
    code = "import sys; print('HERAUT_X is needed', file=sys.stderr); sys.exit(2)"
    with pytest.raises(Fault, match="HERAUT_X is needed") as caught:
        await Supervisor(tmp_path, [_child(tmp_path, code, [])]).run(asyncio.Event(), lambda _: None)

    assert caught.value.exit_code == 2


async def test_children_die_with_a_killed_parent(tmp_path: Path) -> None:
    """After kill -9 of the supervisor no service runs on."""
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, str(tmp_path / "log"), stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout
    child = int(await parent.stdout.readline())
    parent.kill()
    await parent.wait()
    await _until(lambda: not _lives(child))

    assert not _lives(child)


async def test_a_child_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    """A child that does not end within its patience gets SIGKILL."""
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(600)"
    log = tmp_path / "log"
    process = await start_child([sys.executable, "-c", code], environ={}, log=log)
    await _until(lambda: log.stat().st_size > 0)
    await stop_child(process, 0.2)

    assert -signal.SIGKILL == process.returncode


def _read(file: Path) -> str:
    return file.read_text() if file.exists() else ""


def _lives(pid: int) -> bool:
    try:
        # An ended child stays as a zombie (Z) until the process that inherited it has reaped it.
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
