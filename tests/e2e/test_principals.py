"""`heraut principal` beside running services: who is added can do what the role is for, and who is revoked nothing."""

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from services.demo.made_up.incident import made_up_incident
from tests.e2e.heraut_process import heraut, heraut_json, running_up

pytestmark = pytest.mark.timeout(600)

PEOPLE = """memberRef,bsn,initials,familyName,street,houseNumber,postcode,city,dataCategories
r1,999990342,A.,Smit,Dorpsstraat,1,1234AB,Fijnaart,address|bsn
"""
_WITHIN = 10.0  # seconds; a second is promised, and a busy machine is slow


def _until_refused(*arguments: str, **environ: str) -> Any:
    deadline = time.monotonic() + _WITHIN
    while (done := heraut(*arguments, **environ)).returncode == 0 and time.monotonic() < deadline:
        pass  # each call takes half a second
    return done


def test_a_source_is_added_works_and_is_revoked(tmp_path: Path) -> None:
    """With the services running: its token opens its own cohort, and nothing once it is taken back."""
    where = ["--data", str(tmp_path)]
    of = ["--incident", "lab", "--cohort", "wave-1", *where]
    (tmp_path / "lab.json").write_text(json.dumps(made_up_incident(datetime.now(UTC))), encoding="utf-8")
    (tmp_path / "people.csv").write_text(PEOPLE, encoding="utf-8")
    with running_up(tmp_path, {}):
        assert heraut("incident", "put", str(tmp_path / "lab.json"), *where).returncode == 0
        added = heraut_json("principal", "add", "lab", "--role", "source", "--source", "Lab B.V.", *where)
        listed = heraut("principal", "list", *where)
        as_lab = {"HERAUT_TOKEN": added["token"]}
        time.sleep(1.5)  # a running service looks at the file each second; it sets no event of ours
        sent = heraut("cohort", "submit", str(tmp_path / "people.csv"), *of, "--source", "Lab B.V.", **as_lab)
        foreign = heraut("cohort", "submit", str(tmp_path / "people.csv"), "--incident", "lab", "--cohort", "x", *where,
                         "--source", "LUMC", **as_lab)  # fmt: skip
        sealed = heraut("cohort", "seal", *of, **as_lab)
        released = heraut("cohort", "release", "--all", *of, **as_lab)
        acts = heraut_json("incident", "acts", "lab", *where)
        assert heraut("principal", "revoke", "lab", *where).returncode == 0
        refused = _until_refused("cohort", "status", *of, **as_lab)
        audit = [json.loads(line) for line in (tmp_path / "logs" / "intake.log").read_text().splitlines()]

    assert ([0, 1, 0, 1], "") == ([done.returncode for done in (sent, foreign, sealed, released)], listed.stderr)
    assert "a source opens cohorts of its own" in foreign.stderr
    assert "cohort-released is for the roles: operator" in released.stderr
    assert "lab\tsource\tLab B.V.\ttoken" in listed.stdout
    assert [("operator", "incident-put"), ("lab", "cohort-put"), ("lab", "members-sent"), ("lab", "cohort-sealed")] == [
        (act["principal"], act["act"]) for act in acts
    ]
    assert (1, True) == (refused.returncode, "token is not accepted" in refused.stderr)
    assert {act["requestId"] for act in acts} <= {
        line.get("request_id") for line in audit if line["logger"] == "heraut.audit"
    }
    assert added["token"] not in "".join(path.read_text() for path in (tmp_path / "logs").glob("*.log"))
