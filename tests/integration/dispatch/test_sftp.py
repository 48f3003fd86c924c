"""Print files by SFTP: a real server, whole files in the right order, once, and to nobody else."""

from collections.abc import AsyncIterator
from pathlib import Path

import asyncssh
import pyrage
import pytest
from pyrage import x25519

from services.core.status import AttemptState
from services.demo.standins.sftp import SftpServer
from services.dispatch.channels.letter import PrintFolder, open_provider
from services.dispatch.channels.print_files import total_of
from services.dispatch.channels.sftp import PrintHouse
from services.dispatch.config import LetterConfig, SftpAddress
from services.dispatch.outcomes import Ending
from services.dispatch.print_runs import PrintRun
from services.kit.clock import SystemClock
from services.kit.config import load
from tests.integration.dispatch.bench import Bench, a_payload
from tests.unit.dispatch.people import CREATED, some_notices, some_work


def _go() -> bool:
    return True


class House(SftpServer):
    """A print house, and the folder that its files are made in here."""

    def __init__(self, home: Path) -> None:
        self.local = home / "here"
        self.local.mkdir(parents=True)
        super().__init__(home)

    def printer(self, host_key: asyncssh.SSHKey | None = None, recipient: str | None = None) -> PrintHouse:
        """Return what sends there; it trusts this key, and encrypts to that one."""
        key = (host_key or self.host_key).export_public_key().decode()
        return PrintHouse(
            PrintFolder(self.local), self.local, SftpAddress(self.url), self.key_file, key, recipient=recipient
        )

    def files(self, folder: Path | None = None) -> dict[str, bytes]:
        """Return what lies there, or in another folder."""
        return {path.name: path.read_bytes() for path in (folder or self.inbox).iterdir()}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """Return a print house that is there."""
    found = House(tmp_path / "house")
    async with found.serve():
        yield found


async def test_a_print_file_is_there_whole_and_its_mark_last(house: House) -> None:
    """The same bytes as here, under their names; a repeat sends nothing again."""
    work, printer = some_work(2), house.printer()
    handed = await printer.hand_over(work, _go)
    named, there = list(house.named), house.files()
    await printer.close()
    work.round.repeated, printer = True, house.printer()
    again = await printer.hand_over(work, _go)
    await printer.close()

    assert [Ending.ACCEPTED] * 2 == [result.ending for result in handed.results]
    assert house.files(house.local) == there
    assert ["manifest.json", "pdf", "done"] == [name.split(".", 1)[1] for name in named]
    assert (handed, named) == (again, house.named)


async def test_settings_lead_to_the_print_house(house: House) -> None:
    """With them files are sent; the folder here is made where it is not there yet."""
    local = house.local / "made"
    config = load(
        LetterConfig,
        {
            "HERAUT_PRINT_DIR": str(local),
            "HERAUT_PRINT_SFTP_URL": f"sftp://heraut@127.0.0.1:{house.port}/in",
            "HERAUT_PRINT_SFTP_KEY": str(house.key_file),
            "HERAUT_PRINT_SFTP_HOST_KEY": house.host_key.export_public_key().decode(),
        },
    )
    printer = open_provider(config, SystemClock())
    handed = await printer.hand_over(some_work(1), _go)
    await printer.close()

    assert [Ending.ACCEPTED] == [one.ending for one in handed.results]
    assert house.files(local) == house.files()


async def test_the_total_of_a_run_is_sent_too(house: House) -> None:
    """The print house knows how many files there are to be; one that is sent again is the same."""
    printer = house.printer()
    run = PrintRun("20260820-0-normal-1", CREATED.date(), "normal", CREATED, [])
    sent = [await printer.close_run(run), await printer.close_run(run)]
    await printer.close()

    assert ([True, True], {"20260820-0-normal-1.job.json": total_of(run)}) == (sent, house.files())
    assert ["20260820-0-normal-1.job.json"] == house.named


async def test_files_are_encrypted_to_the_print_house_where_that_is_wanted(house: House) -> None:
    """Whoever runs its server reads none of them; opened with its key they are the files as we have them."""
    identity = x25519.Identity.generate()
    work, printer = some_work(1), house.printer(recipient=str(identity.to_public()))
    handed = await printer.hand_over(work, _go)
    await printer.close()
    here, there = house.files(house.local), house.files()
    opened = {
        name.removesuffix(".age"): pyrage.decrypt(body, [identity])
        for name, body in there.items()
        if name.endswith("age")
    }

    assert [Ending.ACCEPTED] == [one.ending for one in handed.results]
    assert {f"{work.name}.done", f"{work.name}.manifest.json.age", f"{work.name}.pdf.age"} == there.keys()
    assert here == opened | {f"{work.name}.done": there[f"{work.name}.done"]}
    assert not any(work.references[0].encode() in body for body in there.values())


async def test_another_server_is_sent_nothing(house: House) -> None:
    """Whoever took the print house's name has not its key: the letters wait."""
    printer = house.printer(asyncssh.generate_private_key("ssh-ed25519"))
    handed = await printer.hand_over(some_work(1), _go)

    assert ([Ending.REPEAT], True, {}) == ([one.ending for one in handed.results], bool(handed.outage), house.files())


@pytest.mark.parametrize("at", [1, 2, 3])
async def test_a_line_that_breaks_leaves_nothing_to_be_printed(house: House, at: int) -> None:
    """Wherever it broke there is no mark; the next try ends with the same files as one without trouble."""
    work, printer = some_work(2), house.printer()
    house.breaks_at = at
    handed = await printer.hand_over(work, _go)
    seen = [name for name in house.files() if name.endswith(".done")]
    again = await printer.hand_over(work, _go)
    there = {name: body for name, body in house.files().items() if not name.startswith(".")}
    await printer.close()

    assert ([Ending.REPEAT] * 2, []) == ([one.ending for one in handed.results], seen)
    assert [Ending.ACCEPTED] * 2 == [one.ending for one in again.results]
    assert house.files(house.local) == there


async def test_a_server_that_is_away_costs_nothing_but_time(letters: Bench, tmp_path: Path) -> None:
    """Everybody stays open and is told once when it is back, in a run that it gets the total of."""
    house = House(tmp_path / "house")
    async with house.serve():
        pass
    notices = some_notices(3)
    await letters.seal(notices, [a_payload()] * 3)
    await letters.take(notices)

    async def tried() -> bool:
        return letters.count("repeat") >= 3.0

    await letters.send(house.printer(), until=tried)
    waiting = await letters.states()
    printer = house.printer()
    async with house.serve():
        await letters.send(printer)
        await printer.close()

    assert {AttemptState.INTENT: 3} == waiting
    assert {AttemptState.ACCEPTED: sorted(notices.ids)} == await letters.attempted()
    assert house.files(house.local) == house.files()
