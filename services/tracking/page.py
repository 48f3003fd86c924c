"""The ledger as a page that anybody can read: pure, HTML without scripts, nothing fetched from elsewhere."""

from collections.abc import Sequence
from datetime import datetime
from html import escape
from typing import NamedTuple

from services.core.ledger import Disposition, HoldReason, percent
from services.tracking.ledger import CohortLine, Ledger, Line

__all__ = ["REFRESH_SECONDS", "render"]

# As often as figures change in a way that somebody who watches would notice.
REFRESH_SECONDS = 5


class _Term(NamedTuple):
    name: str  # of Line
    title: str
    meaning: str
    group: str  # the equation that it stands in


_DECLARED, _RECEIVED, _ACCEPTED = "What was announced", "What came", "Where each accepted record stands"
_TERMS = (
    _Term("declared", "Declared", "how many records the source said there are", _DECLARED),
    _Term("missing", "Missing", "declared but not received yet", _DECLARED),
    _Term("received", "Received", "records that arrived, each counted once", _RECEIVED),
    _Term("rejected", "Rejected", "records that cannot be understood; the source is told why", _RECEIVED),
    _Term("accepted", "Accepted", "records of people who have to be accounted for", _RECEIVED),
    _Term("notified", "Notified", "a notice about it was handed over to a provider", _ACCEPTED),
    _Term("merged", "Merged", "another record of the same person carries the notice", _ACCEPTED),
    _Term("suppressed", "Suppressed", "no notice is due, because the person has died", _ACCEPTED),
    _Term("withdrawn", "Withdrawn", "taken back before anybody was told by it", _ACCEPTED),
    _Term("held", "Held", f"waits: {', '.join(reason.value for reason in HoldReason)}", _ACCEPTED),
    _Term("in_flight", "In flight", "on its way through Heraut or to a provider", _ACCEPTED),
    _Term("exhausted", "Exhausted", "no way to reach the person is left", _ACCEPTED),
)
_BALANCED = (
    "declared = missing + received, received = rejected + accepted, and accepted is the sum of all that follow it. "
    "Nobody has dropped out."
)
_TOLD = (
    "the share of those who should be told: declared or received, whichever is more, less merged, suppressed and "
    "withdrawn. Who is missing, rejected, held or exhausted is among them."
)
# What a bar shows, from good to open.
_SEGMENTS = (*(disposition.name.lower() for disposition in Disposition), "rejected", "missing")


def render(ledgers: Sequence[Ledger], at: datetime, *, refresh: bool) -> str:
    """Return the page as of `at`. Without `refresh` it stands still, for who reads slowly or listens."""
    again = f'<meta http-equiv="refresh" content="{REFRESH_SECONDS}">' if refresh else ""
    switch = '<a href="?refresh=off">Stand still</a>' if refresh else '<a href="/">Keep up to date</a>'
    pace = f"renewed every {REFRESH_SECONDS} seconds" if refresh else "standing still"
    body = "".join(_incident(ledger) for ledger in ledgers)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Ledger · Heraut</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">{again}<style>%STYLE%</style></head>'
        "<body><header><h1>Heraut <small>ledger</small></h1>"
        f'<p class="state"><time datetime="{at.isoformat(timespec="seconds")}">{at:%-d %B %Y, %H:%M:%S} UTC</time>, '
        f"{pace}. {switch}</p></header>"
        f"<main>{body or _NOTHING}</main>{_words()}</body></html>"
    )


_NOTHING = '<section><p class="empty">No incident is known yet.</p></section>'


def _incident(ledger: Ledger) -> str:
    name = escape(ledger.incident_id)
    total = ledger.totals
    heads = "".join(_heads())
    groups = [term.group for term in _TERMS]
    spans = "".join(
        f'<th scope="colgroup" colspan="{groups.count(group)}" class="first">{group}</th>'
        for group in dict.fromkeys(groups)
    )
    rows = "".join(_row(cohort) for cohort in ledger.cohorts)
    foot = f'<tfoot><tr><th scope="row">All cohorts</th>{_cells(total)}{_mark(balanced=ledger.balanced)}</tr></tfoot>'
    return (
        f'<section aria-labelledby="i-{name}"><div class="head"><div>'
        f'<h2 id="i-{name}">{escape(ledger.title)}</h2><p class="id">{name}</p></div>{_sums(total)}</div>'
        f'<div class="scroll" role="region" tabindex="0" aria-labelledby="i-{name}"><table>'
        f'<thead><tr><th rowspan="2" scope="col">Cohort</th>{spans}'
        f'<th rowspan="2" scope="col" class="first">Balanced</th></tr><tr>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody>{foot if len(ledger.cohorts) > 1 else ''}</table></div></section>"
    )


