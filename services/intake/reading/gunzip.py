"""Gzip unpacked as it comes, a bounded piece at a time: a bomb costs its sender's patience, not memory. Pure."""

import zlib
from collections.abc import Iterator

from services.intake.errors import BrokenBodyError

__all__ = ["PIECE", "Gunzip"]

PIECE = 262_144  # bytes: one step of reading; large enough that its fixed costs vanish

_GZIP = 16 + zlib.MAX_WBITS  # header and CRC checked by zlib


class Gunzip:
    """Unpacks one gzip body, which may have several members (`cat a.gz b.gz`)."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_GZIP)
        self._between = True  # nothing of this member was read yet
        self._members = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Return what `data` unpacks to, in pieces of at most `PIECE`. Raises BrokenBodyError("gzip")."""
        while data:
            if self._between and self._members:
                data = data.lstrip(b"\0")  # padding after the end, which gzip(1) skips as well
                if not data:
                    return
            self._between = False
            try:
                piece = self._member.decompress(data, PIECE)
            except zlib.error:
                raise BrokenBodyError("gzip") from None
            if piece:
                yield piece
            data = self._following()

    def finish(self) -> None:
        """Check that the body ended where a member did, its CRC and length seen. Raises BrokenBodyError("gzip")."""
        if not self._between or not self._members:
            raise BrokenBodyError("gzip")

    def _following(self) -> bytes:
        """Return the input that is still to be read; begins a new member after the end of one."""
        if not self._member.eof:
            # Output may be left inside zlib though all input was taken: the trailer, still to come, drives it out.
            return self._member.unconsumed_tail
        following = self._member.unused_data
        self._member, self._between = zlib.decompressobj(_GZIP), True
        self._members += 1
        return following
