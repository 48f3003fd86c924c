"""The upload of a cohort file to intake: its content type, found in its first bytes, and its bytes as they are sent."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import IO

from services.cli.file_shape import encoding_advice, inflated, is_gzipped, unreadable_shape, wrong_encoding

__all__ = ["CohortUpload"]

# With 256 KB a million people take some hundreds of reads, and the progress bar still moves.
_CHUNK = 256 * 1024


@dataclass(slots=True)
class CohortUpload:
    """A file of member records: CSV or NDJSON, either gzipped."""

    content_type: str
    gzipped: bool
    advice: list[str]  # why intake would read no record in it, and what mends that; empty where it may
    _head: bytes
    _file: IO[bytes]

    @classmethod
    def look_into(cls, file: IO[bytes]) -> "CohortUpload":
        """Return the upload of a file, whose first bytes are read to find out its type. The file may be a pipe."""
        head = file.read(_CHUNK)
        gzipped = is_gzipped(head)
        begin = inflated(head)
        is_json = begin.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in {b"{", b"["}
        advice = unreadable_shape(begin)
        if not advice and (line := wrong_encoding(begin)):
            advice = [encoding_advice(line)]
        return cls("application/x-ndjson" if is_json else "text/csv", gzipped, advice, head, file)

    @property
    def headers(self) -> dict[str, str]:
        """The headers that describe the body."""
        return {"Content-Type": self.content_type} | ({"Content-Encoding": "gzip"} if self.gzipped else {})

    async def body(self, sent: Callable[[int], None]) -> AsyncIterator[bytes]:
        """Return the file piece by piece; `sent` is called with the size of each piece that was sent, in bytes."""
        chunk = self._head
        while chunk:
            yield chunk
            sent(len(chunk))
            chunk = self._file.read(_CHUNK)
