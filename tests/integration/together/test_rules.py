"""Intake and deduplication together, on a real database, against the rules written plainly."""

import itertools
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from notification.v1 import deduplication_pb2

from services.core.ledger import COUNTERS
from services.core.notices import FLAG_RETRACTED
from services.deduplication.codec import Work
from services.deduplication.domain import Member, Outcome
from services.deduplication.handlers import DeduplicationHandler
from services.kit.eventlog.port import Output, Record
from services.kit.postgres import Pool
from services.wire.incidents import decode_incidents
from services.wire.notices import notices_from_wire
from services.wire.recalls import Answers, Recall, decode_recalled, encode_stopped
from services.wire.testing import FakeIncidents
from tests.conftest import RoomPool
from tests.integration.intake.conftest import PARTITIONS, Intake, a_document
from tests.integration.together.rules import Claimed, Records, Said, as_sent

CODES = ("name", "bsn", "medical")
SOURCES = {"c0": "lab", "c1": "clinic"}
REFS = ("m-1", "m-2", "m-3")
BSNS = ("999990019", "999990342")

_births = st.sampled_from(("", "1980-01-01", "1980-01-02"))
_taken = st.sets(st.sampled_from(CODES), min_size=1).map(frozenset)
_names = st.sampled_from(("", "Vries", "Bakker"))
_by_number = st.builds(
    Said,
    bsn=st.sampled_from(BSNS),
    birth=_births,
    family=_names,
    initial=st.sampled_from(("", "A")),
    addition=st.just(""),
    taken=_taken,
    sure=st.booleans(),
    deceased=st.integers(0, 19).map(bool).map(lambda alive: not alive),
)
_by_name = st.builds(
    Said,
    bsn=st.just(""),
    birth=st.just("1980-01-01"),
    family=st.just("Vries"),
    initial=st.sampled_from(("", "A", "B")),
    addition=st.sampled_from(("", "II", "III")),
    taken=_taken,
    sure=st.booleans(),
)
_records = st.lists(
    st.tuples(st.sampled_from(REFS), st.one_of(_by_number, _by_number, _by_name)),
    min_size=1,
    max_size=3,
    unique_by=lambda one: one[0],
)
_cohorts = st.sampled_from(sorted(SOURCES))
_two_records = st.sets(st.tuples(_cohorts, st.sampled_from(REFS)), min_size=2, max_size=2).map(sorted)
_some_partitions = st.sets(st.integers(0, PARTITIONS - 1), min_size=1)
_more = st.lists(
    st.one_of(
        st.tuples(st.just("send"), _cohorts, _records),
        st.tuples(st.just("send"), _cohorts, _records),
        st.tuples(st.just("withdraw"), _cohorts, st.sampled_from(REFS)),
        st.tuples(st.just("release"), _cohorts, st.none()),
        st.tuples(st.just("release"), _cohorts, st.none()),
        st.tuples(st.just("cancel"), _cohorts, st.integers(0, 9)),
        st.tuples(st.just("settle"), st.none(), st.none()),
        st.tuples(st.just("settle"), st.none(), st.none()),
        st.tuples(st.just("take"), _some_partitions, st.integers(1, 4)),
        st.tuples(st.just("lose"), _some_partitions, st.integers(1, 4)),
        st.tuples(st.just("tick"), _some_partitions, st.none()),
        st.tuples(st.just("answer"), st.booleans(), st.none()),
        st.tuples(st.just("judge"), st.booleans(), _two_records),
        st.tuples(st.just("unjudge"), st.integers(0, 3), st.none()),
        st.tuples(st.just("restart"), st.none(), st.none()),
    ),
    min_size=8,
    max_size=24,
)
_first = st.lists(_records, min_size=2, max_size=2).map(
    lambda sent: [("send", cohort, records) for cohort, records in zip(sorted(SOURCES), sent, strict=True)]
)
# Lists that begin with nobody, or let nobody go, show little.
STEPS = st.tuples(_first, st.lists(st.tuples(st.just("release"), _cohorts, st.none()), max_size=1), _more).map(
    lambda parts: [*parts[0], *parts[1], *parts[2]]
)


