"""`heraut up` and the commands that an operator uses with it, also after everything was killed."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from services.core.ids import format_reference
from services.demo.made_up.incident import made_up_incident
from tests.e2e.heraut_process import heraut, heraut_json, kill_everything, running_up

pytestmark = pytest.mark.timeout(600)

PEOPLE = "memberRef,bsn,initials,familyName,street,houseNumber,postcode,city,dataCategories\n" + "".join(
    f"r{at},{bsn},A.,Smit,Dorpsstraat,{at},1234AB,Fijnaart,address|bsn\n"
    for at, bsn in enumerate(["999990342", "999990019", "999990913", "999990342", "999990343"], 1)
)  # the fourth record has the BSN of the first, the fifth an invalid one


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a data directory, with the files that an operator has."""
    document = made_up_incident(datetime.now(UTC)) | {"channels": ["letter"]}
    (tmp_path / "lab.json").write_text(json.dumps(document), encoding="utf-8")
    (tmp_path / "people.csv").write_text(PEOPLE, encoding="utf-8")
    return tmp_path


def _letters(data: Path) -> list[Any]:
    manifests = (data / "print").glob("*.manifest.json")
    return [letter for file in manifests for letter in json.loads(file.read_bytes())["letters"]]


def _told(data: Path) -> int:
    return len(_letters(data))


def _genuine(data: Path, reference: str) -> bool:
    """Ask as a reader does, who has no token."""
    tracking = json.loads((data / "services.json").read_bytes())["tracking"]
    body = json.dumps({"reference": reference}).encode()
    asked = Request(f"{tracking}/v1/verifications", body, {"Content-Type": "application/json"})  # noqa: S310 - our own
    with urlopen(asked) as answer:  # noqa: S310
        return bool(json.loads(answer.read())["genuine"])


def _submit(data: Path) -> Any:
    """Send the cohort and return intake's answer; the command ends with 1, because not everybody was taken."""
    where = ["--data", str(data)]
    assert heraut("incident", "put", str(data / "lab.json"), *where).returncode == 0
    of = ["--incident", "lab", "--cohort", "wave-1", *where]
    said = ["--source", "Lab B.V.", "--declared", "5", "--json"]
    done = heraut("cohort", "submit", str(data / "people.csv"), *of, *said)
    assert (1, True) == (done.returncode, "1 rejected" in done.stderr)
    return json.loads(done.stdout)


def _settled(data: Path) -> Any:
    """Return the ledger once nothing is in flight."""
    while True:
        ledger = heraut_json("ledger", "--incident", "lab", "--data", str(data))
        if ledger["totals"]["inFlight"] == 0 and ledger["totals"]["missing"] == 0 and ledger["totals"]["held"] == 0:
            return ledger


@contextmanager
def _told_of(data: Path) -> Iterator[list[str]]:
    """Listen as systemd does; at the end the list has what was said."""
    said: list[str] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(data / "systemd"))
        systemd.setblocking(False)
        yield said
        with suppress(BlockingIOError):
            while True:
                said.append(systemd.recv(4096).decode().partition("\n")[0])


def test_an_operator_tells_a_cohort(data: Path) -> None:
    """A cohort that is submitted, sealed and released is told by letter, and the ledger has the right totals."""
    of = ["--incident", "lab", "--cohort", "wave-1", "--data", str(data)]
    with _told_of(data) as said, running_up(data, {"NOTIFY_SOCKET": str(data / "systemd")}):
        answer = _submit(data)
        assert heraut("cohort", "seal", *of).returncode == 0
        assert heraut("cohort", "release", "--all", *of).returncode == 0
        totals = _settled(data)["totals"]
        services = json.loads((data / "services.json").read_bytes())
        listed = heraut("ledger", "--data", str(data))
        examined = heraut_json("doctor", "--data", str(data))
        seen = heraut_json("watch", "--once", "--data", str(data))
        unknown = heraut_json("unknown", "list", "--data", str(data))
        recounted = heraut_json("ledger", "--recount", "--incident", "lab", "--data", str(data))
        second = heraut("up", "--data", str(data))
        printed = [_genuine(data, letter["reference"]) for letter in _letters(data)]
        made_up = _genuine(data, format_reference(bytes(range(16))))

    assert (5, 4, 1) == tuple(answer[name] for name in ("received", "accepted", "rejected"))
    assert {"bsn": "invalid-bsn"} == {one["field"]: one["problem"] for one in answer["problems"]}
    assert (3, 1, 3) == (totals["notified"], totals["merged"], _told(data))
    assert ["intake", "tracking", "deduplication", "routing"] == list(services)[:4]
    assert (0, True) == (listed.returncode, "wave-1" in listed.stdout)
    assert {
        "received": 5,
        "rejected": 1,
        "accepted": 4,
        "released": 3,
        "merged": 1,
        "notified": 3,
        "accepted_letter": 3,
    } == {
        one["figure"]: one["rows"]
        for one in recounted["cohorts"][0]["figures"]
        if one["rows"] and one["figure"] != "notices_settled"
    }
    assert ([True] * 3, False) == (printed, made_up)
    assert {"mail server", "portal", "channel email", "channel portal", "incident lab"} == {
        one["name"] for one in examined if one["look"] and one["name"] not in {"disk", "names on letters"}
    }
    assert [] == unknown
    assert (7, 3, 3) == (
        sum(one["ready"] for one in seen["processes"]),
        len(seen["channels"]),
        seen["ledgers"][0]["totals"]["notified"],
    )
    assert (2, True) == (second.returncode, "another heraut" in second.stderr)
    assert ["READY=1", "STOPPING=1"] == said


def test_what_was_acknowledged_survives_kill_9_of_everything(data: Path) -> None:
    """After kill -9 of services, supervisor and database, the next `up` tells everybody who was acknowledged."""
    of = ["--incident", "lab", "--cohort", "wave-1", "--data", str(data)]
    with running_up(data, {}) as up:
        _submit(data)
        assert heraut("cohort", "release", "--all", *of).returncode == 0
        kill_everything(up, data)
    with running_up(data, {}):
        ledger = _settled(data)

    assert (True, 3, 3) == (ledger["balanced"], ledger["totals"]["notified"], _told(data))
