"""What systemd is told of a unit of the kind `notify` (sd_notify(3)); without systemd, nothing is said."""

import os
import socket
from collections.abc import Mapping

__all__ = ["tell_systemd"]


def tell_systemd(state: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Say `READY=1`, `STOPPING=1` and the like, and return whether anybody was told.

    Who cannot be told is left alone: the unit's time-outs then say what became of us.
    """
    address = environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
            told.connect(f"\0{address[1:]}" if address.startswith("@") else address)
            told.sendall(state.encode())
    except OSError:
        return False
    return True
