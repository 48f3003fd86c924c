"""The view of a running system: what is wrong is seen, and nothing is cut off."""

import io
from dataclasses import replace
from datetime import timedelta

from rich.console import Console

from services.cli.live_view import Pace, live_view, plain_lines
from services.cli.snapshot import Snapshot
from services.cli.target import SERVICE_NAMES
from services.core.ledger import HoldReason
from tests.unit.cli.test_findings import NOW, a_channel, a_process

_HELD = {reason.key: 0 for reason in HoldReason}
_ROW = {"declared": 12, "missing": 2, "received": 10, "accepted": 10, "notified": 5, "inFlight": 3, "exhausted": 0}
COHORT = {"cohortId": "wave-1", **_ROW, "told": 0.5, "held": 2, "heldReasons": _HELD | {"unreachable": 2}}
LEDGER = {"incidentId": "lab", "balanced": True, "cohorts": [COHORT], "totals": COHORT}
QUEUED = {"attempts": 3, "since": (NOW - timedelta(minutes=2)).isoformat()}
FOUND = Snapshot(
    NOW,
    [a_process(name) for name in SERVICE_NAMES],
    [a_channel("email", queued=QUEUED, pauses=["sender"])],
    [LEDGER],
    {},
)


def shown(found: Snapshot, pace: float | None = None) -> str:
    """Return what a terminal of the least usual width shows."""
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(live_view(found, pace))
    return console.export_text()


def test_a_view_has_services_channels_and_people() -> None:
    """Who waits where, for how long, and what keeps them."""
    text = shown(FOUND, 6.0)

    for words in ("all 7 services ready", "wave-1", "2 unreachable", "email", "2m 0s", "sender", "3 in flight"):
        assert words in text
    assert "6 told a minute, 30s left at this pace" in text


def test_figures_of_a_million_people_fit() -> None:
    """No header and no figure is cut or broken over lines."""
    many = COHORT | dict.fromkeys(_ROW, 1000000) | {"cohortId": "wave-10"}
    lines = shown(replace(FOUND, ledgers=[{**LEDGER, "cohorts": [many, many], "totals": many}])).splitlines()
    header = next(line for line in lines if line.startswith("cohort"))

    assert "cohort declared missing accepted notified held in flight exhausted told" == " ".join(header.split())
    assert 2 == sum(line.count("1000000") == 6 for line in lines if line.startswith("wave-10"))


def test_what_is_wrong_stands_above_all() -> None:
    """A service that is away, partitions that stand still, and a ledger that does not balance."""
    processes = [
        a_process("intake", fault="x"),
        a_process("routing", figures={"routing_stopped_partitions": 1.0}),
        *(a_process(name) for name in SERVICE_NAMES if name not in {"intake", "routing"}),
    ]
    text = shown(replace(FOUND, processes=processes, ledgers=[{**LEDGER, "balanced": False}]))

    for words in ("intake does not answer", "routing: 1 partition stands still", "DOES NOT BALANCE"):
        assert words in text


def test_pace_is_of_the_last_minute() -> None:
    """What was told long ago says nothing of how fast it goes now."""
    pace = Pace()
    seen = []
    for seconds, notified in ((0, 0), (30, 100), (60, 200), (120, 200), (180, 200)):
        totals = {**COHORT, "notified": notified}
        found = replace(FOUND, at=NOW + timedelta(seconds=seconds), ledgers=[{**LEDGER, "totals": totals}])
        seen.append(pace.saw(found))

    assert [None, 200.0, 200.0] == seen[:3]
    assert 0.0 == seen[-1]


def test_other_programs_get_a_line_for_each_thing() -> None:
    """Without a terminal it is text that `grep` and `cut` read."""
    lines = list(plain_lines(FOUND))

    assert len(SERVICE_NAMES) + 2 == len(lines)
    assert "cohort\tlab/wave-1\tdeclared=12" in lines[-1]
