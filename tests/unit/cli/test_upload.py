"""The type of a cohort file is found in its content, not in its name."""

import gzip
import io

import pytest

from services.cli.upload import CohortUpload

CSV = b"memberRef,bsn\n1,999990342\n"
NDJSON = b'\n {"memberRef": "1"}\n'


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (CSV, {"Content-Type": "text/csv"}),
        (b"\xef\xbb\xbf" + CSV, {"Content-Type": "text/csv"}),
        (NDJSON, {"Content-Type": "application/x-ndjson"}),
        (gzip.compress(CSV), {"Content-Type": "text/csv", "Content-Encoding": "gzip"}),
        (gzip.compress(NDJSON), {"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"}),
        (b"", {"Content-Type": "text/csv"}),
    ],
)
def test_a_file_is_known_by_its_content(content: bytes, headers: dict[str, str]) -> None:
    """CSV and NDJSON are told apart, plain and gzipped."""
    assert headers == CohortUpload.look_into(io.BytesIO(content)).headers


async def test_a_file_is_sent_whole() -> None:
    """The bytes that were read to find the type are sent as well, and every byte is counted."""
    content = CSV * 40_000
    counted: list[int] = []
    upload = CohortUpload.look_into(io.BytesIO(content))
    sent = b"".join([piece async for piece in upload.body(counted.append)])

    assert (content, len(content)) == (sent, sum(counted))


@pytest.mark.parametrize(
    "content", [CSV.replace(b",", b";"), CSV.replace(b"bsn", b"bns"), CSV + b"2,Vr\xebes\n", b"%PDF-1.7"]
)
def test_a_file_that_is_no_list_is_known_before_anything_is_sent(content: bytes) -> None:
    """No cohort is opened for it: advice is there once its first bytes were looked at."""
    assert CohortUpload.look_into(io.BytesIO(content)).advice
