"""What somebody outside says of an attempt, as it is written down before its notice is looked for. Pure."""

from typing import Final, NamedTuple

from services.core.ids import parse_reference
from services.core.receipts import REASON_NAMES, ReceiptReason

__all__ = ["Said", "named_by_reference", "reason_of"]


class Said(NamedTuple):
    """One thing said of an attempt of who is `named`: a notice's id (16 bytes), or what its reference says (10)."""

    named: bytes
    channel: int
    attempt: int  # 0 = not said
    kind: int  # ReceiptKind
    at: int  # ms since 1970
    reason: int  # ReceiptReason


# As Dutch and English lists have it; anything else is a reason that is not said.
_WORDS: Final = {
    **{word: reason for reason, word in REASON_NAMES.items()},
    "permanent": ReceiptReason.HARD,
    "hard-bounce": ReceiptReason.HARD,
    "temporary": ReceiptReason.SOFT,
    "transient": ReceiptReason.SOFT,
    "soft-bounce": ReceiptReason.SOFT,
    "mailbox-full": ReceiptReason.SOFT,
    "verhuisd": ReceiptReason.MOVED,
    "vertrokken": ReceiptReason.MOVED,
    "onbekend": ReceiptReason.NOT_AT_ADDRESS,
    "unknown": ReceiptReason.NOT_AT_ADDRESS,
    "onbekend-op-adres": ReceiptReason.NOT_AT_ADDRESS,
    "woont-niet-op-adres": ReceiptReason.NOT_AT_ADDRESS,
    "adres-onjuist": ReceiptReason.BAD_ADDRESS,
    "adres-onvolledig": ReceiptReason.BAD_ADDRESS,
    "adres-onbekend": ReceiptReason.BAD_ADDRESS,
    "adres-bestaat-niet": ReceiptReason.BAD_ADDRESS,
    "onbestelbaar": ReceiptReason.BAD_ADDRESS,
    "undeliverable": ReceiptReason.BAD_ADDRESS,
    "overleden": ReceiptReason.DECEASED,
    "geweigerd": ReceiptReason.NOT_ACCEPTED,
    "refused": ReceiptReason.NOT_ACCEPTED,
    "niet-afgehaald": ReceiptReason.NOT_COLLECTED,
    "unclaimed": ReceiptReason.NOT_COLLECTED,
    # As providers of e-mail have it: no fault of the recipient's.
    "technical": ReceiptReason.PROVIDER,
    "technical-failure": ReceiptReason.PROVIDER,
    "cancelled": ReceiptReason.PROVIDER,
    "blocked": ReceiptReason.PROVIDER,
    "policy": ReceiptReason.PROVIDER,
    "spam": ReceiptReason.PROVIDER,
    "virus": ReceiptReason.CONTENT,
    "too-large": ReceiptReason.CONTENT,
    "content-rejected": ReceiptReason.CONTENT,
}


def reason_of(text: str) -> ReceiptReason:
    """Return the reason that a list or a provider means."""
    return _WORDS.get("-".join(text.lower().replace("-", " ").replace("_", " ").split()), ReceiptReason.NOT_SAID)


def named_by_reference(text: str) -> bytes:
    """Return who a reference names. Raises ValueError where it is none, or was mistyped."""
    return parse_reference(text)
