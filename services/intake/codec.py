"""Blocks of accepted members as they travel."""

from dataclasses import dataclass

from notification.v1 import intake_pb2

from services.intake.domain import Block
from services.kit.stage import TotalsRow
from services.wire.columns import indexed, slots_to_wire
from services.wire.totals import totals_to_wire

__all__ = ["BlockHeader", "encode_members"]


@dataclass(frozen=True, slots=True)
class BlockHeader:
    """What all blocks of a chunk have in common."""

    incident_id: str
    incident_version: int
    cohort_id: str
    cohort_version: int
    accepted_at: int  # ms since 1970
    totals: TotalsRow


def encode_members(header: BlockHeader, block: Block) -> bytes:
    """Return the block for `heraut.members.accepted.v1`."""
    language_names, languages = indexed(block.languages)
    return intake_pb2.MembersAccepted(
        incident_id=header.incident_id,
        incident_version=header.incident_version,
        cohort_id=header.cohort_id,
        cohort_version=header.cohort_version,
        accepted_at=header.accepted_at,
        members=b"".join(block.members),
        versions=block.versions,
        slots=slots_to_wire(block.slots),
        pseudonyms=b"".join(block.pseudonyms),
        exposed=block.exposed,
        confirmed=block.confirmed,
        channels=bytes(block.channels),
        flags=bytes(block.flags),
        language_names=language_names,
        languages=languages,
        totals=totals_to_wire(header.totals),
        witnesses=b"".join(block.witnesses),
        contact_since=block.contact_since,
    ).SerializeToString()
