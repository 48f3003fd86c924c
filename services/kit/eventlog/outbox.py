"""Writing to the event log from a transaction. The rows are the log itself (embedded), or a publisher sends them on.

A sequence per (source, topic, partition) without gaps is what lets a reader notice a repeat and a loss alike. It
comes from a head row that stays locked until the commit; a database sequence would let readers skip a late commit.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from services.kit.eventlog.headers import encode_headers
from services.kit.eventlog.port import Output
from services.kit.eventlog.silence import Silence
from services.kit.eventlog.topics import MAX_BLOCK_BYTES, is_dead_letter_topic
from services.kit.postgres import Connection, Queries
from services.kit.tracing import current_causes

__all__ = ["BELL", "append_outputs", "read_heads"]


_QUERIES = Queries.load(Path(__file__).with_name("queries.sql"))

BELL = "heraut_log"  # the channel of NOTIFY; what is said there is a topic
# Of this process, whatever it has of connections: what it forgets or takes for another database's costs a late look.
_SILENCE = Silence(0.5)


async def append_outputs(connection: Connection, source: str, outputs: Sequence[Output]) -> None:
    """Write blocks to the log, in order, as `source`. Must be the last statement of the transaction.

    Within a request that is traced they follow from it, unless they say themselves what they follow from.

    Heads are locked in key order until the commit, so a later statement would make every other writer of the same
    partitions wait. Several processes may write as one source: the head row orders them. Raises ValueError for a
    block that is too large for the log (its codec must cut smaller ones).
    """
    if not outputs:
        return
    if causes := current_causes():
        outputs = [output if output.causes else output.caused_by(causes) for output in outputs]
    for output in outputs:
        _check_size(output)
    places = Counter((output.topic, output.partition) for output in outputs)
    topics, partitions = zip(*places, strict=True)
    if rung := _SILENCE.broken_by({*topics}):
        await connection.execute(_QUERIES["ring"], BELL, rung)
    await connection.execute(
        _QUERIES["append"],
        source,
        list(topics),
        list(partitions),
        list(places.values()),
        [output.topic for output in outputs],
        [output.partition for output in outputs],
        [encode_headers(output.headers) for output in outputs],
        [output.value for output in outputs],
    )


async def read_heads(connection: Connection, source: str, topic: str, partitions: int) -> tuple[int, ...]:
    """Return the last sequence that a source was given in each partition of a topic, 0 where there is none yet.

    It takes no lock, so writers go on. All that was committed before the call is in it, by whichever process: those
    of one source share its heads. What others commit meanwhile may be.
    """
    return tuple(await connection.fetchval(_QUERIES["heads"], source, topic, partitions))


def _check_size(output: Output) -> None:
    """Refuse a block that a log would refuse after the commit: there it would hold up all blocks behind it."""
    if len(output.value) > MAX_BLOCK_BYTES and not is_dead_letter_topic(output.topic):
        raise ValueError(f"a block of {len(output.value)} bytes for {output.topic}; the log takes {MAX_BLOCK_BYTES}")
