"""The address that each mail goes back to if it cannot be delivered (variable envelope return path). Pure.

It names notice and attempt, and proves that we gave it: the proof follows from the notice's reference, which topics do
not show, so nobody but who was sent the mail can report on it. Mail programs may change capitals, so there are none.
"""

import base64
import hmac
import re
from hashlib import blake2b
from typing import NamedTuple

from services.core.ids import ID_BYTES

__all__ = ["RETURN_TAG", "ReturnTag", "read_return_address", "return_address"]

_NOTICE, _ATTEMPT, _PROOF = 26, 3, 10  # characters; a proof has 50 bits
RETURN_TAG = _NOTICE + 1 + _ATTEMPT + 1 + _PROOF  # characters at most that it adds to a mailbox, beside the +
_TAG = re.compile(rf"([a-z2-7]{{{_NOTICE}}})\.([1-9][0-9]{{0,{_ATTEMPT - 1}}})\.([a-z2-7]{{{_PROOF}}})", re.ASCII)


class ReturnTag(NamedTuple):
    """What a return address says of whose mail it was. It is believed once it is proved."""

    notice: bytes
    attempt: int
    proof: str

    def is_proved_by(self, reference: str) -> bool:
        """Tell whether we gave this address, to a mail about the notice with this reference."""
        return hmac.compare_digest(self.proof, _proof(self.notice, self.attempt, reference))


def return_address(mailbox: str, notice: bytes, attempt: int, reference: str) -> str:
    """Return the address of one attempt's mail, at a mailbox of bounces."""
    local, _, host = mailbox.rpartition("@")
    return f"{local}+{_base32(notice)}.{attempt}.{_proof(notice, attempt, reference)}@{host}"


def read_return_address(mailbox: str, address: str) -> ReturnTag | None:
    """Read an address; None where it is none of a mail's own, at that mailbox."""
    local, _, host = mailbox.lower().rpartition("@")
    said, _, at = address.lower().rpartition("@")
    if at != host or not said.startswith(f"{local}+"):
        return None
    found = _TAG.fullmatch(said.removeprefix(f"{local}+"))
    if not found:
        return None
    notice = base64.b32decode(found[1].upper() + "======")
    return ReturnTag(notice, int(found[2]), found[3]) if len(notice) == ID_BYTES else None


def _proof(notice: bytes, attempt: int, reference: str) -> str:
    about = notice + attempt.to_bytes(2, "big")
    return _base32(blake2b(about, digest_size=8, key=reference.encode(), person=b"heraut-return").digest())[:_PROOF]


def _base32(value: bytes) -> str:
    return base64.b32encode(value).decode("ascii").rstrip("=").lower()
