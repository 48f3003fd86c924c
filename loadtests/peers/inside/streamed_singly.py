"""FastStream with a handler a message: `python -m loadtests.peers.inside.streamed_singly ROLE`."""

import asyncio
import itertools

import orjson

from loadtests.peers.inside.job import Letters, channel_of, each_load, letter_of, person_of, records_of
from loadtests.peers.inside.streams import Handler, Stream, new_broker, run_role, topic

_AT_ONCE = 64  # handlers at the same time; more are not faster
_SENT = 1_000  # messages that intake awaits together
_CLAIM = "insert into notices (person, member) values ($1::text::uuid, $2) on conflict do nothing"
_TOLD = "insert into deliveries (person, member) values ($1::text::uuid, $2)"


def deduplicate(stream: Stream) -> Handler:
    """Pass a record on where it is the first of its person. The claim and the message are two writes."""

    async def handle(body: bytes) -> None:
        record = orjson.loads(body)
        if await stream.pool.execute(_CLAIM, person_of(record), record["memberRef"]) == "INSERT 0 1":
            await stream.broker.publish(body, topic=topic("notices"))

    return handle


def route(stream: Stream) -> Handler:
    """Pass a record on to its channel."""

    async def handle(body: bytes) -> None:
        if channel_of(orjson.loads(body)) == "letter":
            await stream.broker.publish(body, topic=topic("letters"))

    return handle


def dispatch(stream: Stream) -> Handler:
    """Write somebody's letter, and record it."""
    letters = Letters()

    async def handle(body: bytes) -> None:
        record = orjson.loads(body)
        letters.write(letter_of(record))
        await stream.pool.execute(_TOLD, person_of(record), record["memberRef"])

    return handle


async def _take_in() -> None:
    broker = new_broker()
    await broker.start()
    for paths in each_load():
        bodies = map(orjson.dumps, itertools.chain.from_iterable(map(records_of, paths)))
        while some := list(itertools.islice(bodies, _SENT)):
            await asyncio.gather(*(broker.publish(body, topic=topic("records")) for body in some))


if __name__ == "__main__":
    roles = {"deduplicate": ("records", deduplicate), "route": ("notices", route), "dispatch": ("letters", dispatch)}
    run_role(roles, _take_in, max_workers=_AT_ONCE)
