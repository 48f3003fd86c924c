"""Who may do what at intake: a source touches its own cohorts alone, by no way the others', and every act is stored."""

from dataclasses import replace
from typing import Any

import orjson
import pytest

from services.core.access import Principal, Role
from services.intake.errors import InvalidEventError
from services.intake.handlers import EventHandler
from services.kit.eventlog import Record
from services.kit.principals import Account
from tests.integration.intake.conftest import COHORT, Intake, a_document
from tests.integration.intake.test_events import IDS, Upstream
from tests.principals import KnownProducers
from tests.unit.intake.builders import a_record

OTHERS = "/v1/incidents/lab/cohorts/others"
MEMBERS = orjson.dumps(a_record()) + b"\n"
NDJSON = {"Content_Type": "application/x-ndjson"}
B_TOPIC = "heraut.cohort.b.v1"


async def test_a_source_opens_fills_and_seals_its_own(intake: Intake) -> None:
    """What the role is for."""
    async with intake.as_principal("other") as other:
        opened, _ = await other.put(OTHERS, {"source": "other", "declaredCount": 1})
        sent, report = await other.upload(MEMBERS, cohort=OTHERS, **NDJSON)
        sealed, shown = await other.post(f"{OTHERS}/seal")

    assert (201, 202, 1, 200, True) == (opened, sent, report["accepted"], sealed, shown["sealed"])


async def test_a_source_does_not_touch_anothers_cohort(intake: Intake) -> None:
    """It is as unknown to it as one that is not there, whatever it tries, and nothing of it is changed."""
    before = await intake.get(COHORT)
    async with intake.as_principal("other") as other:
        tried = {
            "show": (await other.get(COHORT))[0],
            "send": (await other.upload(MEMBERS, **NDJSON))[0],
            "send again": (await other.upload(MEMBERS, **NDJSON, Idempotency_Key="k"))[0],
            "seal": (await other.post(f"{COHORT}/seal"))[0],
            "open as itself": (await other.put(COHORT, {"source": "other"}))[0],
            "open as the other": (await other.put(COHORT, {"source": "lab", "declaredCount": 9}))[0],
            "release": (await other.post(f"{COHORT}/release", {"all": True}))[0],
            "incident": (await other.get("/v1/incidents/lab"))[0],
        }

    assert {
        "show": 404,
        "send": 404,
        "send again": 404,
        "seal": 404,
        "open as itself": 409,  # a cohort's id is unique in its incident
        "open as the other": 403,
        "release": 403,
        "incident": 404,  # it has no cohort there
    } == tried
    assert before == await intake.get(COHORT)


async def test_an_answer_is_repeated_to_its_own_source_alone(intake: Intake) -> None:
    """Somebody else's Idempotency-Key opens nothing: the cohort is looked at first."""
    await intake.upload(MEMBERS, **NDJSON, Idempotency_Key="k")
    async with intake.as_principal("lab") as lab, intake.as_principal("other") as other:
        own, _ = await lab.upload(MEMBERS, **NDJSON, Idempotency_Key="k")
        foreign, _ = await other.upload(MEMBERS, **NDJSON, Idempotency_Key="k")

    assert (202, 404) == (own, foreign)


async def test_a_source_sees_an_incident_with_its_own_cohorts(intake: Intake) -> None:
    """The document, which it needs for the categories, and no word of the others."""
    async with intake.as_principal("other") as other:
        await other.put(OTHERS, {"source": "other"})
        _, shown = await other.get("/v1/incidents/lab")
    _, all_of_it = await intake.get("/v1/incidents/lab")

    assert ["others"] == [cohort["cohortId"] for cohort in shown["cohorts"]]
    assert {"others", "wave-1"} == {cohort["cohortId"] for cohort in all_of_it["cohorts"]}


@pytest.mark.parametrize("auto", [True, False])
async def test_only_an_operator_lets_notices_go_by_themselves(intake: Intake, *, auto: bool) -> None:
    """A source neither sets autoRelease nor takes it back."""
    await intake.put(COHORT, {"source": "lab", "autoRelease": not auto})
    async with intake.as_principal("lab") as lab:
        refused, problem = await lab.put(COHORT, {"source": "lab", "autoRelease": auto})
        same, _ = await lab.put(COHORT, {"source": "lab", "autoRelease": not auto})

    assert (403, 200) == (refused, same)
    assert "operator" in problem["detail"]
    assert (not auto) == (await intake.get(COHORT))[1]["autoRelease"]


async def test_an_auditor_looks_and_does_nothing(intake: Intake) -> None:
    """Figures, documents and acts are shown to it; nothing else is permitted."""
    async with intake.as_principal("auditor") as auditor:
        looks = [(await auditor.get(path))[0] for path in (COHORT, "/v1/incidents/lab", "/v1/incidents/lab/acts")]
        acts = [
            (await auditor.put("/v1/incidents/lab", a_document()))[0],
            (await auditor.put(OTHERS, {"source": "auditor"}))[0],
            (await auditor.upload(MEMBERS, **NDJSON))[0],
            (await auditor.post(f"{COHORT}/seal"))[0],
            (await auditor.post(f"{COHORT}/release", {"all": True}))[0],
        ]

    assert [200] * 3 == looks
    assert [403] * 5 == acts


async def _acts(intake: Intake) -> list[tuple[Any, ...]]:
    _, answer = await intake.get("/v1/incidents/lab/acts")
    return [tuple(one[key] for key in ("principal", "act", "cohortId", "version")) for one in answer["acts"]]


