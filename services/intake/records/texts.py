"""The one spelling of a text that a source wrote. Pure."""

import re
import unicodedata

__all__ = ["has_controls", "normal_text", "says_nothing"]

# Spaces, and signs that take no room: a byte order mark, joiners, a soft hyphen. Copied text has them at its edges.
_EDGES = re.compile(r"^[\s\u00ad\u200b-\u200d\u2060\ufeff]+|[\s\u00ad\u200b-\u200d\u2060\ufeff]+$")
_SPACES = re.compile(r"[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")  # Unicode's Zs, but for the plain one
# All that a line may have in it and still say nothing: separators, quotes, spaces, and what old editors put at the
# end of a file (Ctrl-Z, NUL).
_NOTHING = re.compile(r"[\s,;|\"'\x00\x1a\u00ad\u200b-\u200d\u2060\ufeff]*")


def normal_text(text: str) -> str:
    """Return a text with its letters composed (NFC), its spaces plain, and nothing that cannot be seen around it."""
    return _EDGES.sub("", _SPACES.sub(" ", unicodedata.normalize("NFC", text)))


def has_controls(text: str) -> bool:
    """Tell whether a text has a control code, a line end, half a surrogate or a direction override in it."""
    return not text.isprintable() and any(map(_is_control, text))


def says_nothing(line: bytes) -> bool:
    """Tell whether a line has nothing in it but separators, quotes and what cannot be seen: it is no record."""
    return _NOTHING.fullmatch(line.decode(errors="replace")) is not None


def _is_control(letter: str) -> bool:
    return unicodedata.category(letter) in {"Cc", "Cs", "Zl", "Zp"} or letter in "\u202a\u202b\u202d\u202e"
