"""What portals want to be sent, and what may be done where no answer came: one shape a kind of portal."""

import re
from collections.abc import Mapping
from typing import Final, Protocol

import orjson

from services.core.channel import Channel
from services.dispatch.blame import Blame
from services.dispatch.domain import MESSAGES_A_BATCH, Work
from services.dispatch.outcomes import Ending, Result
from services.dispatch.provider import ProviderClass, Traits
from services.rendering.contact import Contact
from services.rendering.messages.plain_text import PlainTexts, one_line
from services.rendering.messages.portal import portal_message
from services.rendering.told import UnfitError

__all__ = ["FBS_TRAITS", "TRAITS", "FbsShape", "OwnShape", "Shape"]

TRAITS = Traits(
    channel=Channel.PORTAL,
    name="portal",
    provider_class=ProviderClass.IDEMPOTENT,
    rounds_at_once=2,  # one on the wire, one on its way from or to the database
    batch_size=MESSAGES_A_BATCH,
)
FBS_TRAITS = Traits(
    channel=Channel.PORTAL,
    name="fbs",
    provider_class=ProviderClass.BLIND,
    rounds_at_once=2,
    batch_size=MESSAGES_A_BATCH,
)

_AGAIN: Final = Result(Ending.REPEAT, blame=Blame.LATER)
_UNKNOWN: Final = Result(Ending.UNKNOWN, "no-answer")


class Shape(Protocol):
    """What one kind of portal wants. `lost` is how a message ends that was sent and of which no answer came."""

    traits: Traits
    path: str
    lost: Result

    def reaches(self, contact: Contact) -> bool:
        """Tell whether somebody can be written to there."""
        ...

    def headers(self, key: str) -> Mapping[str, str]:
        """Return the headers of a message; `key` is the same at each try."""
        ...

    def body(self, work: Work, row: int) -> bytes:
        """Return a message's bytes: from stored values alone, so that every try sends the same."""
        ...


class OwnShape:
    """The portal's API as Heraut defines it. It honours our key, so repeating is always safe."""

    traits = TRAITS
    path = "/messages"
    lost = _AGAIN

    def __init__(self) -> None:
        self._texts = PlainTexts()

    def reaches(self, contact: Contact) -> bool:
        """Tell whether somebody has an account there."""
        return bool(contact.portal_id)

    def headers(self, key: str) -> Mapping[str, str]:
        """Return the key by which the portal tells repeats."""
        return {"Idempotency-Key": key}

    def body(self, work: Work, row: int) -> bytes:
        """Return the message as JSON."""
        return portal_message(self._texts, work, row)


_PARTY: Final = re.compile(r"(BSN|RSIN):([0-9]{9})|(KVK):([0-9]{8})|(OIN):([0-9]{20})", re.ASCII)
_OF_ELEVEN: Final = (
    9,
    8,
    7,
    6,
    5,
    4,
    3,
    2,
    -1,
)  # the check of BSN and RSIN: weighed so, their digits add up to elevens
_SUBJECT: Final = 255  # characters
_CONTENT: Final = 1 << 20  # bytes


class FbsShape:
    """A message store of the Dutch Federatief Berichtenstelsel (FBS), as its reference implementation takes messages.

    `portalId` is a typed number there: `BSN:999993653`. The store gives messages its own ids and knows none of ours:
    a message of which no answer came is never sent twice.
    """

    traits = FBS_TRAITS
    path = "/berichten"
    lost = _UNKNOWN

    def __init__(self, oin: str) -> None:
        """`oin` is the number of the organisation that sends."""
        self._oin = oin
        self._texts = PlainTexts()

    def reaches(self, contact: Contact) -> bool:
        """Tell whether somebody's number is one that the store takes.

        It answers 400 to a mistyped one as to a message that is not as it has to be, which would stop the incident.
        """
        found = _PARTY.fullmatch(contact.portal_id)
        return found is not None and (found[1] is None or _is_of_eleven(found[2]))

    def headers(self, _key: str) -> Mapping[str, str]:
        """Return none: it knows no key."""
        return {}

    def body(self, work: Work, row: int) -> bytes:
        """Return the message as JSON. Raises UnfitError where it is longer than the store takes."""
        kind, _, number = work.contacts[row].portal_id.partition(":")
        wording = self._texts.wording(work, row)
        content = self._texts.top(wording, work, row) + self._texts.tail(wording)
        if len(content.encode()) > _CONTENT:
            raise UnfitError("content", "makes a message longer than a mebibyte")
        return orjson.dumps(
            {
                "afzender": self._oin,
                "ontvanger": {"type": kind, "waarde": number},
                "onderwerp": _shortened(one_line(wording.subject)),
                "inhoud": content,
            }
        )


def _is_of_eleven(number: str) -> bool:
    return sum(weight * int(digit) for weight, digit in zip(_OF_ELEVEN, number, strict=True)) % 11 == 0


def _shortened(subject: str) -> str:
    """Return a subject that fits, cut at a word where it does not."""
    if len(subject) <= _SUBJECT:
        return subject
    return subject[: _SUBJECT - 1].rpartition(" ")[0].rstrip(",;:") + "…"
