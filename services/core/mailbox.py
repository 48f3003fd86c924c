"""One e-mail address in the form in which it can be put into a header and a command. Pure."""

import re

__all__ = ["LOCAL_PART", "is_host", "mailbox"]

# A dot-string and a host name (RFC 5321, 4.1.2): no quotes, comments, lists or controls, so that no address can end a
# header or a command.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_MAILBOX = re.compile(rf"(?=[^@]{{1,64}}@){_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*", re.ASCII)
_HOST = re.compile(rf"(?=.{{1,253}}$){_LABEL}(?:\.{_LABEL})*", re.ASCII)
LOCAL_PART = 64  # octets at most before the @ (RFC 5321, 4.5.3.1.1)
_LONGEST = 254  # RFC 5321, 4.5.3.1.3: a path is 256 with its brackets


def mailbox(address: str) -> str | None:
    """Return an address as it goes over the wire (host names of other scripts as xn--), or None if it cannot."""
    local, at, host = address.strip().rpartition("@")
    try:
        plain = f"{local}{at}{host if host.isascii() else host.encode('idna').decode()}"
    except UnicodeError:
        return None
    return plain if len(plain) <= _LONGEST and _MAILBOX.fullmatch(plain) else None


def is_host(name: str) -> bool:
    """Tell whether a text is the name of a host, as a mail program says it of itself (RFC 5321, 4.1.1.1)."""
    return _HOST.fullmatch(name) is not None