async def test_every_act_is_stored_with_who_did_it(intake: Intake) -> None:
    """In the transaction that does it; what changed nothing is no act, and an upload is one however often tried."""
    async with intake.as_principal("lab") as lab:
        await lab.upload(MEMBERS, **NDJSON)
        await lab.post(f"{COHORT}/seal")
        await lab.post(f"{COHORT}/seal")
    await intake.put(COHORT, {"source": "lab", "autoRelease": True})
    await intake.post(f"{COHORT}/release", {"all": True})
    await intake.put("/v1/incidents/lab", a_document(title="Other"))

    assert [
        ("operator", "incident-put", None, 1),
        ("operator", "cohort-put", "wave-1", 1),
        ("lab", "members-sent", "wave-1", None),
        ("lab", "cohort-sealed", "wave-1", 2),
        ("operator", "cohort-put", "wave-1", 3),
        ("operator", "auto-release-set", "wave-1", 3),
        ("operator", "cohort-released", "wave-1", 4),
        ("operator", "incident-put", None, 2),
    ] == await _acts(intake)


async def test_every_member_leads_to_who_sent_it(intake: Intake) -> None:
    """What stands of a member was said by an upload, whose act names its principal and its request."""
    await intake.upload(MEMBERS, **NDJSON)
    async with intake.as_principal("lab") as lab:
        await lab.upload(orjson.dumps(a_record(city="Breda")), **NDJSON)
    query = "select acts.principal, length(acts.request_id) from members join acts using (upload)"

    assert [("lab", 16)] == [tuple(row) for row in await intake.pool.fetch(query)]


class OtherUpstream(Upstream):
    """Sends events as another producer than the lab, on a topic of its own; what it says of its source is forged."""

    def __init__(self, intake: Intake) -> None:
        super().__init__(intake)
        producer = Account(Principal("b", frozenset({Role.SOURCE}), frozenset({"b"})), topic=B_TOPIC)
        lab = intake.principals.accounts.named("lab")
        assert lab
        self.handler = EventHandler(replace(intake.context, clock=self.clock), KnownProducers(producer, lab))

    def event(self, kind: str, data: Any, ident: str | None = None) -> Record:
        """Make an event with the lab's own `ce_source`."""
        return replace(super().event(kind, data, ident), topic=B_TOPIC)


async def test_a_topic_speaks_for_its_own_source(intake: Intake) -> None:
    """Whoever may write to B's topic adds nobody to A's cohort, corrects nobody there and seals nothing of A's.

    The events carry A's `ce_source`: a consumer cannot see who produced, so what they say of it counts for nothing.
    """
    a, b = Upstream(intake), OtherUpstream(intake)
    await a.send(a.members(a_record(), ident="first"))
    reasons = await b.send(
        b.members(a_record(memberRef="m-2")),
        b.members(a_record(email="b@example.org")),
        b.event("cohort-sealed", IDS),
        b.event("cohort-opened", {**IDS, "source": "lab", "declaredCount": 9}),
        b.event("cohort-opened", {**IDS, "source": "b"}),
    )
    _, shown = await intake.get(COHORT)

    assert sorted(["unknown-cohort", "unknown-cohort", "unknown-cohort", "not-permitted", "conflict"]) == sorted(
        reasons
    )
    assert (1, 3, False) == (shown["received"], shown["declared"], shown["sealed"])
    assert [1] == [row["version"] for row in await intake.pool.fetch("select version from members")]


async def test_a_forged_repeat_keeps_nobody_out(intake: Intake) -> None:
    """An event of B with the source and id of one of A's does not make A's own look like a repeat."""
    a, b = Upstream(intake), OtherUpstream(intake)
    own = {"incidentId": "lab", "cohortId": "b-1"}
    await b.send(b.event("cohort-opened", {**own, "source": "b"}), b.members(a_record(), ids=own, ident="e-1"))
    await a.send(a.members(a_record(), ident="e-1"))

    assert 1 == (await intake.get(COHORT))[1]["received"]


async def test_an_event_lets_no_notice_go(intake: Intake) -> None:
    """An `autoRelease` in an event is refused, whatever it says and whoever sends it."""
    upstream = Upstream(intake)
    opened = [{**IDS, "cohortId": f"auto-{at}", "source": "lab", "autoRelease": at == 0} for at in range(2)]
    with pytest.raises(InvalidEventError, match="not-permitted"):
        await upstream.send(upstream.event("cohort-opened", opened[0]))
    with pytest.raises(InvalidEventError, match="not-permitted"):
        await upstream.send(upstream.event("cohort-opened", opened[1]))

    assert 404 == (await intake.get("/v1/incidents/lab/cohorts/auto-0"))[0]


async def test_a_topic_of_nobody_says_nothing(intake: Intake) -> None:
    """Events of a principal that was revoked are set aside, and can be replayed once somebody has the topic."""
    b = OtherUpstream(intake)
    b.handler = EventHandler(replace(intake.context, clock=b.clock), KnownProducers())

    assert ["not-permitted"] == await b.send(b.members(a_record()))


async def test_events_are_acts_of_their_topics_principal(intake: Intake) -> None:
    """With where the event stands as the request's id."""
    upstream = Upstream(intake)
    await upstream.send(upstream.members(a_record()), upstream.event("cohort-sealed", IDS))
    rows = await intake.pool.fetch(
        "select principal, act, request_id from acts where principal = 'lab' order by number"
    )

    assert [
        ("lab", "members-sent", "heraut.cohort.v1/0/1"),
        ("lab", "cohort-sealed", "heraut.cohort.v1/0/2"),
    ] == [tuple(row) for row in rows]
