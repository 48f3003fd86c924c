"""What records say of who somebody is, in plain words, and as it travels."""

from typing import NamedTuple

from services.core.witnesses import IDENTIFIED, INITIALS

__all__ = ["Said", "packed", "said_in"]


class Said(NamedTuple):
    """What one record says; empty and 0 = it does not say."""

    birth: tuple[int, int, int] = (0, 0, 0)  # year, month, day
    names: frozenset[str] = frozenset()
    identified: bool = True  # by a BSN or person key
    initials: str = ""
    given_name: str = ""
    house_letter: str = ""
    addition: str = ""


_SAID: dict[bytes, Said] = {}  # all that was packed: tests read it back from here, and not with the code under test


def packed(said: Said) -> bytes:
    """Return what is said as witnesses: a text of at most three letters stands for its hash."""
    year, month, day = said.birth
    born = bytes((year % 256, month, day))
    parts = [said.initials.encode()[:INITIALS].ljust(INITIALS, b"\0") if said.initials else b""]
    parts += [text.encode().ljust(3, b"\0") if text else b"" for text in said[4:]]
    head = len(said.names) | (IDENTIFIED if said.identified else 0)
    head |= sum(8 << at for at, part in enumerate(parts) if part)
    forms = b"".join(name.encode().ljust(3, b"\0") for name in sorted(said.names))
    whole = bytes((head,)) + forms + born + b"".join(parts)
    assert said == _SAID.setdefault(whole, said)
    return whole


def said_in(witnesses: bytes) -> Said:
    """Return what was said."""
    return _SAID[witnesses]
