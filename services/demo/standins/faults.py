"""How a stand-in misbehaves: shares of what it is asked, drawn from a seed, so that a run can be seen again. Pure.

What becomes of one request depends on the seed, its key and how often it came, and not on the order of requests.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Final

__all__ = ["WHOLE", "Fault", "Faults", "faults_of"]

WHOLE: Final = 100.0  # percent


class Fault(StrEnum):
    """Something that a provider does wrong, or says of somebody."""

    REFUSED = "refused"  # this recipient, each time
    LATENCY = "latency"  # it answers, late
    TOO_MANY = "tooMany"  # asks to wait: 429 with Retry-After; in SMTP 451
    ERROR = "error"  # 503; in SMTP 421, and the connection closes
    ANSWER_LOST = "answerLost"  # it took the message, and the connection breaks before the answer
    RECEIPT_LOST = "receiptLost"  # it never tells what became of it
    RECEIPT_DOUBLE = "receiptDouble"  # it tells twice


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """The share of each fault in percent; `latency` and `retry_after` in seconds."""

    seed: int = 0
    shares: Mapping[Fault, float] = field(default_factory=dict)
    latency: float = 2.0
    retry_after: int = 1

    def hits(self, fault: Fault, key: str, time: int = 0) -> bool:
        """Tell whether a fault hits a request that comes for this time. A recipient is refused each time or never."""
        share = self.shares.get(fault, 0.0)
        return share > 0 and self._drawn(fault, key, 0 if fault is Fault.REFUSED else time) < share

    def _drawn(self, fault: Fault, key: str, time: int) -> float:
        """Return a number from 0 up to 100 that only these decide."""
        digest = sha256(f"{self.seed}/{fault}/{key}/{time}".encode()).digest()
        return int.from_bytes(digest[:8]) / 2**64 * WHOLE


def faults_of(document: Any) -> Faults:
    """Read faults as the control API takes them. Raises ValueError that names the field.

    `{"seed": 1, "percent": {"tooMany": 5, "answerLost": 5}, "latency": 2.0, "retryAfter": 1}`; each may be left out.
    """
    percent = document.get("percent", {}) if isinstance(document, dict) else None
    if not isinstance(percent, dict) or not document.keys() <= {"seed", "percent", "latency", "retryAfter"}:
        raise ValueError("faults are an object with seed, latency, retryAfter, and percent: a share for each fault")
    shares = {}
    for name, share in percent.items():
        if name not in set(Fault):
            raise ValueError(f"percent: the faults are {', '.join(Fault)}")
        shares[Fault(name)] = _number(f"percent.{name}", share, WHOLE)
    return Faults(
        seed=int(_number("seed", document.get("seed", 0), 2**53)),
        shares=MappingProxyType(shares),
        latency=_number("latency", document.get("latency", 2.0), 3600),
        retry_after=int(_number("retryAfter", document.get("retryAfter", 1), 3600)),
    )


def _number(field: str, value: object, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise ValueError(f"{field}: must be a number from 0 to {most:g}")
    return float(value)
