"""Files that survive a power cut: their bytes are on the disk before their name is, and then the name is as well."""

import os
from pathlib import Path

__all__ = ["sync_folder", "write_atomically", "write_synced"]


def write_synced(path: Path, body: bytes, *, mode: int = 0o666) -> None:
    """Write a new file, in place of any that has the name, and return once its bytes are on the disk.

    The name is on the disk after `sync_folder`. A file that is there is removed first and never written into: its
    permissions are not the ones asked for by `mode`, which the umask narrows. Raises OSError.
    """
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
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


def write_atomically(path: Path, text: str, *, mode: int = 0o666) -> None:
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
