"""Providers at their worst: nothing lost, nothing doubled, nothing stuck, and nobody's data repeated."""

import errno
import json
import logging
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web

from services.core.channel import Channel
from services.core.status import AttemptState
from services.demo.standins.mail import MailServer
from services.demo.standins.portal import PortalServer
from services.dispatch.channels import letter
from services.dispatch.channels.email import Smtp
from services.dispatch.channels.letter import PrintFolder
from services.dispatch.channels.portal import Portal
from services.dispatch.mail_config import SmtpAddress
from services.kit.clock import SystemClock
from services.kit.process.log import JsonFormatter
from tests.conftest import RoomPool
from tests.integration.dispatch.bench import Bench, a_payload, make_bench
from tests.integration.malformed.material import CANARIES, EMAIL, NAME, STREET
from tests.unit.dispatch.people import some_notices

_SPEED = 20  # a minute in three seconds, and a look at the queue still every two seconds of it


class FastClock(SystemClock):
    """A clock on which time runs faster, as it does for who waits with it."""

    def __init__(self) -> None:
        self._began, self._began_at = super().monotonic(), datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds."""
        return (super().monotonic() - self._began) * _SPEED

    def now(self) -> datetime:
        """Return the time."""
        return self._began_at + timedelta(seconds=self.monotonic())


class Failing(PortalServer):
    """A portal that fails for a while, and says whose message it could not take."""

    def __init__(self, clock: SystemClock, seconds: float) -> None:
        super().__init__()
        self._clock, self._fine_at = clock, clock.monotonic() + seconds
        self.failed = 0

    async def take(self, request: web.Request) -> web.StreamResponse:
        """Fail, or take a message."""
        if self._clock.monotonic() < self._fine_at:
            self.failed += 1
            return web.Response(status=500, reason=NAME, text=await request.text())
        return await super().take(request)


async def _bench(room_pool: RoomPool, channel: Channel, folder: Path) -> Bench:
    return make_bench(channel, await room_pool("dispatch"), await room_pool("intake"), folder)


async def _queue(bench: Bench, count: int) -> list[bytes]:
    notices = some_notices(count)
    canary = {"familyName": NAME, "street": STREET}
    people = [a_payload(**canary, email=f"{at}.{EMAIL}", portalId=f"{NAME}-{at}") for at in range(count)]
    await bench.seal(notices, people)
    await bench.take(notices)
    return sorted(notices.ids)


async def test_portal_that_answers_500_for_a_minute(room_pool: RoomPool, tmp_path: Path) -> None:
    """Everybody is told once it is over, nobody is given up, and the portal is left alone more and more meanwhile."""
    bench = await _bench(room_pool, Channel.PORTAL, tmp_path)
    bench.clock = FastClock()
    ids = await _queue(bench, 200)
    server = Failing(bench.clock, seconds=60)
    async with server.serve():
        portal = Portal(server.url, at_once=8)
        await bench.send(portal)
        await portal.close()

    assert {f"{notice.hex()}.1" for notice in ids} == server.taken.keys()
    assert {AttemptState.ACCEPTED: ids} == await bench.attempted()
    # Pauses double from half a second up to half a minute: some twenty rounds of eight requests at once. Without
    # pauses there would be thousands.
    assert 8 <= server.failed <= 60 * 8


@dataclass
class Disk:
    """A print folder whose disk can be filled, and freed again."""

    folder: Path
    fill: Callable[[], None]
    free: Callable[[], None]

    def seen(self) -> set[str]:
        """Return the names of everything there, hidden files included."""
        return {path.name for path in self.folder.iterdir()} - {"filler"}


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    """Return a disk of 256 KB; where that takes rights that we have not, one whose writes fail as if it were full."""
    folder = tmp_path / "print"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(mount, check=False, capture_output=True).returncode:  # noqa: S603 - our own command
        yield Disk(folder, lambda: monkeypatch.setattr(letter, "write_synced", _no_space), monkeypatch.undo)
        return
    try:
        yield Disk(folder, lambda: _fill(folder / "filler"), (folder / "filler").unlink)
    finally:
        subprocess.run(["umount", str(folder)], check=True)  # noqa: S603, S607 - our own command


def _fill(filler: Path) -> None:
    """Leave some kilobytes: enough to begin a file, too few to end it."""
    blocks = 256 // 4 - 3
    filler.write_bytes(bytes(blocks * 4096))


def _no_space(path: Path, body: bytes, **_: object) -> None:
    path.write_bytes(body[:9])
    raise OSError(errno.ENOSPC, "no space left on device", str(path))


@pytest.mark.parametrize("letter_format", ["pdf", "ndjson"])
async def test_full_disk_in_the_print_folder(
    room_pool: RoomPool, disk: Disk, tmp_path: Path, caplog: pytest.LogCaptureFixture, letter_format: str
) -> None:
    """While the disk is full nothing half written is to be seen; when there is room, each letter is there once."""
    bench = await _bench(room_pool, Channel.LETTER, tmp_path)
    ids = await _queue(bench, 40)
    printer = PrintFolder(disk.folder, letter_format)
    disk.fill()

    async def tried() -> bool:
        return bench.count("repeat") >= 40.0

    await bench.send(printer, until=tried)
    waiting, seen = await bench.states(), disk.seen()
    disk.free()
    await bench.send(printer)
    await printer.close()
    manifests = [json.loads(path.with_suffix(".manifest.json").read_bytes()) for path in disk.folder.glob("*.done")]

    assert ({AttemptState.INTENT: 40}, set()) == (waiting, seen)
    assert [notice.hex() for notice in ids] == sorted(one["noticeId"] for m in manifests for one in m["letters"])
    assert 3 * len(manifests) == len(disk.seen())
    assert {AttemptState.ACCEPTED: ids} == await bench.attempted()
    assert "the print folder cannot be written to" in caplog.text


@pytest.mark.parametrize("channel", [Channel.PORTAL, Channel.EMAIL], ids=["portal", "email"])
async def test_what_providers_answer_reaches_no_log(
    room_pool: RoomPool, tmp_path: Path, caplog: pytest.LogCaptureFixture, channel: Channel
) -> None:
    """Providers repeat names and addresses in their errors; our log lines, tables and refusals do not."""
    caplog.set_level(logging.DEBUG)
    bench = await _bench(room_pool, channel, tmp_path)
    await _queue(bench, 4)
    await (_at_portal(bench) if channel is Channel.PORTAL else _at_mail_server(bench))
    await bench.waited()
    ours = [record for record in caplog.records if record.name != "mail.log"]  # the mail server is the test's own
    lines = [JsonFormatter("dispatch").format(record) for record in ours]
    refusals = [reason for reason, _, _ in await bench.refused()]
    seen = [*lines, *await _rows(bench), *refusals]

    assert {"refused-by-provider"} == set(refusals)
    assert [] == [(canary, text) for canary in CANARIES for text in seen if canary.lower() in text.lower()]


async def _rows(bench: Bench) -> list[str]:
    """Return all rows of dispatch's tables as text."""
    tables = await bench.pool.fetch("select tablename from pg_tables where schemaname = 'dispatch'")
    return [
        row[0] for (table,) in tables for row in await bench.pool.fetch(f'select t::text from dispatch."{table}" as t')
    ]


