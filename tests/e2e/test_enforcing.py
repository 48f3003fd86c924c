"""All rooms together, each as its own user, where brokers enforce access rights over TLS and the database logins."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import TopicAuthorizationFailedError
from notification.topics import TOPICS

from deploy.postgres.server import free_port
from services.core.channel import Channel
from services.core.policy import SMALLEST_SAMPLE
from services.core.rooms import ROOMS
from services.demo.made_up.incident import made_up_incident
from services.demo.made_up.people import make_people
from services.demo.provider_records import ProviderRecords, read_provider_records
from services.demo.standins import STANDINS
from services.kit.eventlog.kafka import KafkaSettings
from services.kit.eventlog.kafka.admin import delete_topics, listed_topics
from services.kit.eventlog.kafka.client import connected_admin
from tests.e2e.bouncing import MAILBOX, bounce
from tests.e2e.heraut_process import heraut_json, running_up
from tests.kafka_fixtures import USERS, EnforcingBroker

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]

UPSTREAM = "heraut.cohort.lab.v1"
INCIDENT = "walls"
_BSNS = ("999990342", "999990019", "999990913", "999990494", "999990627")
_STRUCTURED = [("content-type", b"application/cloudevents+json")]
_COLUMNS = "memberRef,bsn,initials,familyName,street,houseNumber,postcode,city,email,portalId,dataCategories\n"
# Whether a correction comes before or after the word that its notice was given up is a matter of milliseconds: routing
# attempts it again in the one case, deduplication in the other.
_MAYBE = {"heraut.notices.reattempted.v1"}
# Every other topic of ours carries something in the course of this test.
_CARRYING = {spec.name for spec in TOPICS if spec.log == "both"} - _MAYBE
# Messages that a room's user would like to write: a release, what lets go after a pause, a stop, how a hand-over ended.
_FORGED = {
    "tracking": "heraut.incidents.changed.v1", "routing": "heraut.notices.recalled.v1",
    "deduplication": "heraut.stops.raised.v1", "dispatch": "heraut.notices.released.v1",
    "intake": "heraut.deliveries.attempted.v1",
}  # fmt: skip
_MANY = SMALLEST_SAMPLE  # of whom a share says something


def _settings(broker: EnforcingBroker, smtp: str = "", bounces: int = 0) -> dict[str, str]:
    """Return what the services are told: a user for each room, and none who may do more; a port for bounces."""
    rooms = {}
    for room in ROOMS:
        rooms[f"HERAUT_KAFKA_SASL_USERNAME_{room.upper()}"] = f"heraut-{room}"
        rooms[f"HERAUT_KAFKA_SASL_PASSWORD_{room.upper()}"] = USERS[f"heraut-{room}"]
    return rooms | {
        "HERAUT_LOG": "kafka",
        "HERAUT_KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap,
        "HERAUT_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "HERAUT_KAFKA_SASL_MECHANISM": "PLAIN",
        "HERAUT_KAFKA_SSL_CAFILE": str(broker.certificates.authority),
        "HERAUT_PARTITIONS": "2",
        "HERAUT_SYNTHETIC_EVERY": "5s",
        **({"HERAUT_SMTP_URL": smtp} if smtp else {}),
        **({"HERAUT_SMTP_BOUNCES": MAILBOX, "HERAUT_BOUNCES_LISTEN": f"127.0.0.1:{bounces}"} if bounces else {}),
    }


@pytest.fixture
def prepared(enforcing_broker: EnforcingBroker, tmp_path: Path) -> Iterator[EnforcingBroker]:
    """Return the broker with topics and rights as `heraut topics` made them, and with nothing in them."""
    asyncio.run(_without_topics(enforcing_broker.settings()))
    operator = {"HERAUT_KAFKA_SASL_USERNAME": "heraut", "HERAUT_KAFKA_SASL_PASSWORD": USERS["heraut"]}
    where = ["--data", str(tmp_path)]
    source = ["--source", "lab", "--topic", UPSTREAM, "--kafka-user", "lab"]
    for name, *more in (("lab", "--role", "source", *source), ("operator", "--role", "operator")):
        token = heraut_json("principal", "add", name, *more, *where)["token"]
        (tmp_path / f"{name}.token").write_text(token, encoding="utf-8")
    made = heraut_json("topics", *where, **_settings(enforcing_broker), **operator)
    assert made["enforced"]
    yield enforcing_broker
    asyncio.run(_without_topics(enforcing_broker.settings()))


async def _without_topics(settings: KafkaSettings) -> None:
    await delete_topics(settings)
    async with asyncio.timeout(30):
        while await listed_topics(settings):  # noqa: ASYNC110 - it says when by no other means
            await asyncio.sleep(0.02)


class Api:
    """The services' routes, called as the operator."""

    def __init__(self, http: aiohttp.ClientSession, addresses: Mapping[str, str]) -> None:
        self._http = http
        self._addresses = addresses

    async def call(self, method: str, service: str, path: str = "", *, missing_ok: bool = False, **options: Any) -> Any:
        """Call a route of the incident and return the answer; `missing_ok`: also that it is not known."""
        url = f"{self._addresses[service]}/v1/incidents/{INCIDENT}{path}"
        async with self._http.request(method, url, **options) as answer:
            body = await answer.read()
            assert answer.status < 300 or missing_ok, body
            return orjson.loads(body)

    async def send(self, cohort: str, *lines: str) -> None:
        """Open a cohort, send its members, seal and release it."""
        path = f"/cohorts/{cohort}"
        body = {"source": "lab", "declaredCount": len(lines), "autoRelease": False}
        await self.call("PUT", "intake", path, json=body)
        csv = (_COLUMNS + "\n".join(lines)).encode()
        await self.call("POST", "intake", f"{path}/members", data=csv, headers={"Content-Type": "text/csv"})
        await self.post(cohort, "seal")
        await self.post(cohort, "release", {"all": True})

    async def correct(self, cohort: str, *lines: str) -> None:
        """Send members of a sealed cohort again."""
        csv = (_COLUMNS + "\n".join(lines)).encode()
        await self.call("POST", "intake", f"/cohorts/{cohort}/members", data=csv, headers={"Content-Type": "text/csv"})

    async def until_stopped(self, cohort: str) -> None:
        """Wait until a rule has paused a cohort."""
        async with asyncio.timeout(60):
            while not (shown := await self.call("GET", "intake", f"/cohorts/{cohort}"))["paused"]:  # noqa: ASYNC110 - a rule does it in its own time
                await asyncio.sleep(0.05)
        assert shown["stopped"]

    async def post(self, cohort: str, act: str, document: Mapping[str, Any] | None = None) -> Any:
        """Do something to a cohort, and return the answer."""
        return await self.call("POST", "intake", f"/cohorts/{cohort}/{act}", json=document or {})

    async def until_observed(self, pause_id: str) -> None:
        """Wait until every channel has reported what had begun when a pause came."""
        async with asyncio.timeout(60):
            # Dispatch reports it in its own time, which no event of ours tells.
            while not (await self.call("GET", "tracking", f"/pauses/{pause_id}"))["complete"]:  # noqa: ASYNC110 - so
                await asyncio.sleep(0.05)

    async def until(self, cohort: str, **expected: int) -> None:
        """Wait until the ledger has these figures of a cohort, or of all ("")."""
        figures: dict[str, int] = {}
        lines: list[dict[str, Any]] = []
        deadline = time.monotonic() + 60
        while figures != expected:
            assert time.monotonic() < deadline, f"{lines} {expected}"
            ledger = await self.call("GET", "tracking", "/ledger", missing_ok=True)
            lines = [line for line in ledger.get("cohorts", ()) if line["cohortId"] == cohort or not cohort]
            figures = {name: sum(line[name] for line in lines) for name in expected} if lines else {}
            await asyncio.sleep(0.05)


