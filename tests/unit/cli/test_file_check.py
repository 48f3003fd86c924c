"""`heraut cohort check` and `template`: what intake would say of a file, in words, without a server."""

import gzip
import io
import json
import re
import subprocess
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from services.cli.cohort_template import cohort_template
from services.cli.commands.cohort import cohort
from services.cli.file_check import FileCheck, check_file
from services.cli.problem_words import WORDS, meant_column
from services.core.incident import KeyVersions
from services.demo.made_up.incident import made_up_incident
from services.intake.members.chunks import CHUNK_RECORDS
from services.wire.incident_document import parse_incident
from tests.unit.intake.builders import a_record, an_incident

TODAY = date(2026, 3, 1)
HEADER = "memberRef,bsn,familyName,dataCategories,email\n"
GOOD = "m-1,999990019,Vries,bsn,a@example.nl\n"


def checked(body: str | bytes, *, known: bool = False) -> FileCheck:
    """Return what is said of a file."""
    content = body.encode() if isinstance(body, str) else body
    return check_file(io.BytesIO(content), an_incident() if known else None, TODAY)


def said(found: FileCheck) -> list[tuple[int, str | None, str]]:
    """Return the problems: line, field, code."""
    return [(p.line, p.field, p.problem) for p in found.problems]


def test_template_is_taken_as_it_stands() -> None:
    """Whoever begins with both templates begins with a sound file, and a document that has its categories."""
    document = parse_incident("lab", 1, made_up_incident(datetime.now(UTC)), KeyVersions())
    found = check_file(io.BytesIO(cohort_template().encode()), document, TODAY)

    assert (5, 0, 0, []) == (found.accepted, found.rejected, found.warned, found.problems)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_each_problem_has_its_line_and_is_told_in_words(pack: type[bytes]) -> None:
    """A wrong BSN, a missing category and a flawed e-mail address; what is sound is counted as taken."""
    rows = HEADER + GOOD + "m-2,123456789,Bakker,bsn,b@example.nl\nm-3,999990342,Bakker,,onbekend\n"
    found = checked(pack(rows.encode()))

    assert (1, 2) == (found.accepted, found.rejected)
    assert {(3, "bsn", "invalid-bsn"), (4, "dataCategories", "required"), (4, "email", "invalid-email")} == {
        *said(found)
    }
    assert all(len(problem["words"]) > len(problem["problem"]) for problem in found.as_json()["problems"])


def test_json_lines_are_checked_too() -> None:
    """NDJSON is known by its first byte."""
    found = checked("\n".join(map(json.dumps, [a_record(), a_record(memberRef="m-2", bsn="1")])))

    assert [(2, "bsn", "invalid-bsn")] == said(found)


def test_categories_are_those_of_the_document() -> None:
    """Without a document any code is taken, with one the unknown are named."""
    body = HEADER + GOOD.replace(",bsn,", ",shoe-size,")

    assert checked(body).is_sound
    assert [(2, "dataCategories", "unknown-category")] == said(checked(body, known=True))


def test_reference_that_comes_again_far_below_is_found() -> None:
    """A file is checked in pieces, and a memberRef names one record in all of it; the same line twice does no harm."""
    many = "".join(f"n-{at},999990019,Vries,bsn,a@example.nl\n" for at in range(CHUNK_RECORDS))
    found = checked(HEADER + GOOD + many + GOOD + GOOD.replace("Vries", "Bakker"))

    assert [(CHUNK_RECORDS + 4, "memberRef", "repeated-member-ref")] == said(found)
    assert CHUNK_RECORDS + 2 == found.accepted


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (HEADER.replace(",", ";") + GOOD.replace(",", ";"), "semicolons"),
        (HEADER.replace(",", "\t") + GOOD.replace(",", "\t"), "tabs"),
        ("sep=;\n" + HEADER.replace(",", ";"), "tail -n +2"),
        ("referentie,bsn,achternaam\n1,2,3\n", "did you mean familyName?"),
        ("memberRef,famlyName\n", "did you mean familyName?"),
        (HEADER + "m-1,999990019,Vr\xebes,bsn,a@example.nl\n", "iconv -f WINDOWS-1252"),
        (b"PK\x03\x04\x14\0\0\0\x08\0" + bytes(20) + b"[Content_Types].xml", "soffice --headless --convert-to"),
        (b"PK\x03\x04\x14\0\0\0\x08\0" + bytes(20) + b"people.csv", "unzip -p"),
        (b"%PDF-1.7", "PDF"),
        (HEADER.encode("utf-16"), "UTF-16"),
        (b"", "empty"),
        ('[\n{"memberRef": "m-1"}\n]', "jq -c '.[]'"),
        ('{\n"memberRef": "m-1"\n}', "jq -c ."),
        (HEADER + '"m-1', "never closed"),
        (gzip.compress(HEADER.encode())[:-4], "cut off"),
    ],
)
def test_what_is_no_list_is_known_and_the_way_out_is_told(body: str | bytes, told: str) -> None:
    """Semicolons, tabs, workbooks, other encodings, wrong headers: named, with the command that mends them."""
    found = checked(body.encode("latin-1") if isinstance(body, str) else body)

    assert told in "\n".join(found.stopped)
    assert not found.is_sound


