"""What operators say of records: they are one person's, or each is another person's. Pure."""

import re
from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from itertools import combinations
from typing import Any, Final, NamedTuple

from services.core.numbers import whole
from services.intake.records.record import readable_ref

__all__ = [
    "MOST_RECORDS",
    "REFERENCE",
    "Evidence",
    "NamedRecord",
    "People",
    "Said",
    "Standing",
    "disputed",
    "read_said",
    "read_unsaid",
    "said_before",
]

MOST_RECORDS: Final = 20  # at once: each two of them are said something of
_RECORD, _COHORT = re.compile(r"[0-9a-f]{32}", re.ASCII), re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
# A plain token in which no number of somebody can stand: never eight digits together, dots aside.
REFERENCE: Final = re.compile(r"(?!.*([0-9]\.*){8})[A-Za-z0-9._:/-]{1,64}", re.ASCII)
_MOST, _MOST_JUDGEMENTS = 2**31 - 1, 2**63 - 1
_FIELDS: Final = frozenset({"action", "people", "records", "evidence", "reference"})


class People(StrEnum):
    """Whose the records are. The words are stored and answered."""

    ONE = "one"
    DIFFERENT = "different"


class Evidence(StrEnum):
    """What a judgement rests on. The words are stored and answered."""

    REGISTER = "register"  # it was looked up in a register of the population
    SOURCE = "source"  # a source of the records said so
    PERSON = "person"  # somebody whom the records are about said so
    DOCUMENT = "document"  # it was seen in a document


class NamedRecord(NamedTuple):
    """A record by its id, or by cohort and memberRef, in the version that was seen; None = as it stands."""

    record: bytes
    cohort_id: str = ""
    member_ref: str = ""
    version: int | None = None


class Said(NamedTuple):
    """What an operator says."""

    people: People
    records: Sequence[NamedRecord]
    evidence: Evidence
    reference: str


class Standing(NamedTuple):
    """A judgement that stands: its records with the versions that were seen, and those that say the same by now."""

    number: int
    people: People
    seen: Mapping[bytes, int]
    still: Collection[bytes]


def read_said(body: Mapping[str, Any]) -> tuple[Said | None, list[dict[str, str]]]:
    """Read what is said of which records; None with all problems where it cannot be taken."""
    problems = [{"field": key[:64], "problem": "is not a field of this"} for key in sorted(set(body) - _FIELDS)]
    people, evidence, reference = (body.get(name) for name in ("people", "evidence", "reference"))
    for name, value, kind in (("people", people, People), ("evidence", evidence, Evidence)):
        if value not in list(kind):
            problems.append({"field": name, "problem": f"must be one of {', '.join(kind)}"})
    if reference is not None and not _names_nobody(reference):
        problem = "must be the name of a file: letters, digits and ._:/- alone, never eight digits together"
        problems.append({"field": "reference", "problem": problem})
    records, more = _read_records(body.get("records"))
    problems += more
    if problems:
        return None, problems
    return Said(People(str(people)), records, Evidence(str(evidence)), reference or ""), []


def read_unsaid(body: Mapping[str, Any]) -> tuple[int, list[dict[str, str]]]:
    """Read which judgement is to be undone; returns it with all problems in it."""
    problems = [
        {"field": key[:64], "problem": "is not a field of this"} for key in sorted(set(body) - {"action", "judgement"})
    ]
    number = whole(body.get("judgement"))
    if type(number) is int and 0 < number < _MOST_JUDGEMENTS:
        return number, problems
    return 0, [*problems, {"field": "judgement", "problem": "must be the number of a judgement"}]


def _names_nobody(reference: Any) -> bool:
    return isinstance(reference, str) and bool(REFERENCE.fullmatch(reference))


def _read_records(given: Any) -> tuple[list[NamedRecord], list[dict[str, str]]]:
    if not (isinstance(given, list) and 1 < len(given) <= MOST_RECORDS):
        return [], [{"field": "records", "problem": f"must be a list of 2 to {MOST_RECORDS} records"}]
    found = [_read_record(one) for one in given]
    problem = "must have record, or cohortId and memberRef, and may have the version that was seen"
    problems = [{"field": f"records.{at}", "problem": problem} for at, one in enumerate(found) if one is None]
    return [one for one in found if one is not None], problems


def _read_record(given: Any) -> NamedRecord | None:
    if not isinstance(given, dict):
        return None
    version = whole(given.get("version"))
    if version is not None and not (type(version) is int and 0 < version <= _MOST):
        return None
    if given.keys() - {"version"} == {"record"}:
        record = given["record"]
        known = isinstance(record, str) and _RECORD.fullmatch(record)
        return NamedRecord(bytes.fromhex(record), version=version) if known else None
    if given.keys() - {"version"} != {"cohortId", "memberRef"}:
        return None
    cohort_id, ref = given["cohortId"], whole(given["memberRef"])
    ref = readable_ref(str(ref)) if isinstance(ref, str | int) and not isinstance(ref, bool) else None
    if ref is None or not (isinstance(cohort_id, str) and _COHORT.fullmatch(cohort_id)):
        return None
    return NamedRecord(b"", cohort_id, ref, version)


def said_before(standing: Sequence[Standing], people: People, seen: Mapping[bytes, int]) -> int | None:
    """Return the judgement that says the same of the same records and that nothing later was said against."""
    last = _last_words(standing)
    for one in standing:
        stands = (last.get(frozenset(pair)) == (one.number, people) for pair in combinations(seen, 2))
        if one.people is people and one.seen == seen and all(stands):
            return one.number
    return None


def disputed(standing: Sequence[Standing], people: People, records: Collection[bytes]) -> int | None:
    """Return a judgement with which this one cannot be true together; None where there is none.

    Two are different people, and are one by way of others. Of each two records what was said last counts, as far as it
    is still about what they say.
    """
    last = _last_words(standing, still=True)
    last |= {frozenset(pair): (0, people) for pair in combinations(sorted(records), 2)}
    whole: dict[bytes, set[bytes]] = {}
    for pair, (_, said) in last.items():
        if said is People.ONE:
            joined = set[bytes]().union(*(whole.get(one, {one}) for one in pair))
            whole.update(dict.fromkeys(joined, joined))
    for pair, (number, said) in last.items():
        one, other = pair
        if said is People.DIFFERENT and other in whole.get(one, ()):
            return number or _between(last, whole[one])
    return None


def _last_words(standing: Sequence[Standing], *, still: bool = False) -> dict[frozenset[bytes], tuple[int, People]]:
    """Return of each two records which judgement says what of them last."""
    last: dict[frozenset[bytes], tuple[int, People]] = {}
    for one in sorted(standing, key=lambda each: each.number):
        for pair in combinations(one.seen, 2):
            if not still or all(member in one.still for member in pair):
                last[frozenset(pair)] = one.number, one.people
            else:
                last.pop(frozenset(pair), None)
    return last


def _between(last: Mapping[frozenset[bytes], tuple[int, People]], part: Collection[bytes]) -> int:
    """Return the newest of those judgements by which records are one person's."""
    return max(number for pair, (number, said) in last.items() if said is People.ONE and pair <= set(part))
