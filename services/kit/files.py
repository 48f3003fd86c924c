"""Files that survive a power cut: their bytes are on the disk before their name is, and then the name is as well.

What is made here is its owner's alone, unless somebody says otherwise.
"""

import os
from pathlib import Path

from services.kit.folders import open_folder

__all__ = ["keep_private", "write_atomically"]


def keep_private() -> None:
    """Let nobody else read what this process and its children make from now on, whoever makes it."""
    os.umask(0o077)


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
