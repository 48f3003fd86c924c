"""The principals file: read by every process, changed by the command line under a lock."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.kit.errors import ConfigError
from services.kit.files import write_atomically
from services.kit.principals.accounts import Accounts, read_accounts

__all__ = ["changing", "load_accounts"]

_OTHERS_WRITE = 0o022
_MAX_BYTES = 4 << 20  # thousands of principals; a larger file is some other file


def load_accounts(path: Path) -> Accounts:
    """Read the file; where there is none, nobody is known.

    Raises ConfigError where it cannot be read, has a fault, or others than its owner may write it: who can write it
    can make himself an operator.
    """
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & _OTHERS_WRITE:
                raise ConfigError(f"{path} can be written by others than its owner: chmod go-w")
            text = file.read(_MAX_BYTES)
    except FileNotFoundError:
        return Accounts()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    try:
        return read_accounts(text)
    except ConfigError as error:
        raise ConfigError("\n".join(f"{path}: {line}" for line in str(error).splitlines())) from None


class Changing:
    """The accounts while their file is locked; assign `accounts` to have them written."""

    def __init__(self, accounts: Accounts) -> None:
        self.accounts = accounts


@contextmanager
def changing(path: Path) -> Iterator[Changing]:
    """Lock the file, give its accounts, and write them back at the end unless an error comes. Raises ConfigError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(path.parent, os.O_RDONLY)  # a lock on the folder leaves no file behind
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        change = Changing(before := load_accounts(path))
        yield change
        if change.accounts is not before:
            write_atomically(path, change.accounts.as_file(), mode=0o600)
    finally:
        os.close(lock)
