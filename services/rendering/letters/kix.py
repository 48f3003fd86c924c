"""The KIX bar code of PostNL: what it holds and how it looks. Pure.

Each sign is four bars, and each bar has one of four states. The signs are those of Royal Mail's customer code, without
its start, stop and check. Rules and examples: PostNL, "Zo codeer je je partijenpost". The table is zint's
(`postal.c`, kix_code).
"""

import re

from services.rendering.contact import Contact
from services.rendering.letters.address import compact, is_domestic

__all__ = ["ASCENDER", "DESCENDER", "FULL", "SIGNS", "TRACKER", "bars", "payload", "with_addition"]

FULL, ASCENDER, DESCENDER, TRACKER = 0, 1, 2, 3

_LONGEST = 18  # signs
SIGNS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_HALVES = ("0011", "0101", "0110", "1001", "1010", "1100")  # two of four bars, for either half
# Words that stand for an addition, and have a short form in the code.
_SHORT = {"HUIS": "HS"}
_POSTCODE = re.compile(r"[1-9][0-9]{3}[A-Z]{2}")
_NO_SIGN = re.compile(r"[^0-9A-Z]")
_NUMBER = re.compile(r"[0-9]{1,5}")


def payload(contact: Contact) -> str:
    """Return what the code holds: postcode, house number, and an addition after X: `1234AB5XHS`.

    It is empty for an address abroad, and for one without a proper postcode and number.
    """
    code, number = compact(contact.postcode), contact.house_number
    if not (is_domestic(contact) and _POSTCODE.fullmatch(code) and _NUMBER.fullmatch(number)):
        return ""
    return with_addition(code + number, contact.house_letter + contact.house_number_addition)


def with_addition(text: str, addition: str) -> str:
    """Return what the code holds from postcode and number, and from house letter and addition as they are written.

    An addition that is too long is left out whole: a part of it is another door.
    """
    if not addition:
        return text
    signs = _NO_SIGN.sub("", addition.upper())
    full = f"{text}X{_SHORT.get(signs, signs)}"
    return full if signs and len(full) <= _LONGEST else text


def bars(text: str) -> list[int]:
    """Return the states of a payload's bars from left to right. Raises ValueError at a sign that has none."""
    states = []
    for sign in text:
        above, below = divmod(SIGNS.index(sign), 6)
        for ascends, descends in zip(_HALVES[above], _HALVES[below], strict=True):
            states.append((TRACKER, DESCENDER, ASCENDER, FULL)[2 * (ascends == "1") + (descends == "1")])
    return states