@dataclass(repr=False)
class Rooms:
    """Intake as its sources know it, and deduplication, which is given intake's blocks piece by piece."""

    intake: Intake
    pool: Pool  # deduplication's
    numbers: Iterator[int] = field(default_factory=itertools.count)
    taken: dict[int, int] = field(default_factory=lambda: dict.fromkeys(range(PARTITIONS), 0))
    heard: int = 0  # of intake's changes

    async def begin(self) -> None:
        """Begin another incident; nothing is known of its people."""
        self.incident = f"lab-{next(self.numbers)}"
        self.records = Records()
        self.asked: dict[bytes, Recall] = {}  # notices that were called back, and of which nothing was heard yet
        self.judgements: list[int] = []
        self.said: dict[tuple[bytes, bytes, int, bool], Member] = {}
        await self.intake.put(self._path(), a_document())
        for cohort, source in SOURCES.items():
            await self.intake.put(self._path(cohort), {"source": source})
        self.restart()

    def restart(self) -> None:
        """Forget all that is in deduplication's memory."""
        self.incidents, self.heard = FakeIncidents(), 0
        self.room = DeduplicationHandler(self.incidents, lambda _: None, PARTITIONS, self.intake.keys)

    def _path(self, cohort: str = "") -> str:
        return f"/v1/incidents/{self.incident}" + (f"/cohorts/{cohort}" if cohort else "")

    async def send(self, cohort: str, records: Sequence[tuple[str, Said]]) -> None:
        """Have records taken, or corrected."""
        lines = [orjson.dumps(as_sent(ref, said)) for ref, said in records]
        status, answer = await self.intake.upload(
            b"\n".join(lines), cohort=self._path(cohort), Content_Type="application/x-ndjson"
        )
        if cohort in self.records.cancelled:
            assert status == 409
            return
        assert (202, len(records)) == (status, answer["accepted"])
        for ref, said in records:
            versions = self.records.said.setdefault((cohort, ref), [])
            if not versions or versions[-1] != said:
                versions.append(said)

    async def withdraw(self, cohort: str, ref: str) -> None:
        """Have a record taken back."""
        status, _ = await self.intake.post(f"{self._path(cohort)}/withdrawals", {"memberRef": ref})
        versions = self.records.said.get((cohort, ref))
        assert status in ((200, 202) if versions else (404,))
        if versions and versions[-1] is not None:
            versions.append(None)

    async def release(self, cohort: str) -> None:
        """Let a cohort's people be told."""
        status, _ = await self.intake.post(f"{self._path(cohort)}/release", {"all": True})
        if cohort in self.records.cancelled:
            assert status == 409
        else:
            assert status == 200
            self.records.released.add(cohort)

    async def cancel(self, cohort: str) -> None:
        """Take a whole cohort back."""
        await self.intake.post(f"{self._path(cohort)}/cancel")
        self.records.cancelled.add(cohort)

    async def judge(self, records: Sequence[tuple[str, str]], *, are_one: bool) -> None:
        """Say that two records are one person's, or two people's; those of two identities, or gone, are refused."""
        named = [{"cohortId": cohort, "memberRef": ref} for cohort, ref in records]
        said = {"action": "settle", "people": "one" if are_one else "different", "evidence": "register"}
        status, answer = await self.intake.post(f"{self._path()}/identities", {**said, "records": named})
        assert status in ((200, 409) if self.records.said.keys() >= {*records} else (404,))
        if status == 200:
            self.records.judged(records, are_one=are_one)
            self.judgements.append(answer["judgement"])

    async def unjudge(self, at: int) -> None:
        """Say one of the judgements no more."""
        for number in self.judgements[at : at + 1]:
            status, answer = await self.intake.post(
                f"{self._path()}/identities", {"action": "unsettle", "judgement": number}
            )
            assert (200, True) == (status, answer["undone"])

    async def take(self, partitions: Collection[int], count: int, *, lost: bool = False) -> int:
        """Take the next blocks of some partitions in one transaction; a lost one is rolled back, and forgotten."""
        await self._hear()
        blocks = [block for partition in sorted(partitions) for block in await self._next(partition, count)]
        if not blocks:
            return 0
        moved = self.taken | {block.partition: block.seq for block in blocks}
        return len(blocks) if await self._apply(blocks, moved, lost=lost) else 0

    async def answer(self, *, stopped: bool) -> int:
        """Let dispatch answer all that it was asked: the notices were stopped, or had begun; returns how many."""
        await self._hear()
        asked, self.asked = self.asked, {}
        outputs = encode_stopped([(recall, stopped) for recall in asked.values()])
        blocks = [Record(out.topic, out.partition, 0, "dispatch-letter", 0, 0, out.value) for out in outputs]
        if blocks:
            if stopped:
                self.records.stopped(asked)
            await self._apply(blocks, self.taken)
        return len(asked)

    def _note_versions(self, work: Sequence[Work | Answers]) -> None:
        """Note what intake said of each version of a member, at each person: it is the same whenever it is said.

        Beside it there is no more than that the version left that person, by another of its identities.
        """
        for block in (one.block for one in work if isinstance(one, Work)):
            for row, (member, version, person) in enumerate(
                zip(block.members, block.versions, block.persons, strict=True)
            ):
                said = block.member(row, 0)
                left = bool(said.flags & FLAG_RETRACTED)
                assert said == self.said.setdefault((person, member, version, left), said)

    async def _apply(self, blocks: Sequence[Record], moved: Mapping[int, int], *, lost: bool = False) -> bool:
        """Take blocks in one transaction; tells whether it was committed."""
        work = [self.room.decode(block) for block in blocks]
        self._note_versions(work)
        await self.room.ready(work)
        async with self.pool.acquire() as connection:
            transaction = connection.transaction()
            await transaction.start()
            for partition, seq in moved.items():
                await connection.execute(_TAKEN, partition, seq, {"intake": seq})
            outputs = await self.room.apply(connection, work)
            if lost:
                await transaction.rollback()
                self.restart()
                return False
            await transaction.commit()
        self.taken = dict(moved)
        await self._note(outputs)
        return True

    async def tick(self, partitions: Collection[int]) -> int:
        """Look for people who may be told now; returns how many blocks went out."""
        await self._hear()
        async with self.pool.acquire() as connection, connection.transaction():
            outputs = await self.room.tick(connection, sorted(partitions))
        await self._note(outputs)
        return len(outputs)

    async def settle(self) -> None:
        """Take all that is there, and look for people who may be told."""
        await self.take(range(PARTITIONS), 1_000)
        await self.tick(range(PARTITIONS))

    async def finish(self, *, stopped: bool) -> None:
        """Take all that is left, until nothing happens any more."""
        everywhere = range(PARTITIONS)
        while await self.take(everywhere, 1_000) + await self.tick(everywhere) + await self.answer(stopped=stopped):
            pass

    async def _next(self, partition: int, count: int) -> list[Record]:
        rows = await self.pool.fetch(_BLOCKS, partition, self.taken[partition], count)
        return [Record(_MEMBERS, partition, row["seq"], "intake", row["seq"], 0, row["block"]) for row in rows]

    async def _hear(self) -> None:
        changes = await self.pool.fetch(_CHANGES, self.heard)
        for row in changes:
            for entry in decode_incidents(row["block"]):
                if len(entry.key) < 3 or entry.key[0] == "cohort":
                    self.incidents.put(entry.value)
            self.heard = row["seq"]

    async def _note(self, outputs: Sequence[Output]) -> None:
        """Keep what went out, in the words of the sources."""
        known = await self._members()
        for output in outputs:
            record = Record(output.topic, output.partition, 0, "deduplication", 0, 0, output.value)
            if output.topic == "heraut.notices.recalled.v1" and not (recalled := decode_recalled(record)).over:
                self.asked |= {one.notice: one for one in recalled.recalls if one.incident_id == self.incident}
            if output.topic == "heraut.notices.released.v1":
                wire = deduplication_pb2.NoticesReleased.FromString(output.value)
                notices = notices_from_wire(wire.notices)
                if notices.incident_id != self.incident:
                    continue  # of an example that failed, and left people behind
                for row, member in enumerate(notices.members):
                    exposed, sure = notices.exposed[row], notices.confirmed[row]
                    new = exposed & ~notices.told_exposed[row] | sure & ~notices.told_confirmed[row]
                    first = not notices.supersedes[row]
                    self.records.told.append(
                        Claimed(
                            notices.ids[row],
                            known[member],
                            notices.versions[row],
                            _codes(exposed),
                            _codes(sure),
                            _codes(new),
                            first,
                        )
                    )

    async def _members(self) -> dict[bytes, tuple[str, str]]:
        """Return the records by the ids of their members."""
        incident = self.incidents.get(("incident", self.incident))
        hashes = self.intake.context.hashes.of(incident)  # type: ignore[arg-type]  # it is known
        return {hashes.members(cohort).of(ref): (cohort, ref) for cohort in SOURCES for ref in REFS}

    async def outcomes(self) -> dict[tuple[str, str], set[Outcome]]:
        """Return where the rows of each record stand; who changed the person has a row that was retracted, too."""
        known = await self._members()
        found: dict[tuple[str, str], set[Outcome]] = {}
        for row in await self.pool.fetch(_STANDINGS, self.incident):
            if row["outcome"] != Outcome.RETRACTED:
                found.setdefault(known[row["member"]], set()).add(Outcome(row["outcome"]))
        return found

    async def counted(self) -> Counter[str]:
        """Return deduplication's totals of this incident."""
        counted: Counter[str] = Counter()
        for row in await self.pool.fetch("select counts from totals where starts_with(scope, $1)", f"{self.incident}/"):
            counted.update(dict(zip(COUNTERS["deduplication"], row["counts"], strict=True)))
        return counted


