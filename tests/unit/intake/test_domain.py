"""What intake decides."""

import json

from services.core.ids import partitions_of
from services.core.notices import BLOCK_ENTRIES, FLAG_RETRACTED
from services.core.variants import Certainty
from services.core.witnesses import NO_WITNESSES
from services.intake.domain import CONTACT_BYTES, Chunk, Classified, Stored, Uses, blocks_of, classify, uses_of
from services.intake.reading.ndjson import NdjsonReader
from tests.unit.intake.builders import a_builder, a_record


def a_chunk(count: int) -> Chunk:
    """Return a chunk of so many members, all of the same person."""
    builder = a_builder()
    lines = [(at, json.dumps(a_record(memberRef=f"m-{at}")).encode()) for at in range(count)]
    builder.add(lines, NdjsonReader())
    return builder.give()


def test_rows_are_told_apart_by_what_is_stored() -> None:
    """Unknown is new, same content is the same, other content is a correction, or a mistake in one upload."""
    chunk = a_chunk(5)
    same, person = chunk.contents[1], chunk.pseudonyms[0]
    stored = {
        chunk.members[1]: Stored(1, person, same, 7),
        chunk.members[2]: Stored(4, person, b"other", 7),
        chunk.members[3]: Stored(2, b"somebody else...", b"other", 7),
        chunk.members[4]: Stored(1, person, b"other", 8),
    }

    assert Classified(
        new=[0],
        same=[1],
        corrected=[2, 3],
        versions=[5, 3],
        contact_since=[5, 3],
        retracted=[(3, 3, b"somebody else...")],
        repeated=[4],
    ) == classify(chunk, range(5), stored)


def test_blocks_are_bounded_and_keep_to_a_partition() -> None:
    """Members go in blocks of a bounded size, each of one partition."""
    chunk = a_chunk(BLOCK_ENTRIES + 1)
    blocks = blocks_of(chunk, Classified(new=list(range(BLOCK_ENTRIES + 1))), 8)

    assert [BLOCK_ENTRIES, 1] == [len(block.members) for block in blocks]
    assert set(partitions_of(chunk.pseudonyms, 8)) == {block.partition for block in blocks}


def test_member_that_left_a_person_is_told_there() -> None:
    """A retraction names the old pseudonym in its own partition, with no channel, and says nothing of who it is now."""
    chunk, old = a_chunk(1), b"\x00\x00\x00\x05" + bytes(12)
    classified = Classified(corrected=[0], versions=[2], contact_since=[2], retracted=[(0, 2, old)])
    left, moved = blocks_of(chunk, classified, 8)

    assert (5, [old], [0], [FLAG_RETRACTED], [2]) == (
        left.partition,
        left.pseudonyms,
        left.channels,
        left.flags,
        left.versions,
    )
    assert [NO_WITNESSES] == left.witnesses
    assert (chunk.pseudonyms, chunk.witnesses, [2]) == (moved.pseudonyms, moved.witnesses, moved.versions)


def test_what_members_use_is_the_union_of_theirs() -> None:
    """Categories as one mask, languages as primary subtags; who only left this person uses nothing."""
    chunk, old = a_chunk(4), bytes(16)
    chunk.exposed, chunk.languages = [1, 4, 1, 2], ["nl", "en-GB", "EN", "de"]
    chunk.confirmed = [1, 0, 1, 2]
    blocks = blocks_of(chunk, Classified(new=[0, 1, 2], retracted=[(3, 2, old)]), 8)

    assert Uses(5, frozenset({"nl", "en"}), frozenset({Certainty.CONFIRMED, Certainty.POSSIBLE})) == uses_of(blocks)
    assert Uses() == uses_of([])


def test_a_correction_says_since_when_its_contact_data_stands() -> None:
    """Other facts leave it standing, another address is new with this version, and so is what comes back."""
    chunk, person = a_chunk(3), b"p" * 16
    address = chunk.contents[0][:CONTACT_BYTES]
    stored = {
        chunk.members[0]: Stored(4, person, address + b"its rest", 7, contact_since=2),
        chunk.members[1]: Stored(4, person, b"elsewhere", 7, contact_since=2),
        chunk.members[2]: Stored(4, person, b"", 7, contact_since=2),
    }

    classified = classify(chunk, range(3), stored)
    blocks = blocks_of(chunk, classified, 1)

    assert [2, 5, 5] == classified.contact_since
    assert [{0: 2}, {}, {}, {0: 2}] == [block.contact_since for block in blocks]


def test_the_same_words_about_somebody_else_are_a_correction() -> None:
    """The content leaves out who a record is about: the pseudonym says so."""
    chunk = a_chunk(1)
    stored = {chunk.members[0]: Stored(1, b"somebody else...", chunk.contents[0], 7)}

    classified = classify(chunk, [0], stored)

    assert ([], [0], [1]) == (classified.same, classified.corrected, classified.contact_since)