def _line(cohort: str, at: int, categories: str, *, email: str = "", portal: str = "", home: bool = True) -> str:
    street = f"Dorpsstraat,{at + 1},1234AB,Fijnaart" if home and not portal else ",,,"
    return f"{cohort}-{at},{_numbers()[at]},A.,Smit,{street},{email},{portal},{categories}"


@cache
def _numbers() -> list[str]:
    """Return citizen service numbers, one a person."""
    made = [person.bsn for person in make_people(4 * _MANY, 1) if person.bsn and person.bsn not in _BSNS]
    return [*_BSNS, *dict.fromkeys(made)]


async def _tell(api: Api, upstream: KafkaSettings) -> None:
    """Tell, tell more, fall back on a letter, hear from upstream, and pause what waits."""
    await api.call("PUT", "intake", json=made_up_incident(datetime.now(UTC)))
    await api.send("first", _line("first", 0, "address"), _line("first", 1, "bsn", email="gone.a@example.org"))
    await api.until("first", notified=2, inFlight=0)
    await api.send("second", _line("second", 0, "address|bsn"))
    await api.until("second", notified=1, inFlight=0)

    await _publish(upstream, _event("cohort-opened", source="lab", declaredCount=1))
    await _publish(upstream, _event("members-affected", members=[{
        "memberRef": "e-1", "bsn": _BSNS[2], "familyName": "Smit", "email": "a@example.org",
        "dataCategories": ["address"],
    }]))  # fmt: skip
    await api.until("upstream", held=1)
    await api.post("upstream", "release", {"all": True})
    await api.until("upstream", notified=1)

    await api.send("waiting", *(_line("waiting", at, "bsn", portal=f"mp-{at}") for at in (3, 4)))
    await api.until("waiting", inFlight=2, held=0)
    paused = await api.post("waiting", "pause")
    await api.until("waiting", inFlight=0, held=2)
    await api.until_observed(paused["pauseId"])
    await api.post("waiting", "resume")
    await api.until("waiting", inFlight=2, held=0)


