"""Faults of stand-ins: shares that hold, drawn the same each time, and a print house that prints what agrees."""

from hashlib import sha256
from pathlib import Path

import orjson
import pytest

from services.demo.provider_records import ProviderRecords, read_provider_records
from services.demo.standins.faults import Fault, Faults, faults_of
from services.demo.standins.print_house import PrintHouse


def test_a_share_is_met_and_the_same_in_each_order() -> None:
    """Of ten thousand keys about five percent are hit, and it is the same ones whichever comes first."""
    faults = Faults(seed=7, shares={Fault.ANSWER_LOST: 5.0})
    keys = [f"key-{number}" for number in range(10_000)]
    hit = {key for key in keys if faults.hits(Fault.ANSWER_LOST, key, 1)}

    assert 400 < len(hit) < 600
    assert hit == {key for key in reversed(keys) if faults.hits(Fault.ANSWER_LOST, key, 1)}


def test_a_recipient_is_refused_each_time_and_a_hiccup_passes() -> None:
    """Who is refused stays refused; what hit a request once need not hit its repeat."""
    faults = Faults(shares={Fault.REFUSED: 50.0, Fault.ERROR: 50.0})
    keys = [f"key-{number}" for number in range(100)]
    refused = [[faults.hits(Fault.REFUSED, key, time) for key in keys] for time in (1, 2, 3)]
    failed = [[faults.hits(Fault.ERROR, key, time) for key in keys] for time in (1, 2)]

    assert refused[0] == refused[1] == refused[2]
    assert failed[0] != failed[1]


@pytest.mark.parametrize(
    ("document", "named"),
    [([], "object"), ({"percent": {"rain": 1}}, "percent"), ({"percent": {"error": 101}}, "percent.error"),
     ({"seed": True}, "seed"), ({"latency": -1}, "latency"), ({"delay": 1}, "latency")],
)  # fmt: skip
def test_faults_that_cannot_be_read_are_named(document: object, named: str) -> None:
    """Whoever mistypes hears which field it was."""
    with pytest.raises(ValueError, match=named):
        faults_of(document)


def _job(folder: Path, name: str, sheet: bytes = b"a letter") -> None:
    manifest = orjson.dumps({"letters": [{"noticeId": name, "attempt": 1}]})
    mark = {"sha256": sha256(b"a letter").hexdigest(), "manifestSha256": sha256(manifest).hexdigest()}
    (folder / f"{name}.pdf").write_bytes(sheet)
    (folder / f"{name}.manifest.json").write_bytes(manifest)
    (folder / f"{name}.done").write_bytes(orjson.dumps(mark))


def test_the_print_house_prints_once_what_agrees_and_says_so(tmp_path: Path) -> None:
    """A job is printed once; one whose file is not what its mark says is rejected, and printed never."""
    records = ProviderRecords(tmp_path / "letter.ndjson")
    folder = tmp_path / "in"
    folder.mkdir()
    house = PrintHouse(folder, records)
    _job(folder, "good")
    _job(folder, "bad", b"another letter")
    house.look()
    house.look()
    states = {file.name: orjson.loads(file.read_bytes())["state"] for file in folder.glob("answers/*.answer*.json")}

    assert ["good"] == [record["job"] for record in read_provider_records(records.path)]
    assert {"good.answer.json": "acknowledged", "bad.answer.json": "rejected"} == states


@pytest.mark.parametrize(("fault", "answers"), [(Fault.RECEIPT_LOST, 0), (Fault.RECEIPT_DOUBLE, 2)])
def test_receipts_of_the_print_house_are_lost_or_come_twice(tmp_path: Path, fault: Fault, answers: int) -> None:
    """What is told of a job says nothing of whether it was printed."""
    house = PrintHouse(tmp_path, ProviderRecords(tmp_path / "letter.ndjson"))
    house.faults = Faults(shares={fault: 100.0})
    _job(tmp_path, "good")
    house.look()

    assert answers == len(list(tmp_path.glob("answers/good.answer*.json")))
    assert {"requests": 1, "taken": 1} == {name: house.figures[name] for name in ("requests", "taken")}
