"""What came back goes to the next channel, or is given up with why: by the incident's policy."""

from datetime import timedelta

import pytest
from notification import topics
from notification.v1 import dispatch_pb2, routing_pb2
from prometheus_client import CollectorRegistry

from services.core.channel import Channel
from services.core.policy import MOST_DAYS_UNREAD, Cascade, Policy
from services.core.receipts import ReceiptKind, ReceiptReason, came_back, why_back
from services.kit.eventlog import Output, Record
from services.kit.testing import FakeClock
from services.routing.cascading import goes_on
from services.routing.handlers import RoutingHandler, recalls_kept
from services.routing.metrics import RoutingMetrics
from services.wire.recalls import Recall
from services.wire.testing import FakeIncidents
from tests.unit.routing.memory import KEEP, MemoryStore
from tests.unit.routing.test_handlers import UNUSED, a_record, an_incident

LETTER, EMAIL = int(Channel.LETTER), int(Channel.EMAIL)


def came(why: str, *channels: int) -> Record:
    """Return notices that come back from the e-mail channel."""
    record = a_record(0, 1, *channels)
    block = dispatch_pb2.DeliveriesRefused.FromString(record.value or b"")
    block.notices.tried = bytes([EMAIL] * len(channels))
    block.notices.attempts[:] = [1] * len(channels)
    block.reason = why
    return Record(record.topic, record.partition, 0, "dispatch-email", 1, 0, block.SerializeToString())


async def routed(record: Record, cascade: Cascade, store: MemoryStore | None = None) -> list[tuple[str, str, int]]:
    """Route; return for each block its topic, why it was given up, and how many notices it has."""
    incident = an_incident(1, Channel.EMAIL, Channel.LETTER)
    object.__setattr__(incident, "policy", Policy(cascade=cascade))
    incidents, metrics = FakeIncidents(incident), RoutingMetrics(CollectorRegistry())
    handler = RoutingHandler(incidents, metrics, FakeClock(), KEEP, store or MemoryStore())
    work = [handler.decode(record)]
    await handler.ready(work)
    return sorted(map(_shown, await handler.apply(UNUSED, work)))


def _shown(output: Output) -> tuple[str, str, int]:
    if output.topic == topics.NOTICES_EXHAUSTED:
        block = routing_pb2.NoticesExhausted.FromString(output.value)
        return output.topic, block.reason, len(block.notices.ids) // 16
    return output.topic, "", len(routing_pb2.NoticesRouted.FromString(output.value).notices.ids) // 16


async def test_what_bounced_takes_the_next_channel_and_is_given_up_without_one() -> None:
    """Two have an address, one has none: the source is told why it is given up."""
    found = await routed(came("bounced:hard", EMAIL | LETTER, EMAIL, EMAIL | LETTER), Cascade())

    assert [(topics.NOTICES_EXHAUSTED, "bounced:hard", 1), (topics.NOTICES_ROUTED_LETTER, "", 2)] == found


async def test_policy_may_give_up_what_came_back() -> None:
    """Where it does not lead to the next channel, the source is asked at once."""
    found = await routed(came("bounced", EMAIL | LETTER), Cascade(bounced=False))

    assert [(topics.NOTICES_EXHAUSTED, "bounced", 1)] == found


async def test_who_did_not_read_and_has_no_other_channel_stays_told() -> None:
    """The message lies there; only who has another channel is written to again."""
    found = await routed(came("unread", EMAIL | LETTER, EMAIL), Cascade(unread_after=14))

    assert [(topics.NOTICES_ROUTED_LETTER, "", 1)] == found
    assert [] == await routed(came("unread", EMAIL | LETTER), Cascade())


async def test_what_was_recalled_meanwhile_is_told_nowhere_else() -> None:
    """A mail of a withdrawn record that came back is not followed by a letter."""
    record, store = came("bounced", EMAIL | LETTER, EMAIL | LETTER), MemoryStore()
    ids = dispatch_pb2.DeliveriesRefused.FromString(record.value or b"").notices.ids
    store.recalls[ids[:16]] = Recall(0, ids[:16], bytes(16), "lab")
    store.over.add(ids[:16])

    found = await routed(record, Cascade(), store)

    assert [(topics.NOTICES_EXHAUSTED, "bounced", 1), (topics.NOTICES_ROUTED_LETTER, "", 1)] == found


async def test_who_was_called_back_and_did_not_read_waits_for_a_new_address() -> None:
    """No letter goes where the record no longer says; what is given up so may be attempted at new contact data."""
    record, store = came("unread", EMAIL | LETTER, EMAIL | LETTER), MemoryStore()
    notice = dispatch_pb2.DeliveriesRefused.FromString(record.value or b"").notices.ids[:16]
    store.recalls[notice] = Recall(0, notice, bytes(16), "lab")
    store.over.add(notice)

    found = await routed(record, Cascade(unread_after=14), store)

    assert [(topics.NOTICES_EXHAUSTED, "called-back", 1), (topics.NOTICES_ROUTED_LETTER, "", 1)] == found
    assert [] == await routed(record, Cascade(), store)


def test_a_recall_is_remembered_for_as_long_as_something_may_come_back() -> None:
    """A message may lie unread for a year: forgotten before, its letter would go where the record no longer says."""
    assert timedelta(days=MOST_DAYS_UNREAD) < recalls_kept(timedelta())


@pytest.mark.parametrize("cascade", [Cascade(), Cascade(unread_after=5)])
def test_who_has_died_is_written_to_no_more(cascade: Cascade) -> None:
    """Whatever the policy says: their source says who is to be written to."""
    assert not any(goes_on(kind, ReceiptReason.DECEASED, cascade) for kind in ReceiptKind)
    assert goes_on(ReceiptKind.RETURNED, ReceiptReason.MOVED, cascade)
    assert goes_on(ReceiptKind.REFUSED, ReceiptReason.NOT_SAID, cascade)


@pytest.mark.parametrize("kind", [ReceiptKind.REFUSED, ReceiptKind.BOUNCED, ReceiptKind.RETURNED, ReceiptKind.UNREAD])
def test_why_a_notice_came_back_is_read_as_it_was_written(kind: ReceiptKind) -> None:
    """Dispatch writes the word and routing reads it; another reason is none of these."""
    for reason in ReceiptReason:
        assert (kind, reason) == came_back(why_back(kind, reason))
    assert came_back("refused-by-provider") is None
