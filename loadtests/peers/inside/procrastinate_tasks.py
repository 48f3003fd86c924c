"""procrastinate: tasks in PostgreSQL itself, one for saving somebody and one for telling.

python -m loadtests.peers.inside.procrastinate_tasks tables      makes the library's tables
python -m loadtests.peers.inside.procrastinate_tasks worker      does tasks, eight at once
python -m loadtests.peers.inside.procrastinate_tasks intake      reads cohorts, and asks for tasks by the thousand
"""

import functools
import itertools
import logging
import sys

import orjson
import procrastinate
import uvloop

from loadtests.peers.inside.job import Letters, Record, channel_of, each_load, letter_of, person_of, records_of, setting
from loadtests.peers.inside.rows import CLAIM, READ, TOLD

_AT_ONCE = 8
_DEFERRED = 1_000  # tasks that are asked for by one statement
_CONNECTIONS = 10

app = procrastinate.App(
    connector=procrastinate.PsycopgConnector(conninfo=setting("database"), min_size=2, max_size=_CONNECTIONS)
)
_letters = functools.cache(Letters)


async def _save(record: Record) -> None:
    """Store a record, once a person, and ask for its delivery."""
    person = person_of(record)
    row = {"person": person, "member": record["memberRef"], "record": orjson.dumps(record).decode()}
    if channel_of(record) == "letter" and await app.connector.execute_query_all_async(CLAIM + " returning 1", **row):
        await deliver.defer_async(person=person)


async def _deliver(person: str) -> None:
    """Write somebody's letter, and record it."""
    found = await app.connector.execute_query_one_async(READ, person=person)
    _letters().write(letter_of(orjson.loads(found["record"])))
    await app.connector.execute_query_async(TOLD, person=person, member=found["member"])


save = app.task(name="save")(_save)
deliver = app.task(name="deliver")(_deliver)


async def _work() -> None:
    async with app.open_async():
        await app.run_worker_async(concurrency=_AT_ONCE, delete_jobs="successful")


async def _take_in() -> None:
    async with app.open_async():
        for paths in each_load():
            records = itertools.chain.from_iterable(map(records_of, paths))
            while some := list(itertools.islice(records, _DEFERRED)):
                await save.batch_defer_async(*({"record": record} for record in some))


async def _make_tables() -> None:
    async with app.open_async():
        await app.schema_manager.apply_schema_async()


if __name__ == "__main__":
    logging.disable(logging.WARNING)  # a line a task costs as much as the task
    uvloop.run({"tables": _make_tables, "worker": _work, "intake": _take_in}[sys.argv[1]]())
