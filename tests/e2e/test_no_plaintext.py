"""Nobody can be read in what Heraut keeps: database files, write-ahead log, topics, logs and metrics.

The people of these runs have names, streets and mailboxes that cannot occur by chance, so that a search for a few
words finds all of them. The search looks for each of their citizen service numbers.
"""

import base64
import io
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from deploy.kafka import broker
from services.core.rooms import ROOMS
from services.demo.made_up import names
from services.demo.made_up.people import make_people
from services.demo.stack import Stack, StackWish, open_stack
from services.kit.postgres.embedded import EmbeddedPostgres
from tests.e2e.made_up_load import make_load, stack_wish, tell
from tests.e2e.plaintext import Searcher, files_below
from tests.kafka_fixtures import started_broker

pytestmark = pytest.mark.timeout(600)

PEOPLE, SEED = 2000, 11
# Parts of names and addresses, without accents and numbers; the search takes them in either case and in each form.
FAMILY, GIVEN, STREET, TOWN, MAILBOX = "kwbzxqd", "vjqxwpt", "zqhxjvr", "bxqvkwf", "xjwqzbn.example"
WORDS = (FAMILY, GIVEN, STREET, TOWN, MAILBOX, "mp-0000")  # each portal account begins with the last one
UPSTREAM = "heraut.cohort.v1"  # this topic and its dead letters belong to the sources, and hold members in the open


@pytest.fixture
def searcher(monkeypatch: pytest.MonkeyPatch) -> Searcher:
    """Let all people made up in this test have recognisable names, and return a searcher for them."""
    beginnings = ("Aa", "Bé", "Co", "Dü", "Ë", "Fi", "Ga", "Ho", "Ij", "Jo", "Ka", "Lø")
    monkeypatch.setattr(names, "FAMILY_NAMES", [f"{start}{FAMILY}{end}" for start in beginnings for end in ("", "ë")])
    monkeypatch.setattr(names, "GIVEN_NAMES", [f"{start}{GIVEN}" for start in beginnings])
    monkeypatch.setattr(names, "STREETS", [f"{start}{STREET}straat" for start in beginnings])
    monkeypatch.setattr(names, "TOWNS", [f"{start}{TOWN}" for start in beginnings])
    monkeypatch.setattr(names, "DOMAINS", [f"{MAILBOX}.org", f"mail.{MAILBOX}.net"])
    return Searcher(WORDS, [person.bsn for person in make_people(PEOPLE, SEED) if person.bsn])


def test_the_searcher_finds_what_is_planted(searcher: Searcher, tmp_path: Path) -> None:
    """A name or number is found in each form that programs write, and nothing is found in an innocent file."""
    person = next(person for person in make_people(PEOPLE, SEED) if person.bsn and person.email)
    secret = f"{person.family_name} {person.bsn} {person.email}"
    forms = {
        "utf-8": secret.encode(),
        "latin-1": secret.upper().encode("latin-1"),
        "utf-16": secret.encode("utf-16"),
        "utf-16-be": secret.encode("utf-16-be"),
        "hex": secret.encode().hex().encode(),
        "upper-hex": secret.encode("utf-16-le").hex().upper().encode(),
    }
    for name, form in forms.items():
        (tmp_path / name).write_bytes(bytes(5000) + form + b"\xff" * 5000)
    (tmp_path / "innocent").write_bytes(b"1790000000123 kwbz xqd 12345678" + bytes(range(256)) * 40)
    found = searcher.found_in_files(files_below(tmp_path))

    assert {str(tmp_path / name) for name in forms} == set(found)
    assert [{person.bsn, FAMILY, MAILBOX}] * len(forms) == [found[str(tmp_path / n)] - {GIVEN} for n in forms]


def test_the_searcher_reads_base64(searcher: Searcher) -> None:
    """A word is found in base64, wherever it begins."""
    found = [searcher.found_in(base64.b64encode(b"x" * before + FAMILY.encode() + b"yz")) for before in range(6)]

    assert [{FAMILY}] * 6 == found


async def test_nobody_can_be_read_on_the_embedded_log(tmp_path: Path, searcher: Searcher) -> None:
    """Two thousand people are told, and can be read at their sources and providers alone."""
    async with _told(stack_wish(tmp_path)) as stack:
        found = await _found_while_running(stack, searcher)

    assert {} == found | _found_on_disk(tmp_path, searcher)


@pytest.mark.kafka
async def test_nobody_can_be_read_on_kafka(tmp_path: Path, searcher: Searcher) -> None:
    """The same, and no topic and no file of the broker holds them."""
    bootstrap = started_broker(tmp_path / "kafka")
    try:
        async with _told(stack_wish(tmp_path, log="kafka", HERAUT_KAFKA_BOOTSTRAP_SERVERS=bootstrap)) as stack:
            found = await _found_while_running(stack, searcher) | await _found_in_topics(bootstrap, searcher)
    finally:
        broker.stop(tmp_path / "kafka")

    assert {} == found | _found_on_disk(tmp_path, searcher)


