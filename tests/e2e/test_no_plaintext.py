"""Nobody can be read in what Heraut keeps: database files, write-ahead log, topics, logs and metrics.

Nor can anybody be searched back: no id in it can be made by whoever knows the people and not the keys.

The people of these runs have names, streets and mailboxes that cannot occur by chance, so that a search for a few
words finds all of them. The search looks for each of their citizen service numbers.
"""

import base64
import csv
import gzip
import hmac
import io
import json
import os
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from hashlib import blake2b
from pathlib import Path

import aiohttp
import asyncpg
import pytest

from deploy.kafka import broker
from services.core.rooms import ROOMS
from services.demo.made_up import names
from services.demo.made_up.incident import CODES
from services.demo.made_up.people import make_people
from services.demo.made_up.wave import Wave
from services.demo.stack import Stack, StackWish, open_stack
from services.kit.files import keep_private
from services.kit.postgres.embedded import EmbeddedPostgres
from services.kit.vault.key_files import load_keys
from services.wire.references import References
from tests.e2e.heraut_process import heraut_json
from tests.e2e.made_up_load import Load, make_load, stack_wish, tell
from tests.e2e.newer_shapes import COHORT as STRANGERS
from tests.e2e.newer_shapes import Strangers
from tests.e2e.plaintext import Searcher, files_below
from tests.e2e.topics import EVENTS, UPSTREAM, Finder, found_in_topics, sent_as_events
from tests.e2e.unkeyed import UnkeyedIds, unkeyed_references
from tests.kafka_fixtures import started_broker

pytestmark = pytest.mark.timeout(600)

PEOPLE, SEED = 2000, 11
# Parts of names and addresses, without accents and numbers; the search takes them in either case and in each form.
FAMILY, GIVEN, STREET, TOWN, MAILBOX = "kwbzxqd", "vjqxwpt", "zqhxjvr", "bxqvkwf", "xjwqzbn.example"
BORN = "12-03-1861"  # nobody else is so old
WORDS = (FAMILY, GIVEN, STREET, TOWN, MAILBOX, BORN, "mp-0000")  # each portal account begins with the last one
_STRANGE_SOURCE = ("principal", "add", "strange", "--role", "source", "--source", "strange")
BY_NUMBER = "by-number"  # a cohort, and its source, that calls its records by BSN


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


@pytest.mark.parametrize("written", ["{0}.{1}{2}.{3}", "{0}{1} {2}{3}", "{0}-{1}{2}-{3}"])
def test_the_searcher_reads_numbers_as_people_group_them(searcher: Searcher, written: str) -> None:
    """A citizen service number is found in the groups in which people write it, and no time is taken for one."""
    bsn = next(person.bsn for person in make_people(PEOPLE, SEED) if person.bsn)
    shown = (
        written.format(bsn[:4], bsn[4], bsn[5], bsn[6:]) if " " not in written else f"{bsn[:3]} {bsn[3:6]} {bsn[6:]}"
    )

    assert {bsn} == searcher.found_in(f"m-{shown};x".encode())
    assert set() == searcher.found_in(b"2026-11-27 03:12:05.123456 1.5.3 127.0.0.1")


def test_the_searcher_reads_base64(searcher: Searcher) -> None:
    """A word is found in base64, wherever it begins."""
    found = [searcher.found_in(base64.b64encode(b"x" * before + FAMILY.encode() + b"yz")) for before in range(6)]

    assert [{FAMILY}] * 6 == found


def test_unkeyed_ids_are_found_where_they_are(tmp_path: Path) -> None:
    """An id that is made without a key is found among others, in each way in which ids were made."""
    load = make_load(tmp_path, people=PEOPLE, seed=SEED)
    ids, person = UnkeyedIds("load"), next(one for one in make_people(PEOPLE, SEED) if one.bsn)
    ids.add_people([person])
    ids.add_members("wave-1", ["P1-7"])
    ids.add_notices([b"p" * 16])
    made = [
        hmac.digest(b"", f"bsn:{person.bsn}".encode(), "sha256")[:16],
        _sized_hash(b"heraut-member", b"load", b"wave-1", b"P1-7"),
        _sized_hash(b"heraut-notice", b"load", b"p" * 16, (1).to_bytes(4, "big")),
    ]

    assert [{f"pseudonym {person.number}"}, {"member P1-7"}, {"notice 1"}] == [
        ids.found_in(b"x" + one + b"y" * 20) for one in made
    ]
    assert set() == ids.found_in(bytes(range(256)) * 4)
    before = len(ids)
    ids.add_records(load.waves[0])
    assert len(ids) > before + PEOPLE


def _sized_hash(purpose: bytes, *fields: bytes) -> bytes:
    whole = b"".join(len(field).to_bytes(4, "big") + field for field in fields)
    return blake2b(whole, digest_size=16, person=purpose).digest()


