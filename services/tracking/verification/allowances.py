"""How often people may ask who need not say who they are: an allowance for each place that asks, and one for all. Pure.

A place is an address of IPv4, or the 64 bits of one of IPv6 that a household has. Whole offices and mobile networks ask
from one address, so an allowance is for a crowd; it keeps a machine from asking without end, not a person from asking.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from math import ceil

__all__ = ["Allowance", "Allowances", "asking_place"]

_PLACES = 10_000  # kept at a time, of a hundred bytes each; whoever was away longest has a whole allowance again
_HOUSEHOLD = 64  # bits of an IPv6 address (RFC 6177)


@dataclass(frozen=True, slots=True)
class Allowance:
    """So many questions at once, and from then on so many a second."""

    at_once: int
    per_second: float


class Allowances:
    """Counts questions; `of_place` is what each place may ask, `of_all` what all may ask together."""

    def __init__(self, of_place: Allowance, of_all: Allowance) -> None:
        self._of_place, self._of_all = of_place, of_all
        self._places: OrderedDict[str, tuple[float, float]] = OrderedDict()  # what is left, and as of when
        self._all = (float(of_all.at_once), 0.0)

    def take(self, place: str, now: float) -> int:
        """Return 0 where this place may ask at `now` (seconds), else after how many seconds it may."""
        of_place = _left(self._places.pop(place, None), self._of_place, now)
        of_all = _left(self._all, self._of_all, now)
        waits = max(_wait(of_place, self._of_place), _wait(of_all, self._of_all))
        taken = 0 if waits else 1
        self._places[place] = of_place - taken, now
        self._all = of_all - taken, now
        if len(self._places) > _PLACES:
            self._places.popitem(last=False)
        return waits


def asking_place(peer: str, forwarded: str, proxies: Sequence[IPv4Network | IPv6Network]) -> str:
    """Return the place that a question comes from.

    `forwarded` is the header X-Forwarded-For: a list to which each proxy adds whom it heard. It is believed as far as
    those who wrote it are our own `proxies`: what stands before that, anybody could have written.
    """
    heard = [*(part.strip() for part in forwarded.split(",") if part.strip()), peer]
    place = _address(peer)
    for text in reversed(heard):
        address = _address(text)
        if address is None:
            break
        place = address
        if not any(address in network for network in proxies):
            break
    return _place_of(place) if place else ""


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address


def _place_of(address: IPv4Address | IPv6Address) -> str:
    bits = _HOUSEHOLD if address.version == 6 else address.max_prefixlen
    return str(ip_network((address, bits), strict=False))


def _left(before: tuple[float, float] | None, allowance: Allowance, now: float) -> float:
    if before is None:
        return float(allowance.at_once)
    left, at = before
    return min(float(allowance.at_once), left + (now - at) * allowance.per_second)


def _wait(left: float, allowance: Allowance) -> int:
    return 0 if left >= 1 else ceil((1 - left) / allowance.per_second)
