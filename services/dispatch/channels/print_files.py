"""The print folder: files that are there whole or not at all, and marks that say what is done.

A print file, `<batchId>.pdf` (or `.ndjson`), comes with `<batchId>.manifest.json` and last `<batchId>.done`. The mark
says what was in the file, and stays when the file goes: what has one is not printed again. `<run>.job.json` is the
total of a print run. All are written and synced under hidden names first, so a full disk leaves nothing to be seen.
Then each file gets its name by a link, which never replaces a file that is there.
"""

import os
from collections.abc import Callable, Iterable, Sequence

import msgspec

from services.dispatch.domain import PrintedFile
from services.dispatch.print_runs import PrintRun, chain
from services.kit.folders import Folder
from services.rendering.letters.read_back import ReadBackError

__all__ = ["Mark", "PrintFiles", "total_of"]


class Mark(msgspec.Struct, frozen=True, rename="camel"):
    """What a `.done` file says: that a print file is whole, and what is in it."""

    job: str
    manifest_sha256: str
    sha256: str
    letters: int
    pages: int
    sheets: int

    @property
    def printed(self) -> PrintedFile:
        """What is in the file."""
        return PrintedFile(self.letters, self.pages, self.sheets, bytes.fromhex(self.sha256))


class PrintFiles:
    """One print folder as it was opened; all of it blocks, and raises OSError where the folder cannot be used."""

    def __init__(self, folder: Folder, group: int | None) -> None:
        """`group` may read what is written; None = nobody else."""
        self._folder, self._group = folder, group

    def mark(self, name: str) -> Mark | None:
        """Return what the mark of a print file says; None where the file is not done. Raises ReadBackError."""
        found = self._folder.read_own(f"{name}.done")
        try:
            return None if found is None else msgspec.json.decode(found, type=Mark)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ReadBackError("a mark cannot be read") from error

    def place(
        self, files: Sequence[tuple[str, bytes]], go: Callable[[], bool], agrees: Callable[[bytes], None] | None = None
    ) -> bool:
        """Put files there, the last one after all others; returns False where that may not begin any more.

        Before any has its name, all are read again, and `agrees` may look at what was read of the first. It raises what
        it finds wrong.
        """
        hidden: list[str] = []
        try:
            for name, body in files:
                hidden.append(f".{name}.{os.getpid()}")
                self._folder.write_synced(hidden[-1], body, group=self._group)
            if agrees:
                agrees(self._read_again(zip(hidden, files, strict=True)))
            if not go():
                return False
            *contents, last = zip(hidden, files, strict=True)
            for named in (contents, [last]):
                for written, (name, body) in named:
                    _link(self._folder, written, name, body)
                self._folder.sync()
            return True
        finally:
            for written in hidden:
                self._folder.remove(written)

    def _read_again(self, files: Iterable[tuple[str, tuple[str, bytes]]]) -> bytes:
        """Read files as they were written; returns what the first one holds. Raises ReadBackError."""
        first = None
        for written, (_, body) in files:
            found = self._folder.read_own(written)
            if found != body:
                raise ReadBackError("a file is not what was written")
            first = first or found
        return first or b""

    def remove_leftovers(self, name: str) -> None:
        """Remove the hidden files of this name that a process left when it died."""
        for left in self._folder.names():
            if left.startswith(f".{name}."):
                self._folder.remove(left)

    def put_total(self, run: PrintRun) -> bool:
        """Put the total of a print run there; returns False where another one has its name, which stays."""
        name, body = f"{run.name}.job.json", total_of(run)
        there = self._folder.read_own(name)
        if there is None:
            self.remove_leftovers(name)
            return self.place([(name, body)], lambda: True)
        return there == body


def total_of(run: PrintRun) -> bytes:
    """Return the total of a print run: from stored values alone, so that every try writes the same."""
    total = {
        "job": run.name,
        "day": run.day.isoformat(),
        "handling": run.handling,
        "closedAt": run.closed_at.isoformat(timespec="milliseconds"),
        "count": len(run.files),
        "letters": run.letters,
        "pages": run.pages,
        "sheets": run.sheets,
        "chain": chain(file.digest for _, file in run.files).hex(),
        "files": [
            {
                "batchId": name.hex(), "letters": file.letters, "pages": file.pages, "sheets": file.sheets,
                "sha256": file.digest.hex(),
            }
            for name, file in run.files
        ],
    }  # fmt: skip
    return msgspec.json.encode(total)


def _link(folder: Folder, written: str, final: str, body: bytes) -> None:
    """Give a written file its name. A file that has the name already stays, if it is the same.

    A different file there can only be of a job that an older template began and never finished (no `.done`, so
    nobody may have used it), or somebody else's, or a link. It is replaced, as the manifest must name the hash of the
    file that lies there, and what a link leads to can be changed by others.
    """
    try:
        folder.link(written, final)
    except FileExistsError:
        if folder.read_own(final) != body:
            folder.rename(written, final)
