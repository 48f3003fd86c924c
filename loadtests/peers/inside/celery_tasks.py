"""Celery with Redis and PostgreSQL, a task a step, as notification services of governments do it.

    python -m celery -A loadtests.peers.inside.celery_tasks worker       a worker
    python -m loadtests.peers.inside.celery_tasks                        reads cohorts, and asks for a task a record

A record is saved by one task, which asks for another that delivers it: two writes, and a worker that is killed between
them leaves somebody who is saved and not told.
"""

import functools
from typing import Any

import celery
import orjson
import psycopg

from loadtests.peers.inside.job import Letters, Record, channel_of, each_load, letter_of, person_of, records_of, setting
from loadtests.peers.inside.rows import CLAIM, READ, TOLD

app = celery.Celery("peers", broker=f"redis+socket://{setting('redis')}")
app.conf.update(
    task_acks_late=True,  # a killed worker's tasks are done by another
    worker_prefetch_multiplier=64,
    task_ignore_result=True,
    worker_send_task_events=False,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
)


@functools.cache
def _connection() -> Any:
    # Each statement is a transaction, and prepared at its first use.
    return psycopg.connect(setting("database"), autocommit=True, prepare_threshold=0)


_letters = functools.cache(Letters)


def _save(record: Record) -> None:
    """Store a record, once a person, and ask for its delivery."""
    person = person_of(record)
    row = {"person": person, "member": record["memberRef"], "record": orjson.dumps(record).decode()}
    if channel_of(record) == "letter" and _connection().execute(CLAIM, row).rowcount:
        deliver.delay(person)


def _deliver(person: str) -> None:
    """Write somebody's letter, and record it."""
    member, record = _connection().execute(READ, {"person": person}).fetchone()
    _letters().write(letter_of(orjson.loads(record)))
    _connection().execute(TOLD, {"person": person, "member": member})


save = app.task(name="save")(_save)
deliver = app.task(name="deliver")(_deliver)


def main() -> None:
    """Ask for a task for each record, over one connection."""
    for paths in each_load():
        with app.producer_or_acquire() as producer:
            for path in paths:
                for record in records_of(path):
                    save.apply_async((record,), producer=producer)


if __name__ == "__main__":
    main()
