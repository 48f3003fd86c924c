"""Recalls as they travel: what deduplication asks to stop, and what those say with whom it lies."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from notification.topics import NOTICES_RECALLED, NOTICES_STOPPED
from notification.v1 import deduplication_pb2, dispatch_pb2

from services.core.ids import ID_BYTES
from services.core.notices import BLOCK_ENTRIES
from services.kit.errors import InvalidMessage
from services.kit.eventlog import Output, Record
from services.wire.columns import check_names, column, parse, split_ids

__all__ = [
    "Answers",
    "Recall",
    "Recalled",
    "decode_recalled",
    "decode_stopped",
    "encode_asked",
    "encode_known",
    "encode_recalled",
    "encode_stopped",
]

_MOST_KNOWN: Final = 2**63 - 1  # a sequence, as PostgreSQL keeps it
_BEGUN, _STOPPED = dispatch_pb2.ANSWER_BEGUN, dispatch_pb2.ANSWER_STOPPED


class Recall(NamedTuple):
    """A notice that must not begin any more; `pseudonym` says whose it is."""

    partition: int
    notice: bytes
    pseudonym: bytes
    incident_id: str


class Recalled(NamedTuple):
    """A block of recalls; where it is `over`, they need not be remembered any more.

    One of none says how far intake's blocks are `known`, by partition: all that they call back was named before.
    """

    recalls: Sequence[Recall]
    over: bool
    partition: int = 0
    known: tuple[int, ...] = ()

    @property
    def notices(self) -> list[bytes]:
        """The ids of the notices."""
        return [one.notice for one in self.recalls]


class Answers(NamedTuple):
    """A block of answers: whether each notice was stopped, or its hand-over had begun.

    One of none `asks` how far intake's blocks are known, as something of the incident waits for that.
    """

    incident_id: str
    partition: int
    notices: Sequence[bytes]
    pseudonyms: Sequence[bytes]
    stopped: Sequence[bool]
    asks: bool = False


def encode_recalled(recalls: Sequence[Recall], *, over: bool) -> Iterable[Output]:
    """Return the blocks for `heraut.notices.recalled.v1`, of recalls of one incident and one partition."""
    for start in range(0, len(recalls), BLOCK_ENTRIES):
        piece = recalls[start : start + BLOCK_ENTRIES]
        block = deduplication_pb2.NoticesRecalled(
            incident_id=piece[0].incident_id,
            ids=b"".join(one.notice for one in piece),
            pseudonyms=b"".join(one.pseudonym for one in piece),
            over=over,
        )
        yield Output(NOTICES_RECALLED, piece[0].partition, block.SerializeToString())


def encode_known(partition: int, taken: Sequence[int]) -> Output:
    """Return the block for `heraut.notices.recalled.v1` that says how far intake's blocks are known, by partition."""
    block = deduplication_pb2.NoticesRecalled(known=taken)
    return Output(NOTICES_RECALLED, partition, block.SerializeToString())


def decode_recalled(record: Record) -> Recalled:
    """Read a block of `heraut.notices.recalled.v1`. Raises InvalidMessage."""
    wire = parse(deduplication_pb2.NoticesRecalled(), record.value)
    if wire.known and not wire.ids:
        known = tuple(wire.known)
        if max(known) > _MOST_KNOWN:
            raise InvalidMessage("number-range")
        if record.partition >= len(known):
            raise InvalidMessage("partitions")
        return Recalled((), over=False, partition=record.partition, known=known)
    rows = _rows(wire.incident_id, wire.ids, wire.pseudonyms)
    recalls = [Recall(record.partition, notice, pseudonym, wire.incident_id) for notice, pseudonym in rows]
    return Recalled(recalls, wire.over, record.partition)


def encode_stopped(answers: Iterable[tuple[Recall, bool]]) -> Iterable[Output]:
    """Return the blocks for `heraut.notices.stopped.v1`: each recall, and whether its notice was stopped."""
    together: dict[tuple[str, int], list[tuple[Recall, bool]]] = {}
    for recall, stopped in answers:
        together.setdefault((recall.incident_id, recall.partition), []).append((recall, stopped))
    for (incident_id, partition), rows in sorted(together.items()):
        for start in range(0, len(rows), BLOCK_ENTRIES):
            piece = rows[start : start + BLOCK_ENTRIES]
            block = dispatch_pb2.NoticesStopped(
                incident_id=incident_id,
                ids=b"".join(recall.notice for recall, _ in piece),
                pseudonyms=b"".join(recall.pseudonym for recall, _ in piece),
                answers=bytes(_STOPPED if stopped else _BEGUN for _, stopped in piece),
            )
            yield Output(NOTICES_STOPPED, partition, block.SerializeToString())


def encode_asked(incident_id: str, partition: int) -> Output:
    """Return the block for `heraut.notices.stopped.v1` that asks how far intake's blocks are known.

    Whoever does not know the question reads a block of no answers.
    """
    block = dispatch_pb2.NoticesStopped(incident_id=incident_id, asks=True)
    return Output(NOTICES_STOPPED, partition, block.SerializeToString())


def decode_stopped(record: Record) -> Answers:
    """Read a block of `heraut.notices.stopped.v1`. Raises InvalidMessage."""
    wire = parse(dispatch_pb2.NoticesStopped(), record.value)
    rows = _rows(wire.incident_id, wire.ids, wire.pseudonyms)
    answers = column(wire.answers, len(rows))
    if not {_BEGUN, _STOPPED}.issuperset(answers):
        raise InvalidMessage("unknown-answer")
    return Answers(
        wire.incident_id,
        record.partition,
        [notice for notice, _ in rows],
        [pseudonym for _, pseudonym in rows],
        [answer == _STOPPED for answer in answers],
        asks=wire.asks and not rows,
    )


def _rows(incident_id: str, ids: bytes, pseudonyms: bytes) -> list[tuple[bytes, bytes]]:
    if not incident_id:
        raise InvalidMessage("no-incident")
    check_names(incident_id)
    count = len(ids) // ID_BYTES
    return list(zip(split_ids(ids, count), split_ids(pseudonyms, count), strict=True))
