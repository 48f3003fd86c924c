"""Totals of print runs."""

import hashlib
import json
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.dispatch.channels.print_files import total_of
from services.dispatch.domain import PrintedFile
from services.dispatch.print_runs import PrintRun, RunName, chain, read_run_name

DIGESTS = st.lists(st.binary(min_size=32, max_size=32), max_size=6, unique=True)


@given(digests=DIGESTS, data=st.data())
def test_no_other_files_have_the_same_chain(digests: list[bytes], data: st.DataObject) -> None:
    """Whatever is missing, doubled, exchanged or in another order shows."""
    other = data.draw(st.lists(st.sampled_from(digests), max_size=7)) if digests else []

    assert (digests == other) == (chain(digests) == chain(other))


def test_a_total_is_the_sum_of_its_files() -> None:
    """A print house can make the chain again with nothing but SHA-256."""
    digests = [hashlib.sha256(body).digest() for body in (b"one", b"two")]
    files = [(bytes([at]) * 16, PrintedFile(2, 6, 3, digest)) for at, digest in enumerate(digests)]
    run = PrintRun("20260820-3-secret-1", date(2026, 8, 20), "secret", datetime(2026, 8, 21, tzinfo=UTC), files)
    first = hashlib.sha256(bytes(32) + digests[0]).digest()

    assert {
        "job": "20260820-3-secret-1",
        "day": "2026-08-20",
        "handling": "secret",
        "closedAt": "2026-08-21T00:00:00.000+00:00",
        "count": 2,
        "letters": 4,
        "pages": 12,
        "sheets": 6,
        "chain": hashlib.sha256(first + digests[1]).hexdigest(),
        "files": [
            {"batchId": name.hex(), "letters": 2, "pages": 6, "sheets": 3, "sha256": file.digest.hex()}
            for name, file in files
        ],
    } == json.loads(total_of(run))


@pytest.mark.parametrize(
    "name", ["", "20260820-3-secret", "20261320-3-secret-1", "20260820-3-other-1", "../20260820-3-secret-1"]
)
def test_what_is_no_name_of_a_run_says_nothing(name: str) -> None:
    """It may come from a print house's server, and is no path."""
    assert read_run_name(name) is None


def test_a_runs_name_says_what_it_is_of() -> None:
    """A run that a database does not know is made anew from it."""
    assert RunName(date(2026, 8, 20), 3, 1, 12) == read_run_name("20260820-3-secret-12")