async def test_nobody_can_be_read_on_the_embedded_log(tmp_path: Path, searcher: Searcher) -> None:
    """Two thousand people are told, and can be read at their sources and providers alone."""
    async with _told(stack_wish(tmp_path), searcher) as (stack, load):
        found = await _found_while_running(stack, searcher)
        ids = await _unkeyed_ids(stack, load)
        searched_back = await _found_while_running(stack, ids)
        references = await _references_searched_back(stack) | await _short_ones_searched_back(stack, ids)

    assert {} == found | _found_on_disk(tmp_path, searcher)
    assert ({}, set()) == (searched_back, references)
    assert [] == _lying_open(tmp_path)


@pytest.mark.kafka
async def test_nobody_can_be_read_on_kafka(tmp_path: Path, searcher: Searcher) -> None:
    """The same, and no topic and no file of the broker holds them."""
    bootstrap = started_broker(tmp_path / "kafka")
    try:
        wish = stack_wish(tmp_path, log="kafka", HERAUT_KAFKA_BOOTSTRAP_SERVERS=bootstrap)
        heraut_json(*_STRANGE_SOURCE, "--topic", EVENTS, "--data", str(tmp_path))
        async with _told(wish, searcher) as (stack, load):
            events, unreadable = _strangers().events(load.incident_id)
            said = await sent_as_events(bootstrap, events, unreadable)
            assert [] == [one for one in said if searcher.found_in(one.encode())]
            found = await _found_while_running(stack, searcher) | await found_in_topics(bootstrap, searcher)
            ids = await _unkeyed_ids(stack, load)
            searched_back = await _found_while_running(stack, ids) | await found_in_topics(bootstrap, ids)
            short = await _short_ones_searched_back(stack, ids)
    finally:
        broker.stop(tmp_path / "kafka")

    assert {} == found | _found_on_disk(tmp_path, searcher)
    assert ({}, set()) == (searched_back, short)


@pytest.fixture(autouse=True)
def _private() -> Iterator[None]:
    """Be as private as the command line is, whose part this process plays."""
    before = os.umask(0o022)
    keep_private()
    yield
    os.umask(before)


@asynccontextmanager
async def _told(wish: StackWish, searcher: Searcher) -> AsyncIterator[tuple[Stack, Load]]:
    """Run everything and tell the made-up people; the context begins when all are told."""
    assert wish.data
    load = make_load(wish.data / "cohorts", people=PEOPLE, seed=SEED)
    async with open_stack(wish, load.incident_id) as stack:
        # The search cannot read compressed pages of the write-ahead log.
        await _execute(stack.data, "alter system set wal_compression = off", "select pg_reload_conf()")
        await tell(stack, load)
        assert set() == searcher.found_in(await _send_oddly_written(stack, load))
        await _send_by_number(stack, load)
        answers = await _strangers().come(stack, load.incident_id)
        assert [] == [(asked, answer) for asked, answer in answers if searcher.found_in(answer)]
        await _execute(stack.data, "checkpoint")
        yield stack, load


async def _send_oddly_written(stack: Stack, load: Load) -> bytes:
    """Send records whose references name people, and lines that another separator parts; returns the answers."""
    assert stack.data
    bsn, *others = (person.bsn for person in make_people(PEOPLE, SEED) if person.bsn)
    rest = f"A.,Aa{FAMILY},Co{STREET}straat,1,1234AB,Ho{TOWN},address"
    grouped = f"{others[0][:4]}.{others[0][4:6]}.{others[0][6:]}"
    refs = (bsn, grouped, f"PAT-{others[1]}", f"Aa{FAMILY} Jan {BORN}", f"{BORN}/Aa{FAMILY}", f"{GIVEN}@{MAILBOX}.org")
    lines = [
        "memberRef,bsn,initials,familyName,street,houseNumber,postcode,city,dataCategories",
        *(f"{ref},{number},{rest}" for ref, number in zip(refs, others, strict=False)),  # taken
        *(f"{ref}-x,{number}x,{rest}" for ref, number in zip(refs, others, strict=False)),  # rejected
        *(f"{ref};{bsn};A.;Aa{FAMILY};Co{STREET}straat;1" for ref in refs),
        *(f"{ref}\t{bsn}\tA.\tAa{FAMILY}" for ref in refs),
    ]
    path = stack.data / "cohorts" / "oddly-written.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    url = f"{stack.addresses['intake']}/v1/incidents/{load.incident_id}/cohorts/odd"
    headers = {"Authorization": f"Bearer {stack.token}"}
    async with aiohttp.ClientSession(headers=headers) as http:
        async with http.put(url, json={"source": "odd"}) as opened:
            assert 201 == opened.status
        about = {"Content-Type": "text/csv"}
        async with http.post(f"{url}/members", data=path.read_bytes(), headers=about) as answer:
            taken = await answer.json()
            assert (6, 6, 12) == (taken["accepted"], taken["rejected"], taken["unreadable"])
            return await answer.read()


def _numbers() -> list[str]:
    """Return citizen service numbers of some of the people."""
    return [person.bsn for person in make_people(PEOPLE, SEED) if person.bsn][:40]