def _heads() -> list[str]:
    return [f'<th scope="col"{_edge(term)}>{term.title}</th>' for term in _TERMS]


def _edge(term: _Term) -> str:
    first = next(other for other in _TERMS if other.group == term.group)
    return ' class="first"' if term is first else ""


def _sums(total: Line) -> str:
    """Return the few figures that say how an incident stands."""
    figures = {
        f"told, of {_number(total.to_be_told)} who should be": percent(total.told),
        "notices handed over": _number(total.notified),
        "on their way": _number(total.in_flight),
        "held": _number(total.held),
    }
    if total.conflicting:
        figures["whose identity is somebody else's too"] = _number(total.conflicting)
    if total.uncorrected:
        figures["told somebody what is not theirs, uncorrected"] = _number(total.uncorrected)
    return '<dl class="sums">' + "".join(f"<div><dt>{k}</dt><dd>{v}</dd></div>" for k, v in figures.items()) + "</dl>"


def _row(cohort: CohortLine) -> str:
    source = escape(cohort.source) if cohort.source is not None else "not opened yet"
    return (
        f'<tr><th scope="row">{escape(cohort.cohort_id)}<span class="note">{source}</span>{_bar(cohort.line)}</th>'
        f"{_cells(cohort.line)}{_mark(balanced=cohort.balanced)}</tr>"
    )


def _cells(line: Line) -> str:
    return "".join(f"<td{_edge(term)}>{_cell(term, line)}</td>" for term in _TERMS)


def _cell(term: _Term, line: Line) -> str:
    value = getattr(line, term.name)
    if not value:
        return '<span class="none">0</span>'
    notes = []
    if term.name == "missing" and value < 0:
        notes = ["surplus"]
    if term.name == "held":
        notes = [f"{_number(members)} {reason.value}" for reason, members in line.holds.items() if members]
    return _number(value) + "".join(f'<span class="note">{note}</span>' for note in notes)


def _mark(*, balanced: bool) -> str:
    mark = '<span class="mark good">✓ yes</span>' if balanced else '<span class="mark bad">✗ no</span>'
    return f'<td class="first">{mark}</td>'


def _bar(line: Line) -> str:
    """Draw where the declared records stand, in shares of a hundred."""
    parts = [(name, max(0, getattr(line, name))) for name in _SEGMENTS]
    whole = sum(count for _, count in parts)
    if not whole:
        return ""
    said = ", ".join(f"{percent(count / whole)} {name.replace('_', ' ')}" for name, count in parts if count)
    drawn, left = "", 0.0
    for name, count in parts:
        width = 100 * count / whole
        if count:
            drawn += f'<rect class="{_css(name)}" x="{left:.3f}" width="{width:.3f}" height="1"/>'
        left += width
    return (
        f'<svg class="bar" viewBox="0 0 100 1" preserveAspectRatio="none" role="img" aria-label="{said}">{drawn}</svg>'
    )


def _words() -> str:
    keys = {name: f'<span class="key {_css(name)}"></span>' for name in _SEGMENTS}
    words = "".join(f"<dt>{keys.get(term.name, '')}{term.title}</dt><dd>{term.meaning}</dd>" for term in _TERMS)
    return (
        "<footer><details open><summary>What the words mean</summary>"
        f"<dl>{words}<dt>Told</dt><dd>{_TOLD}</dd><dt>Balanced</dt><dd>{_BALANCED}</dd></dl></details></footer>"
    )


def _css(name: str) -> str:
    return name.replace("_", "-")


def _number(value: int) -> str:
    return f"{value:,}".replace("-", "\N{MINUS SIGN}")