@asynccontextmanager
async def _told(wish: StackWish) -> AsyncIterator[Stack]:
    """Run everything and tell the made-up people; the context begins when all are told."""
    assert wish.data
    load = make_load(wish.data / "cohorts", people=PEOPLE, seed=SEED)
    async with open_stack(wish, load.incident_id) as stack:
        # The search cannot read compressed pages of the write-ahead log.
        await _execute(stack.data, "alter system set wal_compression = off", "select pg_reload_conf()")
        await tell(stack, load)
        await _execute(stack.data, "checkpoint")
        yield stack


async def _execute(data: Path, *statements: str) -> None:
    connection = await asyncpg.connect(EmbeddedPostgres(data).url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def _found_while_running(stack: Stack, searcher: Searcher) -> dict[str, set[str]]:
    """Search the tables, whose files may hold compressed values, and the pages that every process shows to anybody."""
    found = {f"table {name}": searcher.found_in(content) async for name, content in _tables(stack.data)}
    headers = {"Authorization": f"Bearer {stack.token}"}
    async with aiohttp.ClientSession(headers=headers) as http:
        for service, url in stack.addresses.items():
            for path in ("/metrics", "/openapi.json", "/readyz", "/livez"):
                async with http.get(url + path) as answer:
                    found[f"{service} {path}"] = searcher.found_in(await answer.read())
    return {place: what for place, what in found.items() if what}


async def _tables(data: Path) -> AsyncIterator[tuple[str, bytes]]:
    """Return every table in binary, as hex of sealed data would hold some of the numbers by chance."""
    connection = await asyncpg.connect(EmbeddedPostgres(data).url)
    try:
        rows = await connection.fetch(
            """select schemaname, tablename from pg_tables
                where schemaname not in ('pg_catalog', 'information_schema')"""
        )
        assert len(rows) > len(ROOMS)
        for schema, table in rows:
            out = io.BytesIO()
            await connection.copy_from_table(table, schema_name=schema, output=out, format="binary")
            yield f"{schema}.{table}", out.getvalue()
    finally:
        await connection.close()


async def _found_in_topics(bootstrap: str, searcher: Searcher) -> dict[str, set[str]]:
    """Search keys, values and headers of every record, as the broker's files are compressed."""
    found: dict[str, set[str]] = {}
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await consumer.start()
    try:
        partitions = await _partitions(bootstrap)
        assert len({partition.topic for partition in partitions}) > len(ROOMS)
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        await consumer.seek_to_beginning()
        left = {partition: end for partition, end in ends.items() if end > 0}
        assert left
        while left:
            for partition, records in (await consumer.getmany(timeout_ms=500)).items():
                content = b"\n".join(part for record in records for part in _parts(record))
                found.setdefault(f"topic {partition.topic}", set()).update(searcher.found_in(content))
            left = {one: end for one, end in left.items() if await consumer.position(one) < end}
    finally:
        await consumer.stop()
    return {place: what for place, what in found.items() if what}


async def _partitions(bootstrap: str) -> list[TopicPartition]:
    """Return the partitions of all topics but the sources' own."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        topics = [topic for topic in await admin.list_topics() if not topic.startswith(UPSTREAM)]
        return [
            TopicPartition(topic["topic"], partition["partition"])
            for topic in await admin.describe_topics(topics)
            for partition in topic["partitions"]
        ]
    finally:
        await admin.close()


def _parts(record: ConsumerRecord) -> Iterator[bytes]:
    yield from (part for part in (record.key, record.value) if part)
    for name, value in record.headers:
        yield from (name.encode(), value)


def _found_on_disk(data: Path, searcher: Searcher) -> dict[str, set[str]]:
    """Search all files of the data directory, except what the sources sent and the providers took.

    Those hold the people in the open, and show that the search works: it must find everybody there.
    """
    sources, providers = data / "cohorts", data / "providers"
    upstream = (data / "kafka").glob(f"**/{UPSTREAM}*")
    database = EmbeddedPostgres(data).log_file.parent  # outside the data directory, where its user may not enter that
    spared = [sources, providers, data / "print", *upstream]
    files = [*files_below(data, without=[*spared, database]), *files_below(database)]
    assert [] == [name for name in ("pg_wal", "server.log", "heraut.lock", "intake.log") if not _among(files, name)]
    in_the_open = searcher.found_in_files(files_below(sources)) | searcher.found_in_files(files_below(providers))
    assert set(WORDS) <= set().union(*in_the_open.values())
    assert len(set().union(*in_the_open.values())) > PEOPLE / 4  # in the files that are not compressed
    return searcher.found_in_files(files)


def _among(files: list[Path], name: str) -> bool:
    return any(name in path.parts for path in files)
