"""Dead letters: what a stage could not understand, untouched, with where it came from and why.

They leave through the transaction like any other output, so none is lost and none is doubled. The dead letter
of a topic that is not ours might show people in the open, so it must not lie in the database: it goes to the log
directly (`EventLog.forward`), before the commit that steps over the record.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from services.core.version import this_version
from services.kit.errors import InvalidMessage
from services.kit.eventlog.headers import Headers
from services.kit.eventlog.port import Output, Record, TopicPartition
from services.kit.eventlog.topics import dead_letter_topic

__all__ = ["DeadLetter", "DlqLimit", "DlqTally", "by_reference", "dead_letter", "position_of"]

# Headers of the original record, kept under this prefix so that they meet none of ours.
_KEPT = "original-header-"
# The size of a record that did not fit: its dead letter is a reference to it.
_SIZE = "original-bytes"
# A reason is a short code. A longer text is cut, so that it does not fill the topic.
_REASON_BYTES = 200


def dead_letter(record: Record, stage: str, error_class: str, reason: str) -> Output:
    """Return the dead letter of a record. `reason` is a short code that repeats nothing of what the record held."""
    headers = {
        "original-topic": record.topic,
        "original-partition": str(record.partition),
        "original-offset": str(record.offset),
        "original-source": record.source,
        "original-seq": str(record.seq),
        "reason": reason,
        "error-class": error_class,
        "service-version": this_version(),
    }
    ours = tuple((name, text.encode()[:_REASON_BYTES]) for name, text in headers.items())
    key = (("original-key", record.key),) if record.key is not None else ()
    kept = tuple((_KEPT + name, value) for name, value in record.headers)
    topic = dead_letter_topic(record.topic, stage)
    return Output(topic, record.partition, record.value or b"", (*ours, *key, *kept))


def by_reference(aside: Output) -> Output:
    """Return a dead letter that does not fit into its topic as one that says where the record stands, and its size.

    The record itself stays where it is, for as long as its own topic keeps it.
    """
    ours = tuple((name, value) for name, value in aside.headers if not _is_the_records(name))
    size = str(len(aside.value)).encode()
    return Output(aside.topic, aside.partition, b"", (*ours, (_SIZE, size)))


def _is_the_records(header: str) -> bool:
    return header == "original-key" or header.startswith(_KEPT)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A dead letter as it is listed and replayed. Its value may be personal (upstream's): it is not shown."""

    record: Record

    @property
    def position(self) -> str:
        """Where it stands, as `heraut dlq` takes it: topic/partition/offset."""
        return f"{self.record.topic}/{self.record.partition}/{self.record.offset}"

    @property
    def original(self) -> TopicPartition:
        """Where it came from, so where it goes when it is replayed. Raises InvalidMessage where it does not say."""
        try:
            return TopicPartition(self._text("original-topic"), int(self._text("original-partition")))
        except (KeyError, ValueError) as error:
            raise InvalidMessage("dead-letter-without-origin") from error

    @property
    def is_reference(self) -> bool:
        """Tell whether it only says where the record stands, which was too large to be set aside."""
        return _SIZE in dict(self.record.headers)

    @property
    def original_key(self) -> bytes | None:
        """The key that the record had."""
        return dict(self.record.headers).get("original-key")

    @property
    def original_headers(self) -> Headers:
        """The headers that the record had."""
        headers = self.record.headers
        return tuple((name.removeprefix(_KEPT), value) for name, value in headers if name.startswith(_KEPT))

    def described(self) -> dict[str, str | int]:
        """Say what is known of it, for people: never the payload, a key or a foreign header, only sizes."""
        shown = {
            name: value.decode(errors="replace") for name, value in self.record.headers if not _is_the_records(name)
        }
        return {"position": self.position, "at": self.record.at, "bytes": len(self.record.value or b""), **shown}

    def _text(self, name: str) -> str:
        return dict(self.record.headers)[name].decode()


def position_of(text: str) -> tuple[TopicPartition, int]:
    """Read a position as `DeadLetter.position` gives it. Raises ValueError."""
    topic, partition, offset = text.rsplit("/", 2)
    return TopicPartition(topic, int(partition)), int(offset)


@dataclass(frozen=True, slots=True)
class DlqTally:
    """How reading went lately: records understood, records set aside, and how many of those in a row."""

    understood: int = 0
    set_aside: int = 0
    in_a_row: int = 0

    def after(self, outcomes: Iterable[bool]) -> "DlqTally":
        """Count further records, in order; True = understood. Old counts fade: the last thousand weigh most."""
        understood, set_aside, in_a_row = self.understood, self.set_aside, self.in_a_row
        for outcome in outcomes:
            understood += outcome
            set_aside += not outcome
            in_a_row = 0 if outcome else in_a_row + 1
            if understood + set_aside > 1000:
                understood //= 2
                set_aside //= 2
        return DlqTally(understood, set_aside, in_a_row)


@dataclass(frozen=True, slots=True)
class DlqLimit:
    """When to stop rather than drain a topic into the dead letters after a bad deploy."""

    max_ratio: float = 0.1  # one block in ten is no accident any more
    max_consecutive: int = 25  # nor is such a run, long before the ratio shows
    min_records: int = 100  # below so many a ratio says nothing

    def exceeded(self, tally: DlqTally) -> str | None:
        """Say why to stop, None to go on."""
        if tally.in_a_row > self.max_consecutive:
            return f"{tally.in_a_row} records in a row could not be read"
        total = tally.understood + tally.set_aside
        if total >= self.min_records and tally.set_aside > total * self.max_ratio:
            return f"{tally.set_aside} of {total} records could not be read"
        return None
