"""The script that a good engineer writes for one day: COPY, one INSERT..SELECT, a cursor, one file. Plain psycopg.

One process and one transaction. Whoever kills it runs it again, and tells those again whom it told.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import psycopg

from loadtests.peers.inside.job import Letters, channel_of, each_load, letter_of, person_of, records_of, setting

_FETCHED = 5_000  # rows of the cursor at once
_STAGING = "create temporary table staging (person uuid, member text, channel text, record text) on commit drop"
_COPY = "copy staging from stdin"
_NOTICES = """
    insert into notices (person, member, record)
    select distinct on (person) person, member, record from staging where channel = 'letter' order by person
    on conflict do nothing
"""
_TO_TELL = """
    select notice.record from notices notice
    where not exists (select from deliveries delivery where delivery.person = notice.person)
"""
_TOLD = """
    insert into deliveries (person, member)
    select notice.person, notice.member from notices notice
    where not exists (select from deliveries delivery where delivery.person = notice.person)
    order by notice.person
"""


def main() -> None:
    """Tell everybody of one load after the other."""
    letters = Letters()
    with psycopg.connect(setting("database")) as connection:
        for paths in each_load():
            with connection.transaction():
                _tell(connection, paths, letters)


def _tell(connection: Any, paths: Sequence[Path], letters: Letters) -> None:
    cursor = connection.cursor()
    cursor.execute(_STAGING)
    with cursor.copy(_COPY) as copy:
        for path in paths:
            for record in records_of(path):
                row = person_of(record), record["memberRef"], channel_of(record), orjson.dumps(record).decode()
                copy.write_row(row)
    cursor.execute(_NOTICES)
    with connection.cursor("people") as people:
        people.execute(_TO_TELL)
        while rows := people.fetchmany(_FETCHED):
            letters.write(b"".join([letter_of(orjson.loads(record)) for (record,) in rows]))
    cursor.execute(_TOLD)


if __name__ == "__main__":
    main()