_MEMBERS = "heraut.members.accepted.v1"
_BLOCKS = f"""select seq, block from log.log where topic = '{_MEMBERS}' and source = 'intake'
              and partition = $1 and seq > $2 order by seq limit $3"""
_CHANGES = """select seq, block from log.log where topic = 'heraut.incidents.changed.v1' and seq > $1 order by seq"""
_TAKEN = f"""insert into input (stage, topic, partition, next_offset, taken)
             values ('deduplication', '{_MEMBERS}', $1, $2, $3)
             on conflict (stage, topic, partition) do update set taken = excluded.taken"""
_STANDINGS = """select member, outcome from members join incidents on incidents.number = members.incident
                where incidents.incident_id = $1"""


def _codes(mask: int) -> frozenset[str]:
    return frozenset(code for bit, code in enumerate(CODES) if mask >> bit & 1)


@pytest.fixture
async def rooms(intake: Intake, room_pool: RoomPool) -> Rooms:
    """Return both rooms on one database, which all examples share."""
    return Rooms(intake, await room_pool("deduplication"))


@given(steps=STEPS, stopped=st.booleans())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_whatever_sources_send_each_is_told_what_is_theirs_and_once(
    rooms: Rooms,
    steps: Sequence[tuple[str, Any, Any]],
    stopped: bool,  # noqa: FBT001 - drawn
) -> None:
    """Two sources that contradict, corrections, withdrawals, releases, recalls, judgements, restarts, in any order."""
    await rooms.begin()
    for step in steps:
        match step:
            case "send" | "withdraw" | "release" | "cancel" | "judge" | "unjudge", *_:
                await _say(rooms, step)
            case "take" | "lose" as what, partitions, count:
                await rooms.take(partitions, count, lost=what == "lose")
            case "tick", partitions, _:
                await rooms.tick(partitions)
            case "settle", _, _:
                await rooms.settle()
            case "answer", bool(in_time), _:
                await rooms.answer(stopped=in_time)
            case "restart", _, _:
                rooms.restart()
    await rooms.finish(stopped=stopped)
    await _check(rooms)


