"""`heraut up` as a unit of systemd: what it is told, by real sockets, and what systemd itself says of the unit."""

import configparser
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from services.kit.process import tell_systemd

UNIT = Path(__file__).parents[2] / "deploy" / "systemd" / "heraut.service"


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_is_told_at_the_socket_that_it_names(tmp_path: Path, *, abstract: bool) -> None:
    """A file, or a name that has no file (unix(7))."""
    place = f"heraut-{tmp_path.name}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(f"\0{place}" if abstract else place)
        told = tell_systemd("READY=1", {"NOTIFY_SOCKET": f"@{place}" if abstract else place})

        assert (True, b"READY=1") == (told, systemd.recv(100))


@pytest.mark.parametrize("named", ["", "/nowhere/at/all", "vsock:2:1234"])
def test_without_systemd_nobody_is_told_and_nothing_fails(named: str) -> None:
    """On a terminal, in a container."""
    assert not tell_systemd("READY=1", {"NOTIFY_SOCKET": named} if named else {})


def test_the_unit_comes_back_and_keeps_to_itself() -> None:
    """What nobody else may read is made so, it is started again, and not for ever where its settings are wrong."""
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment, method-assign]  # names of systemd have capitals
    unit.read(UNIT, encoding="utf-8")
    wanted = {
        "Type": "notify", "UMask": "0077", "Restart": "always", "RestartPreventExitStatus": "2",
        "StateDirectoryMode": "0700", "NoNewPrivileges": "yes", "ProtectSystem": "strict", "LimitCORE": "0",
    }  # fmt: skip

    assert wanted == {name: unit["Service"][name] for name in wanted}
    assert int(unit["Service"]["TimeoutStopSec"]) > 20 + 10  # the drain, and what `up` waits beyond it


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
def test_systemd_finds_no_fault_in_the_unit(tmp_path: Path) -> None:
    """As it stands, but for where Heraut is, and a user that is not on this machine."""
    text = UNIT.read_text(encoding="utf-8").replace("/opt/heraut/bin/heraut up", f"{sys.executable} -V")
    (tmp_path / UNIT.name).write_text(text.replace("=heraut\n", "=root\n", 2), encoding="utf-8")
    done = subprocess.run(  # noqa: S603 - systemd's own program
        [str(shutil.which("systemd-analyze")), "verify", str(tmp_path / UNIT.name)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (0, "") == (done.returncode, done.stdout + done.stderr)
