"""Files that survive a power cut: their bytes are on the disk before their name is, and then the name is as well.

What is made here is its owner's alone, unless somebody says otherwise.
"""

import os
from pathlib import Path
from typing import NamedTuple

from services.kit.folders import open_folder

__all__ = ["FileState", "keep_private", "lies_open", "state_of", "write_atomically"]


class FileState(NamedTuple):
    """What tells a file as it was read from another one, or from its next content, without reading it again."""

    changed_ns: int
    size: int
    inode: int


def state_of(path: Path) -> FileState | None:
    """Return how a file stands; None where it cannot be seen. Ask before reading: what changes meanwhile is seen."""
    try:
        found = path.stat()
    except OSError:
        return None
    return FileState(found.st_mtime_ns, found.st_size, found.st_ino)


def keep_private() -> None:
    """Let nobody else read what this process and its children make from now on, whoever makes it."""
    os.umask(0o077)


def lies_open(path: Path, found: os.stat_result | None = None) -> bool:
    """Tell whether others may write a secret's file, or may walk to it and read it where we could have closed it.

    A secret that is mounted into a container belongs to somebody else there, and everybody in it may read it: who is in
    it is this process alone. `found` is what is known of it where it is open already. Raises OSError.
    """
    its, folder = found or path.stat(), path.parent.stat()
    is_ours = its.st_uid == os.geteuid()
    return bool(its.st_mode & 0o022 or (is_ours and its.st_mode & 0o044 and folder.st_mode & 0o011))


def write_atomically(path: Path, text: str, *, mode: int = 0o600) -> None:
    """Give a file this text at once: a reader sees the old file or the whole new one, also after a power cut.

    Raises PermissionError where others could have put its folder there, OSError; then the old file is still there.
    """
    temporary = f".{path.name}.{os.getpid()}"
    with open_folder(path.parent) as folder:
        try:
            folder.write_synced(temporary, text.encode(), mode=mode)
            folder.rename(temporary, path.name)
        finally:
            folder.remove(temporary)
        folder.sync()
