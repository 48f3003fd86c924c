"""Who the synthetic person is, and which way it goes in its turn. Pure."""

from collections.abc import Callable, Sequence
from datetime import datetime
from hashlib import sha256
from math import lcm
from typing import Any, Final, NamedTuple

from services.core.channel import CHANNELS, Channel
from services.core.ids import partitions_of
from services.core.incident import CONTENT_BLOCKS
from services.core.synthetic import SYNTHETIC_SOURCE

__all__ = ["Way", "document_of", "record_of", "way_of"]

_NAME: Final = "Heraut"
_CATEGORY: Final = "nothing"
_WORDS: Final = {"nl": "Niemand leest dit.", "en": "Nobody reads this."}
# By what a record is reached on one channel, and on no other. The domain is one that never is anybody's (RFC 2606).
_REACHED: Final[dict[Channel, dict[str, str]]] = {
    Channel.LETTER: {
        "familyName": _NAME, "street": "Nergens", "houseNumber": "1", "postcode": "1000AA", "city": "Nergenshuizen",
    },
    Channel.EMAIL: {"email": "nobody@heraut.invalid"},
    Channel.PORTAL: {"portalId": "nobody"},
}  # fmt: skip


class Way(NamedTuple):
    """Where a synthetic person goes."""

    partition: int
    channel: Channel


def way_of(turn: int, partitions: int, channels: Sequence[Channel]) -> Way:
    """Return the way of the person with this number: each partition in turn, in time each of them on each channel."""
    rounds = turn // lcm(partitions, len(channels))  # after which both would come together as they did before
    return Way(turn % partitions, channels[(turn + rounds) % len(channels)])


def document_of(now: datetime) -> dict[str, Any]:
    """Return the incident document, whose words nobody reads."""
    return {
        "title": _WORDS,
        "awareAt": now.isoformat(timespec="seconds"),
        "controller": {"name": _NAME, "address": [_NAME], "phone": "0", "email": "nobody@heraut.invalid"},
        "languages": ["nl", "en"],
        "channels": [channel.label for channel in CHANNELS],
        "dataCategories": [{"code": _CATEGORY, "label": _WORDS}],
        "content": dict.fromkeys(CONTENT_BLOCKS, _WORDS),
    }


def record_of(turn: int, way: Way, partitions: int, pseudonym: Callable[[bytes], bytes]) -> dict[str, Any]:
    """Return the record of a person with this number, whose `pseudonym` lies in the partition of its way."""
    tried = 0
    while True:
        key = sha256(f"{SYNTHETIC_SOURCE}/{turn}/{tried}".encode()).hexdigest()
        if partitions_of([pseudonym(f"key:{key}".encode())], partitions) == [way.partition]:
            return {"memberRef": str(turn), "personKey": key, "dataCategories": [_CATEGORY], **_REACHED[way.channel]}
        tried += 1
