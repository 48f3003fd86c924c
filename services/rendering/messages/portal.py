"""A notice as a message to a portal. Pure."""

import orjson

from services.rendering.messages.plain_text import PlainTexts, one_line
from services.rendering.told import Told
from services.rendering.wording.wording import WordingKey

__all__ = ["portal_message"]


def portal_message(texts: PlainTexts, told: Told, row: int) -> bytes:
    """Return a message's bytes: from stored values alone, so that every try sends the same."""
    wording = texts.wording(told, row)
    message = {
        "recipient": told.contacts[row].portal_id,
        "subject": one_line(wording.subject),
        "body": texts.top(wording, told, row) + texts.tail(wording),
        "reference": told.references[row],
        "kind": WordingKey.of(told, row).kind.value,
    }
    if told.earlier[row]:
        message["supersedes"] = told.earlier[row]
    return orjson.dumps(message)
