"""Files that survive a power cut: their bytes are on the disk before their name is, and then the name is as well.

What is made here is its owner's alone, unless a group is named.
"""

import os
import stat
from pathlib import Path

__all__ = ["keep_private", "make_folder", "read_own", "sync_folder", "write_atomically", "write_synced"]


def keep_private() -> None:
    """Let nobody else read what this process and its children make from now on, whoever makes it."""
    os.umask(0o077)


def make_folder(path: Path, *, group: int | None = None) -> None:
    """Make a folder, with its parents, that its owner alone can enter, and the members of `group` can read.

    One that is there keeps its permissions: somebody chose them. Raises OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        if path.is_dir():
            return
        raise
    if group is not None:
        os.chown(path, -1, group)
        path.chmod(0o750)


def read_own(path: Path) -> bytes | None:
    """Return what a file of ours holds; None where there is none: a link, or somebody else's file, is no file of ours.

    Raises OSError.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        if path.is_symlink() or not path.exists():
            return None
        raise
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        return file.read() if stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid() else None


def write_synced(path: Path, body: bytes, *, mode: int = 0o600, group: int | None = None) -> None:
    """Write a new file, in place of any that has the name, and return once its bytes are on the disk.

    The name is on the disk after `sync_folder`. A file or link that is there is removed first and never written into:
    its permissions are not the ones asked for by `mode`, which the umask narrows. With `group`, its members may read
    the file. Raises OSError.
    """
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode), "wb") as file:
        if group is not None:
            os.fchown(file.fileno(), -1, group)
            os.fchmod(file.fileno(), 0o640)
        file.write(body)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Return once the names in a folder are on the disk. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomically(path: Path, text: str, *, mode: int = 0o600) -> None:
    """Give a file this text at once: a reader sees the old file or the whole new one, also after a power cut.

    Raises OSError; then the old file is still there.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write_synced(temporary, text.encode(), mode=mode)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)
