"""The synthetic person at intake: sent by one process at a time, waited for, and nobody else's to touch."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry

from services.core.channel import Channel
from services.core.synthetic import SYNTHETIC_COHORT, SYNTHETIC_INCIDENT, SYNTHETIC_SOURCE
from services.intake.errors import InvalidEventError
from services.intake.metrics import SyntheticMetrics
from services.intake.synthetic import SyntheticRows, SyntheticSender, SyntheticWaiting
from services.kit.testing import FakeClock
from tests.integration.dispatch.bench import OwnedStage
from tests.integration.intake.conftest import PARTITIONS, Intake, a_document
from tests.integration.intake.test_events import Upstream
from tests.unit.intake.builders import a_record

RESERVED = f"/v1/incidents/{SYNTHETIC_INCIDENT}"
PEOPLE = f"{RESERVED}/cohorts/{SYNTHETIC_COHORT}"
IDS = {"incidentId": SYNTHETIC_INCIDENT, "cohortId": SYNTHETIC_COHORT}
ASKED: list[tuple[str, str, Mapping[str, object] | None]] = [
    ("PUT", RESERVED, a_document()),
    ("GET", RESERVED, None),
    ("GET", f"{RESERVED}/acts", None),
    ("POST", f"{RESERVED}/pause", {}),
    ("PUT", PEOPLE, {"source": "lab"}),
    ("PUT", f"{RESERVED}/cohorts/mine", {"source": SYNTHETIC_SOURCE}),
    ("GET", PEOPLE, None),
    ("POST", f"{PEOPLE}/seal", {}),
    ("POST", f"{PEOPLE}/release", {"all": True}),
    ("POST", f"{PEOPLE}/withdrawals", {"memberRef": "0"}),
    ("GET", f"{PEOPLE}/problems", None),
]


class Process:
    """One process of intake that sends people on the portal, a minute apart; each counts for itself."""

    def __init__(self, intake: Intake, clock: FakeClock, owned: int = 0) -> None:
        self.registry = CollectorRegistry()
        self.stage = OwnedStage(intake.pool, Channel.PORTAL, [owned])
        self.stage.name = "intake"
        context, channels = replace(intake.context, clock=clock), [Channel.PORTAL]
        metrics = SyntheticMetrics(self.registry, channels, PARTITIONS)
        rows = SyntheticRows(context.vault)
        self.waiting = SyntheticWaiting(rows, metrics, clock, timedelta(minutes=5))
        every = timedelta(minutes=1)
        self.sender = SyntheticSender(context, self.stage, self.waiting, every=every, channels=channels)

    def figure(self, name: str, **labels: str) -> float | None:
        """Return one of its figures."""
        return self.registry.get_sample_value(f"heraut_synthetic_{name}", {"channel": "portal", **labels})


async def _members(intake: Intake) -> list[bytes]:
    return [row["member"] for row in await intake.pool.fetch("select member from synthetic order by sent_at")]


async def test_nobody_touches_or_sees_the_reserved_incident(intake: Intake) -> None:
    """An operator neither, with whatever method and path."""
    await Process(intake, FakeClock()).sender.turn()
    answers = set()
    for method, path, body in ASKED:
        async with intake.session.request(method, path, json=body) as response:
            answers.add((response.status, (await response.json())["type"]))

    assert {(403, "urn:heraut:problem:reserved")} == answers


async def test_nobody_sends_members_there(intake: Intake) -> None:
    """No member comes in over HTTP, and a forged event is set aside before anything is looked up."""
    await Process(intake, FakeClock()).sender.turn()
    before = await intake.people()
    status, _ = await intake.upload("memberRef,bsn\nm-1,999990019\n", cohort=PEOPLE)
    upstream = Upstream(intake)
    forged = [
        upstream.members(a_record(), ids=IDS),
        upstream.event("cohort-opened", {**IDS, "source": "lab"}),
        upstream.event("cohort-sealed", IDS),
        upstream.event("member-withdrawn", {**IDS, "memberRef": "0"}),
        upstream.event("cohort-opened", {"incidentId": "lab", "cohortId": "mine", "source": SYNTHETIC_SOURCE}),
    ]
    reasons = []
    for event in forged:
        with pytest.raises(InvalidEventError) as refused:
            upstream.handler.decode(event)
        reasons.append(refused.value.reason)

    assert (403, 1, 1) == (status, before, await intake.people())
    assert ["reserved"] * len(forged) == reasons


async def test_the_reserved_source_opens_no_cohort_of_another_incident(intake: Intake) -> None:
    """What is said to come from Heraut itself comes from nobody else."""
    status, _ = await intake.put("/v1/incidents/lab/cohorts/mine", {"source": SYNTHETIC_SOURCE})

    assert 403 == status


async def test_one_process_sends_and_once_a_minute(intake: Intake) -> None:
    """Another one that believes it owns the partition sends nobody; one that does not own it shows nobody missing."""
    clock = FakeClock()
    one, other, third = Process(intake, clock), Process(intake, clock), Process(intake, clock, owned=1)
    turns = [await each.sender.turn() for each in (one, other, third)]
    clock.advance(60)
    turns += [await each.sender.turn() for each in (other, one)]

    assert [True, True, False, True, True] == turns
    assert (1, 1) == (one.figure("sent_total"), other.figure("sent_total"))
    assert (2, 0) == (len(await _members(intake)), third.figure("missing", partition="1"))


async def test_who_does_not_arrive_is_lost_once_and_missing_until_it_does(intake: Intake) -> None:
    """After five minutes the counter of its partition moves; its arrival ends that it is missing, and all its rows."""
    clock = FakeClock()
    process = Process(intake, clock)
    await process.sender.turn()
    (member,) = await _members(intake)
    clock.advance(301)
    await process.sender.turn()
    await process.sender.turn()
    late = [process.figure(name, partition="0") for name in ("lost_total", "missing")]
    async with intake.pool.acquire() as connection, connection.transaction():
        await process.waiting.arrived(connection, [member, member[::-1]])
        await process.waiting.look(connection)
    figures = [process.figure(name, partition="0") for name in ("lost_total", "missing")]

    assert ([1, 1], [1, 0]) == (late, figures)
    assert (1, 301) == (process.figure("arrived_total"), process.figure("seconds_sum"))
    assert 1 == await intake.people() == len(await _members(intake))  # the next one


async def test_who_never_arrives_is_forgotten_after_a_day(intake: Intake) -> None:
    """It stays missing until then, and leaves nothing behind."""
    clock = FakeClock()
    process = Process(intake, clock)
    await process.sender.turn()
    clock.advance(86_401)
    await process.sender.turn()

    assert (1, 0) == (process.figure("lost_total", partition="0"), process.figure("missing", partition="0"))
    assert 1 == await intake.people() == await intake.pool.fetchval("select count(*) from reference_blocks")
