"""Folders that are held open, and what lies on the way to them."""

import os
from pathlib import Path

import pytest

from services.kit.folders import make_folder, open_file, open_folder

OTHER = 12_345  # a user that is neither we nor the superuser
as_superuser = pytest.mark.skipif(os.geteuid() != 0, reason="nobody else can make what belongs to somebody else")


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """Return a folder that others may write, with one of ours in it, and one that is theirs beside it."""
    shared = tmp_path / "shared"
    for path in (shared, shared / "ours", tmp_path / "theirs"):
        path.mkdir()
    shared.chmod(0o777)
    return shared


def swap(path: Path, other: Path) -> Path:
    """Put a link to another folder in the place of one; return where that is now."""
    aside = path.rename(path.with_name("aside"))
    path.symlink_to(other)
    return aside


def names(folder: Path) -> list[str]:
    """Return what lies in a folder."""
    return sorted(path.name for path in folder.iterdir())


def test_what_was_opened_stays_what_it_is(shared: Path) -> None:
    """Whoever puts another folder in its place, or in the place of one above it, gets none of our files."""
    theirs = shared.parent / "theirs"
    (theirs / "ours").mkdir()
    (theirs / "ours" / "first").write_bytes(b"theirs")
    with open_folder(shared / "ours") as folder:
        folder.write_synced("first", b"ours")
        aside = swap(shared, theirs)
        folder.write_synced("second", b"x")
        folder.link("second", "third")
        folder.rename("second", "fourth")
        folder.remove("third")
        found = folder.read_own("first"), sorted(folder.names())
        folder.sync()

    assert (b"ours", ["first", "fourth"]) == found
    assert (["first", "fourth"], ["first"]) == (names(aside / "ours"), names(theirs / "ours"))


def test_links_of_our_own_are_followed(shared: Path) -> None:
    """A data folder may lie on another disk: absolute and relative links, one after the other, with dots."""
    (shared / "relative").symlink_to("../shared/./ours")
    (shared / "absolute").symlink_to(shared / "relative")
    with open_folder(shared / "absolute" / ".." / "ours") as folder:
        folder.write_synced("file", b"x")

    assert ["file"] == names(shared / "ours")
    with open_file(shared / "absolute" / "file") as file:
        assert b"x" == file.read()


@as_superuser
@pytest.mark.parametrize("kind", ["link", "folder", "above"])
def test_what_others_put_there_is_not_entered(shared: Path, kind: str) -> None:
    """In a folder that they may write, a link or folder of theirs may stand for ours."""
    theirs = shared.parent / "theirs"
    (theirs / "inner").mkdir()
    if kind == "folder":
        (shared / "ours").rename(shared / "aside")
        theirs.rename(shared / "ours")
    else:
        swap(shared / "ours", theirs)
    os.chown(shared / "ours", OTHER, -1, follow_symlinks=False)

    with (
        pytest.raises(PermissionError, match="others may have put something"),
        open_folder(shared / "ours" / ("inner" if kind == "above" else "")),
    ):
        pass
    with pytest.raises(PermissionError):
        make_folder(shared / "ours" / "new")
    with pytest.raises(PermissionError):
        open_file(shared / "ours" / "file")


@as_superuser
def test_what_somebody_chose_who_alone_may_is_entered(tmp_path: Path) -> None:
    """A folder of the print house's, and a link of an operator's, where nobody but the superuser may put them."""
    (tmp_path / "house").mkdir()
    os.chown(tmp_path / "house", OTHER, -1)
    (tmp_path / "print").symlink_to(tmp_path / "house")
    os.chown(tmp_path / "print", OTHER, -1, follow_symlinks=False)
    with open_folder(tmp_path / "print") as folder:
        folder.write_synced("file", b"x")

    assert ["file"] == names(tmp_path / "house")


@as_superuser
@pytest.mark.parametrize("mode", [0o755, 0o775])
def test_the_tree_of_somebody_who_was_named_is_entered(tmp_path: Path, mode: int) -> None:
    """Who runs us as the superuser in a folder of their own trusts themselves; links of theirs count there."""
    theirs = tmp_path / "theirs"
    (theirs / "data" / "keys").mkdir(parents=True)
    (theirs / "link").symlink_to("data")
    (theirs / "data" / "keys" / "file").write_bytes(b"x")
    for path in (theirs, theirs / "link", *theirs.rglob("*")):
        os.chown(path, OTHER, -1, follow_symlinks=False)
    theirs.chmod(mode)
    make_folder(theirs / "link" / "print")

    with open_folder(theirs / "link" / "keys") as folder:
        assert ["file"] == folder.names()
    with open_file(theirs / "link" / "keys" / "file") as file:
        assert b"x" == file.read()


@as_superuser
def test_a_file_that_others_put_there_is_not_read(shared: Path) -> None:
    """Keys that they know would seal what they can open."""
    for name in ("file", "target"):
        (shared / name).write_bytes(b"x")
    (shared / "link").symlink_to("target")
    for name in ("file", "link"):
        os.chown(shared / name, OTHER, -1, follow_symlinks=False)
        with pytest.raises(PermissionError):
            open_file(shared / name)


def test_links_that_lead_round_end(tmp_path: Path) -> None:
    """Nobody waits for ever, and what is no folder is none."""
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    (tmp_path / "file").write_bytes(b"x")

    for opening in (open_folder(tmp_path / "a"), open_folder(tmp_path / "file"), open_folder(tmp_path / "none" / "x")):
        with pytest.raises(OSError, match=r"too many links|no folder|No such file"), opening:
            pass
    with pytest.raises(OSError, match="too many links"):
        open_file(tmp_path / "a")


def test_a_new_folder_is_not_one_that_a_link_leads_to(tmp_path: Path) -> None:
    """Rights are given to what was made, and to nothing else."""
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "print").symlink_to(tmp_path / "elsewhere")
    make_folder(tmp_path / "print", group=os.getegid())

    assert 0o700 == (tmp_path / "elsewhere").stat().st_mode & 0o777
