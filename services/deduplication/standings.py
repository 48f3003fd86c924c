"""How a pseudonym's only member stands: what the rules say of whoever is known by one record, as a table. Pure."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Final, NoReturn

from services.core.channel import CHANNEL_BITS
from services.core.ids import KEY_BYTES
from services.core.notices import MEMBER_FLAG_BITS
from services.deduplication.domain import Member, NoticeIds, Standing, Terms
from services.deduplication.dossier import Dossier, decide

__all__ = ["first_standings", "looked_up"]

Table = Sequence[Sequence[Standing]]  # by flags, then by channels

_NO_IDS: Final = NoticeIds(bytes(KEY_BYTES), "")  # of a table that has no ids


@lru_cache(maxsize=8 << CHANNEL_BITS)  # every set of channels, released, cancelled, paused, or neither
def first_standings(
    usable: int,
    *,
    released: bool,
    cancelled: bool = False,
    paused: bool = False,
    channel_bits: int = CHANNEL_BITS,
    flag_bits: int = MEMBER_FLAG_BITS,
) -> Table:
    """Return how a pseudonym's only member stands: what `decide` says, by flags, then by channels.

    A row and a column for every value that the bits allow. Two indexes, not one number made of both: flags or channels
    with a bit too many are an IndexError, and never read as others.
    """
    may_go, off, still = ({0} if so else set[int]() for so in (released, cancelled, paused))
    terms = Terms("", 0, 0, usable, {0: ""}, may_go, _NO_IDS, cancelled=off, paused=still)
    return [
        [_first_standing(channels, flags, terms) for channels in range(1 << channel_bits)]
        for flags in range(1 << flag_bits)
    ]


def _first_standing(channels: int, flags: int, terms: Terms) -> Standing:
    unasked: Any = _Unasked()
    member = Member(b"", unasked, 0, unasked, 1, 1, channels, flags, unasked, unasked, unasked)
    return decide(Dossier.unknown(b"", 0), [[member]], terms).dossier.standings[b""]


class _Unasked:
    """Stands for what the table has no place for: a rule that asks for it fails, and cannot be overlooked.

    Without it, a rule on the language would hold for people that `decide` sees, and not for those new in a block.
    """

    def _refuse(self, *_: object) -> NoReturn:
        raise TypeError("a first decision rests on channels and flags: widen `first_standings` for anything else")

    __bool__ = __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __hash__ = __contains__ = __str__ = _refuse


def looked_up(table: Table, flags: Iterable[int], channels: Iterable[int]) -> list[Standing]:
    """Return how each of these members stands, from the table of `first_standings`."""
    return [table[flag][mask] for flag, mask in zip(flags, channels, strict=True)]
