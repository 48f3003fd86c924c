"""The examples that ship are taken by the real service as they stand: whoever begins with them begins well."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from services.cli.cohort_template import cohort_template
from tests.integration.intake.conftest import Intake
from tests.integration.intake.test_events import Upstream

EXAMPLES = Path(__file__).parents[3] / "deploy" / "examples"
DOCUMENT = json.loads((EXAMPLES / "lab.json").read_bytes())
EXAMPLE = "/v1/incidents/example"


@pytest.fixture
async def example(intake: Intake) -> Intake:
    """Return intake with the example's incident, and a cohort that takes members."""
    assert 201 == (await intake.put(EXAMPLE, DOCUMENT))[0]
    assert 201 == (await intake.put(f"{EXAMPLE}/cohorts/wave-1", {"source": "Lab B.V."}))[0]
    return intake


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ((EXAMPLES / "people.csv").read_text(), "text/csv"),
        ((EXAMPLES / "people.ndjson").read_text(), "application/x-ndjson"),
        (cohort_template(), "text/csv"),
    ],
    ids=["people.csv", "people.ndjson", "heraut cohort template"],
)
async def test_every_line_of_an_example_is_taken(example: Intake, content: str, kind: str) -> None:
    """No record is rejected, and none has a field that is left out."""
    status, answer = await example.upload(content, cohort=f"{EXAMPLE}/cohorts/wave-1", Content_Type=kind)

    assert (202, 0, 0, 0, []) == (
        status,
        *(answer[name] for name in ("rejected", "unreadable", "warnings", "problems")),
    )


async def test_events_open_fill_and_seal_a_cohort(example: Intake) -> None:
    """A line each, as a producer of Kafka sends the file; all three members were received, one is taken back."""
    upstream = Upstream(example)
    lines = (EXAMPLES / "events.ndjson").read_bytes().splitlines()
    for line in lines:
        # Here `lab` is another incident, and the one who may send speaks for the source `lab`.
        value = line.replace(b'"incidentId": "lab"', b'"incidentId": "example"').replace(b'"Clinic C"', b'"lab"')
        event = replace(upstream.event("", {}), value=value, headers=())
        assert [] == await upstream.send(event)
    _, shown = await example.get(f"{EXAMPLE}/cohorts/clinic")

    assert (4, 3, 3, True) == (len(lines), shown["received"], shown["accepted"], shown["sealed"])