@pytest.mark.parametrize(
    "wrong",
    [
        (HEADER + GOOD).replace(",", ";"),
        (HEADER + GOOD).replace(",", "\t"),
        "sep=;\n" + (HEADER + GOOD).replace(",", ";"),
        (HEADER + GOOD).replace(",", ";").replace("Vries", "Vr\xebes"),
        HEADER + GOOD.replace("Vries", "Vr\xebes"),
        (HEADER + GOOD).replace("familyName", "achternaam").replace("memberRef", "kenmerk"),
        ('"' + HEADER + GOOD)
        .replace(",bsn,", '","BSN","', 1)
        .replace(",dataCat", '",dataCat', 1)
        .replace("\n", "\r\n"),
    ],
    ids=[
        "semicolons",
        "tabs",
        "sep=",
        "semicolons and Windows-1252",
        "Windows-1252",
        "Dutch names",
        "quotes and returns",
    ],
)
def test_command_that_mends_a_file_mends_it(wrong: str, tmp_path: Path) -> None:
    """What is told may be typed as it stands, also where a file has two faults at once and a blank in its name."""
    file = tmp_path / "the people.csv"
    file.write_bytes(wrong.encode("latin-1"))
    told = CliRunner().invoke(cohort, ["check", str(file)])
    command = re.search(r"`([^`]* > mended.csv)`", told.output)
    assert command
    subprocess.run(["/bin/sh", "-c", command[1]], check=True, cwd=tmp_path)  # noqa: S603 - it is our own advice

    assert 1 == told.exit_code
    assert checked((tmp_path / "mended.csv").read_bytes()).is_sound


def test_packed_file_is_to_be_unpacked_before_it_is_mended(tmp_path: Path) -> None:
    """No command is told that would read gzip as text."""
    file = tmp_path / "people.csv.gz"
    file.write_bytes(gzip.compress((HEADER + GOOD).replace(",", ";").encode()))
    told = CliRunner().invoke(cohort, ["check", str(file)]).output.splitlines()

    assert [f"`gunzip {file}`", True] == [
        told[0].partition(": ")[2].partition(": ")[2],
        f"cat {tmp_path}/people.csv |" in told[1],
    ]


@pytest.mark.parametrize(
    "body",
    [
        "m-1,999990019,Vries,bsn,a@example.nl\n",
        "m-1,999990019,Kerkstraat,12,address|bsn\n",
        "m-1;999990019;Vries;address|bsn\n",
        "m-1|999990019|Vries|Kerkstraat|bsn\n",
    ],
)
def test_no_value_of_a_record_is_repeated(body: str) -> None:
    """A first line that is somebody's record is not taken for names of columns, and nothing of it is shown."""
    told = "\n".join(checked(body).stopped)

    assert "999990019" not in told
    assert "Vries" not in told
    assert "Kerkstraat" not in told
    assert "memberRef" in told


def test_command_ends_with_one_where_anybody_would_be_lost(tmp_path: Path) -> None:
    """A script sees it by the status."""
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    good.write_text(HEADER + GOOD)
    bad.write_text(HEADER + GOOD + "m-2,1,Bakker,bsn,b@example.nl\n")
    run = CliRunner().invoke

    assert [0, 1] == [run(cohort, ["check", str(path)]).exit_code for path in (good, bad)]
    assert 0 == run(cohort, ["check", "-"], input=good.read_bytes()).exit_code


def test_every_code_of_intake_has_words() -> None:
    """A code that is added to intake gets a sentence here."""
    sources = Path(__file__).parents[3].joinpath("services/intake").rglob("*.py")
    text = "\n".join(path.read_text() for path in sources)
    shapes = (r'Fault\([^()]*"([a-z-]+)"\)', r'Unreadable\("([a-z-]+)"', r'"problem": "([a-z]+-[a-z-]+)"')
    codes = {code for shape in shapes for code in re.findall(shape, text)}

    assert {"invalid-bsn", "csv-syntax", "unknown-column"} <= codes
    assert codes - set(WORDS) == set()


@pytest.mark.parametrize(
    ("column", "field"),
    [
        ("Geboortedatum", "birthDate"), ("postal_code", "postcode"), ("bsn", None), ("xyzzy", None),
        ("Geboortenaam", "birthName"), ("meisjesnaam", "birthName"), ("Partner_naam", "partnerName"),
        ("achternaam partner", "partnerName"), ("achternaam", "familyName"), ("birthdat", "birthDate"),
    ],
)  # fmt: skip
def test_column_of_a_register_leads_to_its_field(column: str, field: str | None) -> None:
    """Dutch and English names, whatever their case and blanks."""
    assert field == meant_column(column)