async def _take_back(api: Api) -> None:
    """Call back who waits, by a withdrawal and by the end of a cohort; supersede a notice of whom more is said."""
    await api.post("waiting", "withdrawals", {"memberRef": "waiting-3"})
    await api.until("waiting", withdrawn=1, inFlight=1)
    await api.post("waiting", "cancel")
    await api.until("waiting", withdrawn=2, inFlight=0)
    await api.correct("first", _line("first", 0, "address|bsn|contact"))  # its bearer gets another notice


async def _give_up(api: Api) -> None:
    """Give up who has an address that is gone, hold who has none, and reach the first one at another."""
    gone = _line("nowhere", 5, "bsn", email="gone.b@example.org", home=False)
    await api.send("nowhere", gone, _line("nowhere", 6, "bsn", home=False))
    await api.until("nowhere", exhausted=1, held=1)
    await api.correct("nowhere", _line("nowhere", 5, "bsn"))
    await api.until("nowhere", exhausted=0, notified=1, held=1)


async def _stop(api: Api) -> None:
    """Tell enough people, and have a rule stop their cohort for the complaints; somebody lets it go on."""
    await api.send("many", *(_line("many", at, "bsn") for at in range(7, 7 + _MANY)))
    await api.until("many", notified=_MANY)
    await api.post("many", "figures", {"complaints": _MANY})
    await api.until_stopped("many")
    await api.post("many", "resume")


async def _come_back(api: Api, records: ProviderRecords, bounces: int) -> None:
    """Have the one mail come back: its person has no other channel, and is given up."""
    (mailed,) = read_provider_records(records.path)
    await asyncio.to_thread(bounce, bounces, mailed["sender"])
    await api.until("upstream", notified=0, exhausted=1)


async def _forge(broker: EnforcingBroker) -> None:
    """Have each room's user write another room's message: the brokers refuse it."""
    for room, topic in _FORGED.items():
        async with _client(AIOKafkaProducer, broker.settings(f"heraut-{room}")) as producer:
            with pytest.raises(TopicAuthorizationFailedError):
                await producer.send_and_wait(topic, b"forged", partition=0, headers=[("source", b"intake")])


def _event(kind: str, **data: object) -> dict[str, object]:
    return {
        "specversion": "1.0", "id": kind, "source": "urn:lab", "type": f"eu.breachnotice.{kind}.v1",
        "datacontenttype": "application/json", "data": {"incidentId": INCIDENT, "cohortId": "upstream", **data},
    }  # fmt: skip


