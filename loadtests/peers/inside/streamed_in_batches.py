"""FastStream with a handler a batch: `python -m loadtests.peers.inside.streamed_in_batches ROLE`."""

import itertools
from collections.abc import Sequence

import orjson

from loadtests.peers.inside.job import Letters, channel_of, each_load, letter_of, person_of, records_of
from loadtests.peers.inside.streams import Handler, Stream, new_broker, run_role, topic

_RECORDS = 1_000  # as many as fit into a batch of the broker
_CLAIM = """
    insert into notices (person, member)
    select * from unnest($1::text[]::uuid[], $2::text[]) as fresh (person, member) order by person
    on conflict do nothing returning member
"""
_TOLD = """
    insert into deliveries (person, member)
    select * from unnest($1::text[]::uuid[], $2::text[]) as told (person, member) order by person
"""


def deduplicate(stream: Stream) -> Handler:
    """Pass on the records that are the first of their person. The claim and the messages are two writes."""

    async def handle(bodies: Sequence[bytes]) -> None:
        records = [orjson.loads(body) for body in bodies]
        members = [record["memberRef"] for record in records]
        claimed = await stream.pool.fetch(_CLAIM, [person_of(record) for record in records], members)
        first = dict(zip(members, bodies, strict=True))
        if claimed:
            await stream.broker.publish_batch(*(first[member] for (member,) in claimed), topic=topic("notices"))

    return handle


def route(stream: Stream) -> Handler:
    """Pass records on to their channel."""

    async def handle(bodies: Sequence[bytes]) -> None:
        if letters := [body for body in bodies if channel_of(orjson.loads(body)) == "letter"]:
            await stream.broker.publish_batch(*letters, topic=topic("letters"))

    return handle


def dispatch(stream: Stream) -> Handler:
    """Write letters, and record them."""
    letters = Letters()

    async def handle(bodies: Sequence[bytes]) -> None:
        records = [orjson.loads(body) for body in bodies]
        letters.write(b"".join(map(letter_of, records)))
        await stream.pool.execute(_TOLD, list(map(person_of, records)), [record["memberRef"] for record in records])

    return handle


async def _take_in() -> None:
    broker = new_broker()
    await broker.start()
    for paths in each_load():
        bodies = map(orjson.dumps, itertools.chain.from_iterable(map(records_of, paths)))
        while some := list(itertools.islice(bodies, _RECORDS)):
            await broker.publish_batch(*some, topic=topic("records"))


if __name__ == "__main__":
    roles = {"deduplicate": ("records", deduplicate), "route": ("notices", route), "dispatch": ("letters", dispatch)}
    run_role(roles, _take_in, batch=True, max_records=_RECORDS)
