"""Blocks in and out, and contact data."""

from typing import Any

import orjson
import pytest
from notification.v1 import dispatch_pb2, routing_pb2
from rich.pretty import pretty_repr

from services.core.channel import Channel
from services.core.status import AttemptState
from services.dispatch.codec import (
    decode_block,
    decode_routed,
    encode_attempted,
    encode_block,
    encode_refused,
    read_contact,
)
from services.kit.errors import InvalidMessage
from services.rendering.contact import Contact
from services.wire.notices import notices_to_wire
from tests.unit.dispatch.people import some_notices


def test_a_routed_block_is_read_as_it_was_written() -> None:
    """Nothing of a notice is lost on its way."""
    notices = some_notices(3, supersedes=[b"", b"s" * 16, b""], tried=[0, 1, 3])

    read, block = decode_routed(routing_pb2.NoticesRouted(notices=notices_to_wire(notices)).SerializeToString())

    assert notices == read
    assert notices == decode_block(block)
    assert notices == decode_block(encode_block(notices))


@pytest.mark.parametrize("value", [b"", b"\xff", None])
def test_what_is_no_block_is_a_dead_letter(value: bytes | None) -> None:
    """A block that cannot be understood stops nothing."""
    with pytest.raises(InvalidMessage):
        decode_routed(value)


def test_an_attempt_without_a_number_is_a_dead_letter() -> None:
    """Without its number an attempt could be made twice."""
    block = routing_pb2.NoticesRouted(notices=notices_to_wire(some_notices(2, attempts=[1, 0])))
    with pytest.raises(InvalidMessage, match="no-attempt"):
        decode_routed(block.SerializeToString())


def test_outcomes_carry_the_numbers_of_the_states() -> None:
    """Tracking reads how each ended."""
    notices = some_notices(3, cohorts=["a", "b", "a"])
    states = [AttemptState.ACCEPTED, AttemptState.UNKNOWN, AttemptState.REFUSED]
    output = encode_attempted(notices, states, channel=Channel.EMAIL, provider="smtp", partition=4, at=7)
    block = dispatch_pb2.DeliveriesAttempted.FromString(output.value)

    assert 4 == output.partition
    assert (b"".join(notices.ids), bytes([2, 4, 3]), "email") == (block.ids, block.outcomes, block.channel)
    assert ["a", "b", "a"] == [block.cohort_ids[at] for at in block.cohorts]


def test_a_refusal_brings_the_whole_notice_back() -> None:
    """Routing needs nothing but the block to pick the next channel."""
    notices = some_notices(2, tried=[2, 2])
    block = dispatch_pb2.DeliveriesRefused.FromString(encode_refused(notices, "no-address", 1).value)

    assert (notices_to_wire(notices), "no-address") == (block.notices, block.reason)


@pytest.mark.parametrize("values", [{"houseNumber": "5"}, {"houseNumber": 5, "city": None, "country": None}])
def test_contact_data_is_read_by_the_names_it_was_sealed_under(values: dict[str, Any]) -> None:
    """Numbers become text, nothing becomes what stands for it, and what dispatch has no use for is left out."""
    payload = {"familyName": "Berg", "birthDate": "1980-01-01", "portalId": "p", "language": "nl"} | values

    found = Contact(family_name="Berg", birth_date="1980-01-01", house_number="5", portal_id="p")
    assert found == read_contact(orjson.dumps(payload))


@pytest.mark.parametrize("payload", [b"", b"[]", b"null", b"{", b'{"city": "\xff"}'])
def test_what_is_no_contact_data_is_refused(payload: bytes) -> None:
    """Nobody is written to from half of what was sealed."""
    with pytest.raises((orjson.JSONDecodeError, TypeError)):
        read_contact(payload)


def test_contact_data_has_no_text_form() -> None:
    """Nothing of a person can be printed by accident."""
    contact = Contact(family_name="Berg")

    assert "Berg" not in f"{contact} {contact!r} {pretty_repr(contact)}"