async def _publish(settings: KafkaSettings, event: Mapping[str, object]) -> None:
    async with _client(AIOKafkaProducer, settings) as producer:
        await producer.send_and_wait(UPSTREAM, orjson.dumps(event), partition=0, headers=_STRUCTURED)


def _client(kind: Any, settings: KafkaSettings) -> Any:
    return kind(**settings.client_options())


async def _carrying(settings: KafkaSettings) -> set[str]:
    """Return the topics of ours that something was written to."""
    async with connected_admin(settings) as admin:
        described = [topic for topic in await admin.describe_topics() if topic["topic"].startswith("heraut.")]
    at = [TopicPartition(one["topic"], part["partition"]) for one in described for part in one["partitions"]]
    async with _client(AIOKafkaConsumer, settings) as consumer:
        return {partition.topic for partition, end in (await consumer.end_offsets(at)).items() if end}


async def _until_carrying(settings: KafkaSettings) -> set[str]:
    """Wait until every topic that should carry something does, or for a minute; return those that do."""
    deadline = time.monotonic() + 60
    while not (found := await _carrying(settings)) >= _CARRYING and time.monotonic() < deadline:  # noqa: ASYNC110 - brokers tell by no other means
        await asyncio.sleep(0.1)
    return found


async def _until_printed(folder: Path, letters: int) -> None:
    """Wait until so many letters lie in the print folder; more would be somebody told twice."""

    def printed() -> int:
        done = [path.with_suffix(".manifest.json") for path in folder.glob("*.done")]
        return sum(len(orjson.loads(path.read_bytes())["letters"]) for path in done)

    async with asyncio.timeout(60):
        while printed() < letters:  # noqa: ASYNC110 - a folder tells by no other means
            await asyncio.sleep(0.05)
    assert letters == printed()


@pytest.fixture
async def mail(tmp_path: Path) -> AsyncIterator[tuple[str, ProviderRecords]]:
    """Return the address of a mail server, and its records."""
    records = ProviderRecords(tmp_path / "mail.ndjson")
    async with STANDINS[Channel.EMAIL].serve(records, "127.0.0.1", 0) as (address, _):
        yield address, records
    records.close()


@asynccontextmanager
async def _services(data: Path, settings: Mapping[str, str]) -> AsyncIterator[Api]:
    """Run `heraut up` beside this test's own mail server."""
    up = running_up(data, settings)
    await asyncio.to_thread(up.__enter__)
    try:
        headers = {"Authorization": f"Bearer {(data / 'operator.token').read_text(encoding='utf-8')}"}
        async with aiohttp.ClientSession(headers=headers) as http:
            yield Api(http, orjson.loads((data / "services.json").read_bytes()))
    finally:
        await asyncio.to_thread(up.__exit__, None, None, None)


async def test_a_cohort_through_all_rooms_each_as_its_own_user(
    prepared: EnforcingBroker, mail: tuple[str, ProviderRecords], tmp_path: Path
) -> None:
    """Told, refused, sent as events, paused, resumed, called back, stopped by a rule, bounced: by rights alone."""
    (address, records), bounces = mail, free_port()
    async with _services(tmp_path, _settings(prepared, address, bounces)) as api:
        await _tell(api, prepared.settings("lab"))
        await _take_back(api)
        await _give_up(api)
        await _stop(api)
        await _come_back(api, records, bounces)
        await _forge(prepared)
        await _until_printed(tmp_path / "print", 5 + _MANY)
        await api.until("", notified=4 + _MANY, exhausted=1)
        ledger = await api.call("GET", "tracking", "/ledger")
        carrying = await _until_carrying(prepared.settings())
    assert (True, 4 + _MANY, 1) == (ledger["balanced"], *(ledger["totals"][one] for one in ("notified", "exhausted")))
    assert 1 == len(list(read_provider_records(records.path)))
    assert _CARRYING == carrying - _MAYBE - {UPSTREAM}
    logs = [path for path in (tmp_path / "logs").glob("*.log") if "Authorization" in path.read_text(encoding="utf-8")]
    assert [] == logs
