"""Named queries from `.sql` files: SQL stays SQL."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

__all__ = ["Queries"]

_SECTION = re.compile(r"^-- name: ([a-z][a-z0-9_]*)\s*$", re.MULTILINE)


class Queries(Mapping[str, str]):
    """Named queries: sections of a file that begin with `-- name: <name>`; comments may follow."""

    def __init__(self, queries: Mapping[str, str]) -> None:
        self._queries = dict(queries)

    @classmethod
    def load(cls, path: Path) -> "Queries":
        """Read a file. Raises ValueError where a name comes twice or a section is empty."""
        parts = _SECTION.split(path.read_text(encoding="utf-8"))[1:]
        queries: dict[str, str] = {}
        for name, text in zip(parts[::2], parts[1::2], strict=True):
            if name in queries or not text.strip():
                raise ValueError(f"{path.name}: the query {name} is empty or comes twice")
            queries[name] = text.strip()
        return cls(queries)

    def __getitem__(self, name: str) -> str:
        return self._queries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._queries)

    def __len__(self) -> int:
        return len(self._queries)
