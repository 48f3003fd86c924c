"""The table of a run: medians of rounds, one line a peer. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from loadtests.peers.peer import Figures, Promise

__all__ = ["Row", "as_markdown", "how_near", "row_of"]

_HEAD = ("", "people/s", "us CPU a person (spread)", "of which", "n", "promises kept", "not kept")


@dataclass(frozen=True, slots=True)
class Row:
    """What the rounds of one peer came to."""

    word: str
    title: str
    people: int
    rate: float
    cost: float
    spread: tuple[float, float]  # the cheapest round and the dearest
    parts: Mapping[str, float]  # us a person
    keeps: Sequence[Promise]


def row_of(word: str, title: str, keeps: Sequence[Promise], rounds: Sequence[Figures]) -> Row:
    """Return the medians of some rounds, at least one. Each part's median is its own."""
    costs = [figures.cost for figures in rounds]
    parts = {part: median(figures.cost_of(part) for figures in rounds) for part in rounds[0].cpu}
    rate = median(figures.rate for figures in rounds)
    return Row(word, title, rounds[0].people, rate, median(costs), (min(costs), max(costs)), parts, keeps)


def as_markdown(rows: Sequence[Row]) -> str:
    """Return the rows as a table."""
    lines = [_HEAD, ("---",) * len(_HEAD), *map(_cells, rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cells(row: Row) -> tuple[str, ...]:
    cheapest, dearest = row.spread
    return (
        f"`{row.word}`: {row.title}",
        f"{row.rate:,.0f}",
        f"{_figure(row.cost)} ({_figure(cheapest)}-{_figure(dearest)})",
        ", ".join(f"{part} {_figure(cost)}" for part, cost in row.parts.items()),
        f"{row.people:,}",
        ", ".join(promise.value for promise in Promise if promise in row.keeps) or "-",
        ", ".join(promise.value for promise in Promise if promise not in row.keeps) or "-",
    )


def _figure(cost: float) -> str:
    return f"{cost:,.0f}" if cost >= 100 else f"{cost:.1f}"  # three digits say all that a run can tell


def how_near(rows: Sequence[Row], ours: str) -> str:
    """Return a line for each peer: how many times it costs what `ours` costs, and how fast ours is beside it.

    Nothing where ours did not take part.
    """
    own = next((row for row in rows if row.word == ours), None)
    if own is None:
        return ""
    others = [row for row in rows if not row.word.startswith("heraut")]
    return "".join(
        f"- `{row.word}` uses {_times(row.cost / own.cost)} the CPU of `{ours}` a person, "
        f"and tells {_times(row.rate / own.rate)} as many people a second.\n"
        for row in others
    )


def _times(ratio: float) -> str:
    return f"{ratio:.0f} times" if ratio >= 10 else f"{ratio:.2g} times"
