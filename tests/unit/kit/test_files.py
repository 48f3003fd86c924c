"""Files that are whole or not there."""

import os
import stat
from pathlib import Path

import pytest

from services.kit.files import keep_private, state_of, write_atomically
from services.kit.folders import make_folder, open_folder


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

    with open_folder(tmp_path) as folder:
        folder.write_synced("file", b"new", mode=0o600)

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
    with open_folder(tmp_path) as folder:
        folder.sync()

    assert [tmp_path] == synced


def test_what_is_made_is_its_owners_alone(tmp_path: Path) -> None:
    """Whatever the umask was: folders, files, and what libraries make by themselves."""
    before = os.umask(0o000)
    try:
        write_atomically(tmp_path / "text", "text")
        make_folder(tmp_path / "made" / "folder")
        keep_private()
        (tmp_path / "other").write_text("x")
        modes = {name: stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("text", "made/folder", "other")}
    finally:
        os.umask(before)

    assert {"text": 0o600, "made/folder": 0o700, "other": 0o600} == modes


def test_a_group_may_read_what_it_is_named_for(tmp_path: Path) -> None:
    """Files 0640 and folders 0750, also under the narrowest umask; a folder that is there stays as it is."""
    before, group = os.umask(0o077), os.getegid()
    try:
        make_folder(tmp_path / "new", group=group)
        (tmp_path / "old").mkdir(mode=0o700)
        make_folder(tmp_path / "old", group=group)
        with open_folder(tmp_path) as folder:
            folder.write_synced("file", b"x", group=group)
    finally:
        os.umask(before)

    assert [0o750, 0o700, 0o640] == [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("new", "old", "file")]


def test_a_link_is_no_file_of_ours(tmp_path: Path) -> None:
    """What a link leads to is somebody else's to change; a pipe makes nobody wait."""
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe")

    with open_folder(tmp_path) as folder:
        found = [folder.read_own(name) for name in ("file", "link", "dangling", "pipe", "nothing")]

    assert [b"x", None, None, None, None] == found


def test_a_file_that_stands_otherwise_is_another_one(tmp_path: Path) -> None:
    """Written anew, exchanged for one of the same size and time, or gone: each is seen without reading it."""
    path = tmp_path / "file"
    path.write_text("one")
    before = state_of(path)
    assert before == state_of(path)
    path.write_text("three")
    longer = state_of(path)
    write_atomically(path, "other")
    assert longer
    os.utime(path, ns=(longer.changed_ns, longer.changed_ns))
    exchanged = state_of(path)
    path.unlink()

    assert 4 == len({before, longer, exchanged, state_of(path)})
    assert state_of(path) is None
