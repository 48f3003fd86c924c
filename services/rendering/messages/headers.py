"""Headers of a mail with words that people wrote: a subject, a name. Pure.

The standard library loses the quotes of a long name when it folds it: a comma in it then makes two senders of one, and
strict hosts refuse the mail. It also leaves the first line of a long subject empty. Here a line is filled before the
next begins (RFC 5322, 2.2.3), and what is not plain ASCII is encoded whole (RFC 2047).
"""

from base64 import b64encode
from collections.abc import Iterator, Sequence

__all__ = ["sender_header", "text_header"]

_LINE = 78  # RFC 5322, 2.1.1: signs in a line, where that can be
_LONGEST_WORD = 66  # stands on a line with a header's name; a longer one is encoded, which can be broken anywhere
# Of what is encoded in one word: in base64 with its marks 64 signs, so that it stands beside a header's name within the
# 76 that a line with such a word may have.
_ENCODED_BYTES = 39


def text_header(name: str, text: str) -> str:
    """Return a header with a text, which has no controls; without the end of its last line."""
    return _folded(name, text.split() if _is_plain(text) else list(_encoded(text)))


def sender_header(name: str, display: str, address: str) -> str:
    """Return a header with somebody's name and address, such as From."""
    if not _is_plain(display):
        return _folded(name, [*_encoded(display), f"<{address}>"])
    escaped = display.replace("\\", "\\\\").replace('"', '\\"')
    return _folded(name, [*(f'"{escaped}"'.split() if display else ()), f"<{address}>"])


def _is_plain(text: str) -> bool:
    """Tell whether a text can stand as it is: what looks like an encoded word would be read as one."""
    return text.isascii() and "=?" not in text and all(len(word) <= _LONGEST_WORD for word in text.split())


def _encoded(text: str) -> Iterator[str]:
    """Return a text as encoded words, none of which ends within a sign; the spaces between two are nobody's."""
    part = b""
    for sign in text:
        octets = sign.encode()
        if len(part) + len(octets) > _ENCODED_BYTES:
            yield f"=?utf-8?b?{b64encode(part).decode()}?="
            part = b""
        part += octets
    yield f"=?utf-8?b?{b64encode(part).decode()}?="


def _folded(name: str, words: Sequence[str]) -> str:
    lines = [f"{name}:"]
    for at, word in enumerate(words):
        if at == 0 or len(lines[-1]) + 1 + len(word) <= _LINE:
            lines[-1] += f" {word}"
        else:
            lines.append(f" {word}")
    return "\r\n".join(lines)
