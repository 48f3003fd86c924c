"""Files that are whole or not there."""

import os
import stat
from pathlib import Path

import pytest

from services.kit.files import sync_folder, write_atomically, write_synced


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Return the list of what was synced, in order."""
    paths: list[Path] = []
    monkeypatch.setattr(os, "fsync", lambda number: paths.append(Path(f"/proc/self/fd/{number}").readlink()))
    return paths


def test_a_synced_file_takes_nothing_from_the_one_before(tmp_path: Path) -> None:
    """A file that somebody left under the name gives the new one neither its bytes nor its permissions."""
    path = tmp_path / "file"
    path.write_bytes(b"a longer text than the new one")
    path.chmod(0o666)
    before = path.open("rb")

    write_synced(path, b"new", mode=0o600)

    assert (b"new", 0o600) == (path.read_bytes(), stat.S_IMODE(path.stat().st_mode))
    assert b"a longer text than the new one" == before.read()
    before.close()


def test_bytes_are_on_the_disk_before_their_name(tmp_path: Path, synced: list[Path]) -> None:
    """The file is synced under its temporary name, and then the folder that holds the final one."""
    write_atomically(tmp_path / "file", "text")

    assert [tmp_path / f".file.{os.getpid()}", tmp_path] == synced


def test_an_atomic_write_replaces_the_file(tmp_path: Path) -> None:
    """The file has the new text, and nothing lies beside it."""
    (tmp_path / "file").write_text("old")

    write_atomically(tmp_path / "file", "néw")

    assert {"file": "néw"} == {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk costs the new text, not the old one."""
    (tmp_path / "file").write_text("old")

    def fsync(_: int) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="No space"):
        write_atomically(tmp_path / "file", "new")

    assert {"file": "old"} == {path.name: path.read_text() for path in tmp_path.iterdir()}


def test_a_folder_is_synced(tmp_path: Path, synced: list[Path]) -> None:
    """The folder itself is what is synced."""
    sync_folder(tmp_path)

    assert [tmp_path] == synced
