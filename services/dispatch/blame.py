"""Whose fault a provider's answer is: one table a kind of provider, and the functions that read them. Pure.

Only what blames the *recipient* sends somebody to the next channel, and that cannot be taken back. So a row says
recipient where the answer names one, and what no row knows is the provider's fault. The answers are those of RFC 5321
(codes of SMTP), RFC 3463 and its registry (enhanced codes), RFC 9110 (status of HTTP).
"""

import re
from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final

from services.core.channel import Channel

__all__ = [
    "MAIL_API",
    "MAIL_API_CODES",
    "NOTIFY",
    "NOTIFY_MESSAGES",
    "NOTIFY_STATUSES",
    "PORTAL",
    "SMTP_CODES",
    "SMTP_ENHANCED",
    "Blame",
    "blame_of_mail_api",
    "blame_of_notify",
    "blame_of_portal",
    "blame_of_smtp",
    "blame_of_smtp_session",
    "enhanced_code",
]


class Blame(Enum):
    """Whose fault it is that a provider did not take a notice."""

    RECIPIENT = "recipient"  # this one cannot be reached there: the next channel
    SENDER = "sender"  # our address, password or reputation: the channel pauses
    PROVIDER = "provider"  # its relay, its address, a token that expired: the channel pauses
    CONTENT = "content"  # our own message: this incident stops on this channel
    LATER = "later"  # nobody's: put off


# Enhanced codes without their class, the most special first: "1.7" before "1". They are about the message and its
# recipient; the class (4 = for now, 5 = for good) is that of the code before them.
SMTP_ENHANCED: Final[Mapping[str, Blame]] = MappingProxyType(
    {
        "1.7": Blame.SENDER,  # the sender's address has no valid form
        "1.8": Blame.SENDER,  # the sender's domain is not known
        "1": Blame.RECIPIENT,  # unknown mailbox, unknown host, moved, a domain without mail
        "2.2": Blame.LATER,  # mailbox full: perhaps not tomorrow
        "2": Blame.RECIPIENT,  # mailbox disabled, or takes no message of this size
        "3.4": Blame.CONTENT,  # message too big for the system
        "3": Blame.PROVIDER,
        "4.1": Blame.RECIPIENT,  # as large hosts answer for an unknown recipient ("550 5.4.1 ... access denied")
        "4.4": Blame.RECIPIENT,  # no way to the recipient's host: its domain does not exist
        "4": Blame.PROVIDER,
        "5.0": Blame.RECIPIENT,  # as large hosts answer for an unknown mailbox ("550 5.5.0 mailbox unavailable")
        "5": Blame.PROVIDER,  # it does not speak with us as it should
        "6.7": Blame.RECIPIENT,  # an address in letters that its host does not take
        "6": Blame.CONTENT,
        "7.17": Blame.RECIPIENT,  # the mailbox has another owner now (RFC 7293)
        "7.18": Blame.RECIPIENT,  # the domain has another owner now
        "7": Blame.SENDER,  # policy: relaying denied, no authentication, a bad reputation, taken for spam
    }
)

# Codes where there is no enhanced one, or one that no row knows. 551, 553 and 554 are no evidence: relays say all three
# to whoever may not send through them.
SMTP_CODES: Final[Mapping[int, Blame]] = MappingProxyType(
    {
        530: Blame.SENDER,  # log in first
        534: Blame.SENDER,
        535: Blame.SENDER,  # wrong password
        538: Blame.SENDER,
        550: Blame.RECIPIENT,  # "mailbox unavailable"; as relays say it of others too, the breaker watches
        552: Blame.LATER,  # "exceeded storage allocation"
        556: Blame.RECIPIENT,  # the domain takes no mail (RFC 7504)
    }
)

PORTAL: Final[Mapping[int, Blame]] = MappingProxyType(
    {
        400: Blame.CONTENT,
        401: Blame.PROVIDER,  # a token that expired
        403: Blame.PROVIDER,
        404: Blame.PROVIDER,  # an address that moved
        405: Blame.PROVIDER,
        408: Blame.LATER,  # it gave up waiting for us
        410: Blame.RECIPIENT,
        413: Blame.CONTENT,
        415: Blame.PROVIDER,
        422: Blame.CONTENT,
        429: Blame.LATER,
    }
)

# Of a mail provider over HTTP, in the shape of Postmark's: the status, and with 422 the code of its answer.
MAIL_API: Final[Mapping[int, Blame]] = MappingProxyType(
    {
        401: Blame.PROVIDER,  # a token that was taken back
        403: Blame.SENDER,
        404: Blame.PROVIDER,  # an address that moved
        405: Blame.PROVIDER,
        408: Blame.LATER,
        413: Blame.CONTENT,
        415: Blame.PROVIDER,
        429: Blame.LATER,
    }
)
MAIL_API_CODES: Final[Mapping[int, Blame]] = MappingProxyType(
    {
        10: Blame.PROVIDER,  # no token, or a wrong one
        100: Blame.LATER,  # maintenance
        300: Blame.CONTENT,  # a field has no valid form; addresses were looked at before
        400: Blame.SENDER,  # the sender's address is not known there
        401: Blame.SENDER,  # it was not confirmed
        405: Blame.SENDER,  # the account may not send any more: what it paid for is used up
        406: Blame.RECIPIENT,  # it bounced before, or complained
        412: Blame.SENDER,  # the account waits for approval
        413: Blame.SENDER,  # the account may not send
    }
)

