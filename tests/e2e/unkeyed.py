"""Searches bytes for ids that whoever knows the people can make: the hashes that Heraut stores, without a key.

Somebody who has a dump tries all BSNs, names and references of records in every way in which Heraut's ids are made,
with no key and with one of zeros. An id that is found so is searched back.
"""

import gzip
import hmac
import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from hashlib import blake2b, sha256

import orjson

from services.core.cohort import Cohort
from services.core.ids import ID_BYTES, format_reference
from services.core.incident import Incident, KeyVersions
from services.demo.made_up.incident import made_up_incident
from services.demo.made_up.people import Person
from services.demo.made_up.wave import Wave
from services.intake.domain import Chunk
from services.intake.members.chunks import ChunkBuilder
from services.intake.reading.csv import CsvReader
from services.intake.reading.lines import RecordSplitter
from services.intake.reading.ndjson import NdjsonReader
from services.intake.records.hashes import HashesByIncident
from services.intake.records.identity import canonical_name
from services.intake.records.likeness import LIKENESS_BYTES
from services.wire.incident_document import parse_incident
from tests.e2e.newer_shapes import Strangers
from tests.e2e.topics import EVENTS

__all__ = ["UnkeyedIds", "unkeyed_references"]

NO_KEYS = (b"", bytes(32))
_NAMED = 7  # bits of the head of witnesses that count the forms of a name


class _NoKeys:
    """A key ring whose keys everybody knows; our own code takes no empty one."""

    def pepper(self, _purpose: str, version: int | None = None) -> tuple[int, bytes]:
        """Return zeros."""
        return version or 1, NO_KEYS[1]

    def newest(self, _purpose: str) -> int:
        """Return the first version."""
        return 1


class UnkeyedIds:
    """Finds ids of 16 bytes, wherever they begin."""

    def __init__(self, incident_id: str) -> None:
        self._incident_id = incident_id
        self._names: dict[bytes, str] = {}
        self.likenesses: set[bytes] = set()  # of 8 bytes
        self.witnesses: set[bytes] = set()  # of those of whom a name is known

    def add_people(self, people: Iterable[Person]) -> None:
        """Look for the pseudonyms of these people."""
        for person in people:
            for identity in _identities(person):
                self._names |= dict.fromkeys(_pseudonyms(self._incident_id, identity), f"pseudonym {person.number}")

    def add_members(self, cohort_id: str, refs: Iterable[str]) -> None:
        """Look for the ids of these members."""
        for ref in refs:
            fields = self._incident_id.encode(), cohort_id.encode(), ref.encode()
            self._names |= dict.fromkeys(_hashes(b"heraut-member", *fields), f"member {ref}")

    def add_notices(self, pseudonyms: Iterable[bytes]) -> None:
        """Look for the ids of the notices of these people: topics show pseudonyms."""
        for pseudonym in pseudonyms:
            for revision in (1, 2):
                fields = self._incident_id.encode(), pseudonym, revision.to_bytes(4, "big")
                self._names |= dict.fromkeys(_hashes(b"heraut-notice", *fields), f"notice {revision}")

    def add_records(self, wave: Wave) -> None:
        """Look for all that intake makes of a wave's records with keys of zeros: content hashes too."""
        for path in (wave.path, wave.corrections):
            if path:
                body = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
                self._add_body(wave.cohort_id, wave.source, body, csv=".csv" in path.suffixes)

    def add_strangers(self, cohort_id: str, strangers: Strangers) -> None:
        """Look for all that intake makes of these records and of what their source calls its uploads."""
        self.add_members(cohort_id, strangers.refs)
        self.add_members("events", strangers.refs)
        body = "\n".join(map(json.dumps, strangers.records())).encode() + b"\n"
        for cohort in (cohort_id, "events"):
            self._add_body(cohort, "strange", body, csv=False)
        fingerprints = HashesByIncident(_NoKeys()).of(self._incident()).fingerprints
        named = {fingerprints.line(f"{self._incident_id}/{cohort_id}", one.encode()) for one in strangers.keys}
        self._names |= dict.fromkeys({one[:ID_BYTES] for one in named}, "an Idempotency-Key")
        events = [json.loads(value) for _, value in strangers.events(self._incident_id)[0][:2]]
        named = {fingerprints.event(orjson.dumps([EVENTS, one["source"], one["id"]])) for one in events}
        self._names |= dict.fromkeys({one[:ID_BYTES] for one in named}, "an event")

    def _incident(self) -> Incident:
        versions = KeyVersions(*(1 for _ in KeyVersions._fields))
        return parse_incident(self._incident_id, 1, made_up_incident(datetime.now(UTC)), versions)

    def _add_body(self, cohort_id: str, source: str, body: bytes, *, csv: bool) -> None:
        chunk = _built(cohort_id, source, body, self._incident(), csv=csv)
        for kind in ("members", "pseudonyms", "contents"):
            self._names |= dict.fromkeys(getattr(chunk, kind), f"{kind} of {cohort_id}")
        self.likenesses.update(one[:LIKENESS_BYTES] for one in chunk.likenesses if one)
        self.witnesses.update(one for one in chunk.witnesses if one[0] & _NAMED)

    def __len__(self) -> int:
        return len(self._names)

    def found_in(self, data: bytes) -> set[str]:
        """Return what was found."""
        names, size = self._names, ID_BYTES
        windows = (data[at : at + size] for at in range(len(data) - size + 1))
        return {names[window] for window in windows if window in names}


def unkeyed_references(notices: Iterable[bytes]) -> set[str]:
    """Return the references that somebody would expect who knows the ids of notices."""
    ids = list(notices)
    hidden = [each for one in ids for each in _hashes(b"heraut-reference", one)]
    return {format_reference(one) for one in [*ids, *hidden]}


def _hashes(purpose: bytes, *fields: bytes) -> Iterator[bytes]:
    for key in NO_KEYS:
        state = blake2b(digest_size=ID_BYTES, key=key, person=purpose)
        for field in fields:
            state.update(len(field).to_bytes(4, "big") + field)
        yield state.digest()


def _identities(person: Person) -> Iterator[bytes]:
    if person.bsn:
        yield f"bsn:{person.bsn}".encode()
    if person.person_key:
        yield f"key:{person.person_key}".encode()
    name = canonical_name(person.family_name, person.birth_date, person.postcode, person.house_number)
    if name:
        yield name


def _pseudonyms(incident_id: str, identity: bytes) -> Iterator[bytes]:
    yield sha256(identity).digest()[:ID_BYTES]
    yield sha256(incident_id.encode() + identity).digest()[:ID_BYTES]
    yield blake2b(identity, digest_size=ID_BYTES).digest()
    for key in NO_KEYS:
        yield hmac.digest(key, identity, "sha256")[:ID_BYTES]
        yield hmac.digest(hmac.digest(key, incident_id.encode(), "sha256"), identity, "sha256")[:ID_BYTES]


def _built(cohort_id: str, source: str, body: bytes, incident: Incident, *, csv: bool) -> Chunk:
    """Read a body as intake reads it, with keys that everybody knows."""
    cohort = Cohort(incident.incident_id, cohort_id, 1, source, None, auto_release=False, sealed=False, released=False)
    splitter = RecordSplitter(quoted=csv)
    lines = [*splitter.feed(body), *splitter.finish()]
    reader = CsvReader(bytes(lines.pop(0)[1])) if csv else NdjsonReader()  # type: ignore[arg-type]  # not too long
    builder = ChunkBuilder(incident, cohort, HashesByIncident(_NoKeys()), datetime.now(UTC).date(), upload=1)
    builder.add(lines, reader)
    return builder.chunk
