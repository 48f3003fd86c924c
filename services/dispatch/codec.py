"""Attempts as they come in, outcomes as they go out, and the sealed contact data once it is opened."""

from collections.abc import Mapping, Sequence

import orjson
from notification.topics import (
    DELIVERIES_ATTEMPTED,
    DELIVERIES_REFUSED,
    NOTICES_ROUTED_EMAIL,
    NOTICES_ROUTED_LETTER,
    NOTICES_ROUTED_PORTAL,
)
from notification.v1 import dispatch_pb2, routing_pb2

from services.core.channel import Channel
from services.core.notices import Notices
from services.core.status import AttemptState
from services.dispatch.domain import Contact
from services.dispatch.errors import UnnumberedAttemptError
from services.kit.codec import indexed, notices_from_wire, notices_to_wire, parse
from services.kit.eventlog import Output

__all__ = ["TOPICS", "decode_routed", "encode_attempted", "encode_refused", "read_contact"]

TOPICS: Mapping[Channel, str] = {
    Channel.LETTER: NOTICES_ROUTED_LETTER,
    Channel.EMAIL: NOTICES_ROUTED_EMAIL,
    Channel.PORTAL: NOTICES_ROUTED_PORTAL,
}

# The vault's payload: the member record's own names (camelCase) -> ours. What is not here, dispatch has no use for.
_FIELDS = {
    "initials": "initials",
    "givenName": "given_name",
    "prefix": "prefix",
    "familyName": "family_name",
    "street": "street",
    "houseNumber": "house_number",
    "houseLetter": "house_letter",
    "houseNumberAddition": "house_number_addition",
    "postcode": "postcode",
    "city": "city",
    "country": "country",
    "careOf": "care_of",
    "email": "email",
    "portalId": "portal_id",
}


def decode_routed(value: bytes | None) -> Notices:
    """Read a block of `heraut.notices.routed.<channel>.v1`. Raises InvalidMessage."""
    notices = notices_from_wire(parse(routing_pb2.NoticesRouted(), value).notices)
    if not notices or not all(notices.attempts):
        raise UnnumberedAttemptError
    return notices


def encode_attempted(
    notices: Notices, outcomes: Sequence[AttemptState], *, channel: Channel, provider: str, partition: int, at: int
) -> Output:
    """Give the block that says how the hand-over of each of these ended; `at` = ms since 1970."""
    cohort_ids, cohorts = indexed(notices.cohorts)
    block = dispatch_pb2.DeliveriesAttempted(
        incident_id=notices.incident_id,
        channel=channel.label,
        provider=provider,
        ids=b"".join(notices.ids),
        members=b"".join(notices.members),
        revisions=notices.revisions,
        attempts=notices.attempts,
        outcomes=bytes(outcomes),
        cohort_ids=cohort_ids,
        cohorts=cohorts,
        at=at,
    )
    return Output(DELIVERIES_ATTEMPTED, partition, block.SerializeToString())


def encode_refused(notices: Notices, reason: str, partition: int) -> Output:
    """Give the block that sends refused notices back to routing; their `tried` has this channel already."""
    block = dispatch_pb2.DeliveriesRefused(notices=notices_to_wire(notices), reason=reason)
    return Output(DELIVERIES_REFUSED, partition, block.SerializeToString())


def read_contact(payload: bytes) -> Contact:
    """Read the contact data of one member, as intake sealed it."""
    fields = orjson.loads(payload)
    return Contact(**{ours: str(fields[theirs]) for theirs, ours in _FIELDS.items() if fields.get(theirs)})