async def _say(rooms: Rooms, step: tuple[str, Any, Any]) -> None:
    """Let a source or an operator do something."""
    match step:
        case "send" | "withdraw" | "release", cohort, said:
            await getattr(rooms, step[0])(*((cohort,) if said is None else (cohort, said)))
        case "cancel", cohort, 0:
            await rooms.cancel(cohort)
        case "judge", bool(are_one), records:
            await rooms.judge(records, are_one=are_one)
        case "unjudge", at, _:
            await rooms.unjudge(at)


async def _check(rooms: Rooms) -> None:
    records, stand = rooms.records, await rooms.outcomes()
    for claimed in records.told:
        assert records.nobody_elses(claimed)
        assert claimed.new
        assert claimed.bearer[0] in records.released
    firsts = Counter(records.at(claimed).identity for claimed in records.told if records.stands(claimed))
    assert not {one for one, count in firsts.items() if count > 1 and records.is_one_person(one)}
    for key in records.due():
        assert records.knows_all(key) or stand[key] == {Outcome.HELD_IDENTITY_CONFLICT}
    assert dict.fromkeys(records.said, 1) == {key: len(outcomes) for key, outcomes in stand.items()}
    counted = await rooms.counted()
    assert len(records.said) == sum(counted.values()) - counted["conflicting"] - counted["bare_joined"]