async def _at_portal(bench: Bench) -> None:
    server = Failing(bench.clock, seconds=0.3)
    server.refused.add(f"{NAME}-1")
    server.answers = ["close", (429, {"Retry-After": "0"}), "hang"]
    async with server.serve():
        portal = Portal(server.url, timeout=0.3)
        await bench.send(portal)
        await portal.close()


async def _at_mail_server(bench: Bench) -> None:
    server = MailServer()
    server.recipients = {
        f"1.{EMAIL}": f"550 5.1.1 <1.{EMAIL}> {NAME} does not live here",
        f"2.{EMAIL}": f"553 5.1.3 {NAME}",
    }
    server.after_data = f"554 5.7.1 message for {NAME} <{EMAIL}> refused"

    async def paused() -> bool:
        return bench.paused("sender") > 0 and await _open(bench) == 2

    async with server.serve():
        smtp = Smtp(SmtpAddress(f"smtp://127.0.0.1:{server.port}"), bench.clock)
        await bench.send(smtp, until=paused)
        server.after_data = f"550 5.1.1 message for {NAME} <{EMAIL}> refused"
        await bench.send(smtp)


async def _open(bench: Bench) -> int:
    states = await bench.states()
    return sum(states.get(state, 0) for state in (AttemptState.TAKEN, AttemptState.INTENT))
