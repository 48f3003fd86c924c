"""The records of the stand-ins are read as far as they are whole."""

from pathlib import Path

from services.demo.provider_records import read_provider_records


def test_a_record_cut_short_by_a_kill_is_not_read(tmp_path: Path) -> None:
    """A line without its end is left out: its message was never answered."""
    file = tmp_path / "records.ndjson"
    file.write_bytes(b'{"at": 1}\n{"at": 2')

    assert [{"at": 1}] == list(read_provider_records(file))


def test_there_need_be_no_record() -> None:
    """A provider that took nothing has no file, and no records."""
    assert [] == list(read_provider_records(Path("nowhere.ndjson")))