async def _send_by_number(stack: Stack, load: Load) -> None:
    """Have a cohort taken whose source calls its records by BSN: accepted, rejected, mended and withdrawn ones.

    The list of their problems, which goes to the source alone, shows that the references are kept.
    """
    numbers, cohort = _numbers(), f"{stack.addresses['intake']}/v1/incidents/{load.incident_id}/cohorts/{BY_NUMBER}"
    said = [{"memberRef": bsn, "bsn": bsn if at % 2 else "1"} for at, bsn in enumerate(numbers)]
    mended = [{"memberRef": bsn, "bsn": bsn} for bsn in numbers[:4]]
    headers = {"Authorization": f"Bearer {stack.token}"}
    async with aiohttp.ClientSession(headers=headers, raise_for_status=True) as http:
        await http.put(cohort, json={"source": BY_NUMBER})
        for records in (said, mended):
            lines = [json.dumps({**record, "dataCategories": [CODES[0]]}) for record in records]
            kind = {"Content-Type": "application/x-ndjson"}
            await http.post(f"{cohort}/members", data="\n".join(lines).encode(), headers=kind)
        for bsn in numbers[-2:]:
            await http.post(f"{cohort}/withdrawals", json={"memberRef": bsn})
        async with http.get(f"{cohort}/problems", params={"format": "csv"}) as answer:
            listed = {row["memberRef"] for row in csv.DictReader(io.StringIO(await answer.text(), newline=""))}
    assert set(numbers[4:-2:2]) <= listed


def _strangers() -> Strangers:
    """Return people in every shape that one comes in, with numbers that are nobody else's here."""
    bsns = [person.bsn for person in make_people(PEOPLE, SEED) if person.bsn][-5:]
    return Strangers(f"Aa{FAMILY}", BORN, f"Co{STREET}straat", f"Ho{TOWN}", bsns)


async def _unkeyed_ids(stack: Stack, load: Load) -> UnkeyedIds:
    """Return the ids that can be made of all made-up people without a key."""
    people = make_people(PEOPLE, SEED)
    ids = UnkeyedIds(load.incident_id)
    ids.add_people(people)
    for wave in load.waves:
        ids.add_members(wave.cohort_id, _refs(wave))
        ids.add_records(wave)
    ids.add_members(BY_NUMBER, _numbers())
    ids.add_strangers(STRANGERS, _strangers())
    ids.add_notices(await _column(stack.data, "select distinct person from deduplication.members"))
    assert len(ids) > 10 * PEOPLE
    return ids


def _refs(wave: Wave) -> set[str]:
    """Return the references of a wave's records; that they are those of the file, a few of them show."""
    prefix = f"{'PQRS'[int(wave.cohort_id[-1]) - 1]}{wave.cohort_id[-1]}"
    body = gzip.decompress(wave.path.read_bytes()) if wave.path.suffix == ".gz" else wave.path.read_bytes()
    refs = set(re.findall(rf"{prefix}-[0-9]+[a-z]?".encode(), body))
    assert len(refs) > PEOPLE / 10
    return {ref.decode() for ref in refs}


async def _references_searched_back(stack: Stack) -> set[str]:
    """Return the references that letters have and that follow from the ids of notices, which topics show."""
    notices = await _column(stack.data, "select notice from deduplication.told")
    manifests = [json.loads(path.read_bytes()) for path in (stack.data / "print").glob("*.manifest.json")]
    printed = {letter["reference"] for manifest in manifests for letter in manifest["letters"]}
    _, key = load_keys(stack.data.with_name(f"{stack.data.name}-keys")).pepper("reference", 1)
    assert printed
    assert printed <= set(References(key).of_all(notices))  # with the key, each is found from its notice
    return printed & unkeyed_references(notices)


async def _short_ones_searched_back(stack: Stack, ids: UnkeyedIds) -> set[str]:
    """Return the likenesses and witnesses that can be made without a key; short, they are searched in their columns."""
    likenesses = await _column(stack.data, "select substr(likeness, 1, 8) from intake.members where likeness <> ''")
    likenesses += await _column(stack.data, "select int8send(match) from intake.matches")
    witnesses = await _column(stack.data, "select witnesses from deduplication.members")
    assert min(map(len, (ids.likenesses, likenesses, ids.witnesses, witnesses))) > PEOPLE / 10
    return {one.hex() for one in (ids.likenesses & set(likenesses)) | (ids.witnesses & set(witnesses))}


async def _column(data: Path, query: str) -> list[bytes]:
    connection = await asyncpg.connect(EmbeddedPostgres(data).url)
    try:
        return [row[0] for row in await connection.fetch(query)]
    finally:
        await connection.close()


async def _execute(data: Path, *statements: str) -> None:
    connection = await asyncpg.connect(EmbeddedPostgres(data).url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def _found_while_running(stack: Stack, searcher: Finder) -> dict[str, set[str]]:
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


def _lying_open(data: Path) -> list[str]:
    """Return what others may read, write or enter, the print folder included, but for what tests and sources made."""
    made_here = {data / "cohorts", data / "providers"}
    walked = [path for entry in data.iterdir() if entry not in made_here for path in (entry, *entry.rglob("*"))]
    assert any(path.suffix == ".done" for path in walked)
    return [str(path) for path in walked if not path.is_symlink() and path.stat().st_mode & 0o077]


def _among(files: list[Path], name: str) -> bool:
    return any(name in path.parts for path in files)