# Of GOV.UK Notify and NotifyNL: by the kind of an error and what its message begins with or has in it, the first that
# fits; then by status.
NOTIFY_MESSAGES: Final[tuple[tuple[str, str, Blame], ...]] = (
    ("BadRequestError", "team-only api key", Blame.SENDER),
    ("BadRequestError", "trial mode", Blame.SENDER),
    ("BadRequestError", "team api key", Blame.SENDER),
    ("BadRequestError", "not allowed to send", Blame.SENDER),
    ("BadRequestError", "missing personalisation", Blame.CONTENT),
    ("BadRequestError", "content for template", Blame.CONTENT),
    ("BadRequestError", "not a valid pdf", Blame.CONTENT),
    ("BadRequestError", "too many pages", Blame.CONTENT),
    ("BadRequestError", "content is too long", Blame.CONTENT),
    ("ValidationError", "email_address", Blame.RECIPIENT),
    ("ValidationError", "personalisation", Blame.CONTENT),
    ("ValidationError", "content", Blame.CONTENT),
)
NOTIFY: Final[Mapping[int, Blame]] = MappingProxyType(
    {
        401: Blame.PROVIDER,
        403: Blame.PROVIDER,  # a key that was taken back, or a clock that goes wrong
        404: Blame.PROVIDER,
        408: Blame.LATER,
        413: Blame.CONTENT,
        429: Blame.LATER,  # RateLimitError of a minute, TooManyRequestsError of a day
    }
)

# What became of what Notify took, where nobody was told: by the channel, and the status that it says afterwards (their
# documentation: "Get the status of one message"). It looks at a letter after it took it. It never says why it rejects
# one, so nothing of that names a recipient: an address that it cannot read is read off our page.
NOTIFY_STATUSES: Final[Mapping[Channel, Mapping[str, Blame]]] = MappingProxyType(
    {
        Channel.EMAIL: MappingProxyType(
            {
                "permanent-failure": Blame.RECIPIENT,  # there is no such mailbox
                "temporary-failure": Blame.LATER,  # a full mailbox, or its filter; Notify has tried for days
                "technical-failure": Blame.PROVIDER,  # between Notify and who sends for it: it can be sent again
            }
        ),
        Channel.LETTER: MappingProxyType(
            {
                "returned-letter": Blame.RECIPIENT,
                "validation-failed": Blame.CONTENT,  # something stands where nothing may, or it has too many pages
                "virus-scan-failed": Blame.CONTENT,
                "technical-failure": Blame.PROVIDER,
                "permanent-failure": Blame.PROVIDER,  # whoever prints for it cannot
                "cancelled": Blame.SENDER,  # by somebody of our own service there
            }
        ),
    }
)

# At the beginning of an answer (RFC 2034), or as qmail has it, in brackets behind a number sign.
_ENHANCED = re.compile(r"\s*([45]\.\d{1,3}\.\d{1,3})(?=\s|$)|.*\(#([45]\.\d{1,3}\.\d{1,3})\)", re.DOTALL)


def enhanced_code(text: str) -> str:
    """Return the enhanced code of an SMTP answer's text, such as 5.1.1; empty where it has none."""
    found = _ENHANCED.match(text)
    return (found[1] or found[2]) if found else ""


def blame_of_smtp(code: int, enhanced: str = "") -> Blame:
    """Return whose fault an answer about a recipient or a message is that is no acceptance."""
    if 400 <= code < 500:
        return Blame.LATER
    digit, _, rest = enhanced.partition(".")
    if not rest or not str(code).startswith(digit):
        return SMTP_CODES.get(code, Blame.PROVIDER)
    subject, _, _ = rest.partition(".")
    return SMTP_ENHANCED.get(rest) or SMTP_ENHANCED.get(subject) or SMTP_CODES.get(code, Blame.PROVIDER)


def blame_of_smtp_session(code: int, enhanced: str = "") -> Blame:
    """Return whose fault an answer is before any recipient was named: to a connection, a login, a sender's address."""
    blame = blame_of_smtp(code, enhanced)
    return Blame.SENDER if blame is Blame.RECIPIENT else blame


def blame_of_portal(status: int) -> Blame:
    """Return whose fault a status is that is no acceptance."""
    return Blame.LATER if status >= 500 else PORTAL.get(status, Blame.PROVIDER)


def blame_of_mail_api(status: int, code: int) -> Blame:
    """Return whose fault an answer below 500 is; `code` is that of its JSON, 0 where it has none."""
    if status == 422:
        return MAIL_API_CODES.get(code, Blame.PROVIDER)
    return MAIL_API.get(status, Blame.PROVIDER)


def blame_of_notify(status: int, kind: str, message: str) -> Blame:
    """Return whose fault an answer below 500 of Notify is, by kind and message of its first error."""
    told = message.lower()
    if status == 400:
        return next((blame for of, part, blame in NOTIFY_MESSAGES if of == kind and part in told), Blame.PROVIDER)
    return NOTIFY.get(status, Blame.PROVIDER)
