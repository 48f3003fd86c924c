"""Gzip unpacked as it arrives, a bounded piece at a time, so that a gzip bomb fills no memory. Pure."""

import zlib
from collections.abc import Iterator

from services.intake.errors import BrokenBodyError

__all__ = ["PIECE", "Gunzip"]

PIECE = 262_144  # bytes: one step of reading; so large that the fixed costs of a step hardly count

# What a body may unpack to: lists of people come to five to twenty times their packed size.
_RATIO, _ANYHOW = 100, 16_777_216

_GZIP = 16 + zlib.MAX_WBITS  # header and CRC checked by zlib


class Gunzip:
    """Unpacks one gzip body, which may have several members (`cat a.gz b.gz`)."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_GZIP)
        self._between = True  # no byte of the next gzip member was read yet
        self._members = 0
        self._packed = self._unpacked = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Return what `data` unpacks to, in pieces of at most `PIECE`.

        Raises BrokenBodyError("gzip"), and BrokenBodyError("gzip-ratio") where it comes to more than a file of people.
        """
        self._packed += len(data)
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
                self._unpacked += len(piece)
                if self._unpacked > _ANYHOW + _RATIO * self._packed:
                    raise BrokenBodyError("gzip-ratio")
                yield piece
            data = self._following()

    def finish(self) -> None:
        """Check that the last gzip member is whole, with its CRC and length. Raises BrokenBodyError("gzip")."""
        if not self._between or not self._members:
            raise BrokenBodyError("gzip")

    def _following(self) -> bytes:
        """Return the input that is still to be unpacked; begins a new gzip member after the end of one."""
        if not self._member.eof:
            # zlib may hold output back although it took all input: it gives the rest when the trailer comes.
            return self._member.unconsumed_tail
        following = self._member.unused_data
        self._member, self._between = zlib.decompressobj(_GZIP), True
        self._members += 1
        return following
