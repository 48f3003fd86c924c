"""Folders that are held open: whatever takes a folder's name meanwhile, our files go into the one that was opened.

What others could have put on the way to it is not passed: in a folder that others may write, a folder or link counts
only if it is ours, its owner's or the superuser's (as Linux has it for links: `protected_symlinks` in proc(5)).
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

__all__ = ["Folder", "UnfitFileError", "make_folder", "open_file", "open_folder"]

# To look at a link or folder without opening it; a system that lacks it opens paths as they are.
_LOOK = getattr(os, "O_PATH", 0)
_MOST_LINKS = 40  # as the kernel has it
_OTHERS = 0o022  # who may write beside the owner


class UnfitFileError(Exception):
    """What somebody else put into a folder cannot be read; `reason` is a code."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Folder:
    """A folder that is open. Names are those of its own files; a link that has one is never followed."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def names(self) -> list[str]:
        """Return what lies in it. Raises OSError."""
        return os.listdir(self.descriptor)  # noqa: PTH208 - a descriptor is no path

    def read_own(self, name: str) -> bytes | None:
        """Return what a file of ours holds; None where there is none. Raises OSError.

        A link, or somebody else's file, is no file of ours.
        """
        try:
            found = os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return None
        if not stat.S_ISREG(found.st_mode):
            return None
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=self.descriptor)
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            return file.read() if stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid() else None

    def stat(self, name: str) -> os.stat_result | None:
        """Return what is known of what has a name, a link itself; None where nothing has it. Raises OSError."""
        try:
            return os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def read_given(self, name: str, most: int) -> bytes:
        """Return what a file holds, whoever put it here: a plain file under one name, of so many bytes at most.

        What has another name as well could be anybody's that is to be read through us. Raises UnfitFileError, OSError.
        """
        try:
            descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=self.descriptor)
        except OSError as error:
            if error.errno in {errno.ELOOP, errno.ENXIO}:
                raise UnfitFileError("link" if error.errno == errno.ELOOP else "no-file") from None
            raise
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise UnfitFileError("no-file")
            if found.st_nlink > 1:
                raise UnfitFileError("link")
            body = file.read(most + 1)
            if len(body) > most:
                raise UnfitFileError("too-large")
            return body

    def write_synced(self, name: str, body: bytes, *, mode: int = 0o600, group: int | None = None) -> None:
        """Write a new file, in place of any that has the name, and return once its bytes are on the disk.

        The name is on the disk after `sync`. A file or link that is there is removed first and never written into: its
        permissions are not the ones asked for by `mode`, which the umask narrows. With `group`, its members may read
        the file. Raises OSError.
        """
        self.remove(name)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with os.fdopen(os.open(name, flags, mode, dir_fd=self.descriptor), "wb") as file:
            if group is not None:
                os.fchown(file.fileno(), -1, group)
                os.fchmod(file.fileno(), 0o640)
            file.write(body)
            file.flush()
            os.fsync(file.fileno())

    def link(self, name: str, other: str) -> None:
        """Give a file a second name. Raises FileExistsError where something has it, OSError."""
        os.link(name, other, src_dir_fd=self.descriptor, dst_dir_fd=self.descriptor, follow_symlinks=False)

    def rename(self, name: str, other: str) -> None:
        """Give a file or folder another name, in place of whatever has it. Raises OSError."""
        os.rename(name, other, src_dir_fd=self.descriptor, dst_dir_fd=self.descriptor)

    def remove(self, name: str) -> None:
        """Remove a file, where it is there. Raises OSError."""
        try:
            os.unlink(name, dir_fd=self.descriptor)
        except FileNotFoundError:
            return

    def make(self, name: str) -> "Folder":
        """Make a folder in it that its owner alone can enter, and open it. Raises FileExistsError, OSError."""
        os.mkdir(name, 0o700, dir_fd=self.descriptor)
        return Folder(os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=self.descriptor))

    def sync(self) -> None:
        """Return once its names are on the disk. Raises OSError."""
        os.fsync(self.descriptor)

    def close(self) -> None:
        """Let go of it."""
        os.close(self.descriptor)


@contextmanager
def open_folder(path: Path) -> Iterator[Folder]:
    """Hold a folder open. Raises PermissionError where others could have put it there, OSError."""
    folder = Folder(_walk(path) if _LOOK else os.open(path, os.O_RDONLY | os.O_DIRECTORY))
    try:
        yield folder
    finally:
        folder.close()


def open_file(path: Path) -> BinaryIO:
    """Open a file to be read; a link to it counts as one on the way to a folder does.

    Raises PermissionError where others could have put it there, OSError.
    """
    for _ in range(_MOST_LINKS if _LOOK else 0):
        with open_folder(path.parent) as folder:
            found = os.open(path.name, _LOOK | os.O_NOFOLLOW, dir_fd=folder.descriptor)
            try:
                if stat.S_ISLNK(_trusted(folder.descriptor, found, path).st_mode):
                    path = path.parent / os.readlink("", dir_fd=found)
                    continue
                descriptor = os.open(path.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder.descriptor)
                _trusted(folder.descriptor, descriptor, path)
                return os.fdopen(descriptor, "rb")
            finally:
                os.close(found)
    if _LOOK:
        raise OSError(f"{path}: too many links")
    return path.open("rb")


def make_folder(path: Path, *, group: int | None = None, mode: int = 0o750) -> None:
    """Make a folder, with its parents, that its owner alone can enter, and the members of `group` as `mode` says.

    One that is there keeps its permissions: somebody chose them. Raises OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with open_folder(path.parent) as parent:
        try:
            made = parent.make(path.name)
        except FileExistsError:
            if path.is_dir():
                return
            raise
        try:
            if group is not None:
                os.fchown(made.descriptor, -1, group)
                os.fchmod(made.descriptor, mode)
        finally:
            made.close()


def _walk(path: Path) -> int:
    """Open a folder by each name on the way to it, and look at what has the name before going on."""
    names, links = _names(os.path.abspath(path)), 0  # noqa: PTH100 - a Path would not drop `..`
    here = os.open("/", _LOOK | os.O_DIRECTORY)
    try:
        while names:
            found = os.open(names.pop(), _LOOK | os.O_NOFOLLOW, dir_fd=here)
            try:
                if _leads_on(here, found, path):
                    here, found = found, here
                    continue
                links += 1
                if links > _MOST_LINKS:
                    raise OSError(f"{path}: too many links")
                target = os.readlink("", dir_fd=found)
            finally:
                os.close(found)
            names += _names(target)
            if target.startswith("/"):
                os.close(here)
                here = os.open("/", _LOOK | os.O_DIRECTORY)
        return os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=here)
    finally:
        os.close(here)


def _names(path: str) -> list[str]:
    """Return the names of a path, the first one last."""
    return [name for name in reversed(path.split("/")) if name not in {"", "."}]


def _trusted(here: int, found: int, path: Path) -> os.stat_result:
    """Return what is known of something in a folder. Raises PermissionError where others could have put it there."""
    above, its = os.fstat(here), os.fstat(found)
    if above.st_mode & _OTHERS and its.st_uid not in {0, os.geteuid(), above.st_uid}:
        raise PermissionError(f"{path}: others may have put something in its place")
    return its


def _leads_on(here: int, found: int, path: Path) -> bool:
    """Tell whether what was found is a folder, and not a link. Raises PermissionError, NotADirectoryError."""
    its = _trusted(here, found, path)
    if stat.S_ISLNK(its.st_mode):
        return False
    if not stat.S_ISDIR(its.st_mode):
        raise NotADirectoryError(f"{path} is no folder")
    return True
